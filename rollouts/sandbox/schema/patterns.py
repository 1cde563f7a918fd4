"""Regular expressions of schemas: written for RE2, run by Python."""

from __future__ import annotations

import re

_POSIX_CLASSES = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:space:]": r"\s",
    "[:word:]": r"\w",
    "[:xdigit:]": "0-9a-fA-F",
}
_END_OF_TEXT = re.compile(r"(?<!\\)\$(?=$|\)|\|)")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile an RE2 pattern; `search` on the result means what the API server means.

    RE2 reads `$` and `\\z` as the very end of the text, where Python's `$` also allows a newline after it. Raises
    re.error for what Python cannot express (such as `\\p{Greek}`).
    """
    for name, members in _POSIX_CLASSES.items():
        pattern = pattern.replace(name, members)
    return re.compile(_END_OF_TEXT.sub(r"\\Z", pattern).replace(r"\z", r"\Z"), re.ASCII)
