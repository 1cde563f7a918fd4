"""Numbers as Go prints them: what people see in a status must not change with the language of the controller."""

from __future__ import annotations

import math
from decimal import Decimal

_EXPONENT_MIN = -4
_EXPONENT_MAX = 21


def plain(value: float) -> str:
    """Shortest digits that read back as `value`, never with an exponent: 0.5, 3, NaN, +Inf."""
    if not math.isfinite(value):
        return _special(value)
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def shortest(value: float) -> str:
    """The same, with an exponent below 1e-4 and from 1e21 on: 1e+21, 1.5e-07."""
    if not math.isfinite(value):
        return _special(value)
    exponent = Decimal(repr(float(value))).adjusted() if value else 0
    if _EXPONENT_MIN <= exponent < _EXPONENT_MAX:
        return plain(value)
    digits = "".join(str(digit) for digit in Decimal(repr(float(value))).as_tuple().digits).rstrip("0")
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{'-' if value < 0 else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"
