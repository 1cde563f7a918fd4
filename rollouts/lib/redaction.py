"""Taking secret values out of texts for people, also where a text quotes, escapes or encodes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

STARS = "*****"
_PATH_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what HTTP clients leave as it is in a URL that is given to them whole


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with each secret replaced by stars, longer forms first; empty secrets hide nothing."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, STARS)
    return text


def _forms(secret: str) -> tuple[str, ...]:
    """How a secret may be written: as it is, inside a quoted string, in a URL and its parts, in a form."""
    quoted = (json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    encoded = (quote(secret, safe=safe, errors="replace") for safe in ("", "/", _PATH_SAFE))
    return (secret, *quoted, *encoded, quote_plus(secret, errors="replace"))
