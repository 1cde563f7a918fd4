"""Resource quantities: their value, and the one spelling under which an API server stores each of them."""

from __future__ import annotations

import functools
import re
from decimal import Decimal

_QUANTITY = re.compile(r"^([+-]?)(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE]?)$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_SMALLEST = Decimal(10) ** -9


def value_of(text: str | float) -> Decimal:
    """The quantity's value. Raises ValueError when it is no quantity."""
    number, suffix = _parsed(str(text))
    if suffix in _BINARY:
        return number * (Decimal(1024) ** _BINARY[suffix])
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return number * (Decimal(10) ** int(suffix[1:]))
    return number * (Decimal(10) ** _DECIMAL[suffix])


def is_quantity(text: str | float) -> bool:
    """Whether the text is a quantity."""
    return _QUANTITY.match(str(text)) is not None


@functools.lru_cache(maxsize=4096)
def canonical(text: str | float) -> str:
    """The stored spelling: no fraction, the largest suffix that allows it, binary or decimal as it was written.

    Raises ValueError when it is no quantity.
    """
    value, (_, suffix) = value_of(text), _parsed(str(text))
    if suffix in _BINARY and abs(value) >= 1024 and value == value.to_integral_value():
        return _binary(int(value))
    steps = (value / _SMALLEST).to_integral_value(rounding="ROUND_UP")
    if not steps:
        return "0"
    return _decimal(int(steps), as_exponent=suffix[:1] in ("e", "E") and len(suffix) > 1)


def _parsed(text: str) -> tuple[Decimal, str]:
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    return Decimal(match[1] + match[2]), match[3]


def _binary(value: int) -> str:
    suffix = ""
    for name in _BINARY:
        if value % 1024:
            break
        value, suffix = value // 1024, name
    return f"{value}{suffix}"


def _decimal(billionths: int, *, as_exponent: bool) -> str:
    exponent = -9
    while billionths % 1000 == 0 and exponent < 18:
        billionths, exponent = billionths // 1000, exponent + 3
    if as_exponent:
        return f"{billionths}e{exponent}" if exponent else str(billionths)
    return f"{billionths}{_SUFFIX[exponent]}"
