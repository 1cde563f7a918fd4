"""JSON from strangers: read whatever its depth, since one value nested too deeply must not cost those around it.

The standard decoder recurses, and gives up a whole list of objects for the sake of one of them; an API server stores
objects of ten times the depth that it can read. What is nested deeper than any object has a use for is replaced by a
string that says so, and shows up as a problem at its place. Encoding does not belong here.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEPTH_MAX = 200  # levels; the deepest object of Kubernetes' own has some thirty
TOO_DEEP = f"(nested deeper than {DEPTH_MAX} levels)"

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]')
_STRING = re.compile(rb'"[^"]*"')
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))


def loads(text: bytes) -> Any:
    """The value of a JSON text in UTF-8, cut below `DEPTH_MAX`. Raises ValueError."""
    try:
        return json.loads(readable(text))
    except RecursionError:  # brackets without an end
        raise ValueError("not JSON, and nested too deeply") from None


def readable(text: bytes) -> bytes:
    """The same JSON, cut where it is too deep; cheap for what is not."""
    return shallow(text) if _is_deep(text) else text


def _is_deep(text: bytes) -> bool:
    """Whether some value has more than `DEPTH_MAX` levels: what is left after peeling off the innermost pairs so often.

    Whole-text replacements in C, since every answer of the API server passes here: a third of what decoding costs.
    """
    if text.count(b"{") + text.count(b"[") <= DEPTH_MAX:
        return False
    bare = text.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_STRUCTURE).replace(b'""', b"")
    brackets = _STRING.sub(b"", bare).replace(b"[", b"{").replace(b"]", b"}")
    for _ in range(DEPTH_MAX):
        peeled = brackets.replace(b"{}", b"")
        if len(peeled) == len(brackets):
            break
        brackets = peeled
    return bool(brackets)


def shallow(text: bytes) -> bytes:
    """The same JSON with every list and mapping below `DEPTH_MAX` replaced by `TOO_DEEP`."""
    kept: list[bytes] = []
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"{" | b"[":
                depth += 1
                if depth == DEPTH_MAX + 1:
                    kept += (text[begin : token.start()], json.dumps(TOO_DEEP).encode())
            case b"}" | b"]":
                if depth == DEPTH_MAX + 1:
                    begin = token.end()
                depth -= 1
            case _:
                pass  # a string, whose brackets mean nothing
    return b"".join((*kept, text[begin:])) if depth <= DEPTH_MAX else text
