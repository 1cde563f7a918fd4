"""The short hashes that name versions and step lists.

Both are 32-bit FNV-1a over the JSON that Go's encoder makes of the value, printed in decimal and spelt with letters
that cannot form words. They must come out as existing clusters know them, hence the care about Go's text. Whether two
templates *mean* the same is a different question (api/template.py).
"""

from __future__ import annotations

import json
from typing import Any

from rollouts.lib import podjson

_FNV_OFFSET, _FNV_PRIME, _MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def pod_template_hash(template: object, collision_count: int | None = None) -> str:
    """The hash of a raw pod template; a collision count (even 0) makes it another one."""
    data = _bytes(podjson.ordered(template))
    if collision_count is not None:
        data += (collision_count & _MASK).to_bytes(4, "little") + bytes(4)
    return spell(fnv1a(data))


def step_hash(steps: object) -> str:
    """The hash of a canary's raw step list; anything that is no list hashes as no steps."""
    return spell(fnv1a(_bytes(podjson.ordered_steps(steps))))


def _bytes(value: Any) -> bytes:
    return go_json(value).encode("utf-8", "replace")  # lone surrogates have no UTF-8; any fixed stand-in will do


def fnv1a(data: bytes) -> int:
    """32-bit FNV-1a."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return value


def spell(number: int) -> str:
    """A number in Kubernetes' safe alphabet, one letter for each decimal digit."""
    return "".join(_LETTERS[ord(digit) % len(_LETTERS)] for digit in str(number))


def go_json(value: Any) -> str:
    """`value` in the text of Go's encoder: compact, members in the order given, `<`, `>`, `&` escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)
