"""Kubernetes quantities: `250m`, `1.5Gi`, `1e3`. Exact values, one canonical text for each, and the text Go writes.

The two texts differ where Go believes that what it read is canonical already (`2.125`, `+3`) and writes it again.
"""

from __future__ import annotations

import re
from fractions import Fraction

_PATTERN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+|)"
)
_EXPONENT_MAX = 100  # beyond any machine; bounds the work a hostile text can cause
_DIGITS_MAX = 200
_GO_DIGITS_MAX = 18  # what fits an int64 whatever the digits are
_BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Fraction(1, 10**9)
_MAX = 2**63 - 1


def parse(text: object) -> Fraction | None:
    """The exact value of a quantity (JSON string or number); None when it is none."""
    match = _match(text)
    if match is None:
        return None
    return Fraction(match["number"]) * _factor(match["suffix"])


def canonical(text: object) -> str | None:
    """The text Kubernetes prints: no fraction, the largest suffix of the same family; None when `text` is no quantity.

    Finer than nano rounds up, away from zero; values with a binary suffix are capped at 2**63-1.
    """
    match = _match(text)
    if match is None:
        return None
    suffix = match["suffix"]
    is_binary = suffix.endswith("i")
    value = _rounded(Fraction(match["number"]) * _factor(suffix), is_capped=is_binary)
    if value == 0:
        return "0"
    if is_binary and value.denominator == 1 and abs(value) >= 1024:
        return _binary(value.numerator)
    return _decimal(value, is_scientific=not is_binary and suffix[:1] in ("e", "E") and len(suffix) > 1)


def as_go_writes(text: object) -> str | None:
    """The text of Go's JSON encoder for a quantity it has just read; None when `text` is no quantity."""
    match = _match(text)
    return str(text) if match is not None and _is_kept(match) else canonical(text)


def _is_kept(match: re.Match[str]) -> bool:
    """Whether Go takes its short cut and trusts the text. Values it would have to compute with are not kept."""
    whole, _, fraction = match["number"].lstrip("+-").partition(".")
    digits = (whole.lstrip("0") or "0") + fraction
    if match["suffix"] in _BINARY[1:]:
        exponent = 10 * _BINARY.index(match["suffix"])
        room = 15 - len(digits) - exponent * 3 // 10 - 1
        return not fraction and room >= 0 and int(digits) & 0x07 != 0
    scale = _exponent(match["suffix"]) - len(fraction)
    is_short = len(digits) <= _GO_DIGITS_MAX and scale >= -9
    return is_short and scale % 3 == 0 and not digits.endswith("000") and not digits.startswith("0")


def _exponent(suffix: str) -> int:
    return _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])


def _match(text: object) -> re.Match[str] | None:
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    match = _PATTERN.fullmatch(str(text)) if len(str(text)) <= _DIGITS_MAX else None
    if match is None or (len(match["suffix"]) > 1 and match["suffix"][0] in "eE" and not _is_small(match["suffix"])):
        return None
    return match


def _is_small(suffix: str) -> bool:
    return suffix == "Ei" or (len(suffix) <= 5 and abs(int(suffix[1:])) <= _EXPONENT_MAX)


def _factor(suffix: str) -> Fraction:
    if suffix in _BINARY:
        return Fraction(1024 ** _BINARY.index(suffix))
    return Fraction(10) ** _exponent(suffix)


def _rounded(value: Fraction, *, is_capped: bool) -> Fraction:
    nanos = value / _NANO
    if nanos.denominator != 1:
        magnitude = -(-abs(nanos.numerator) // nanos.denominator)
        value = (magnitude if value > 0 else -magnitude) * _NANO
    return max(min(value, Fraction(_MAX)), Fraction(-_MAX)) if is_capped else value


def _binary(value: int) -> str:
    power = 0
    while power < len(_BINARY) - 1 and value % 1024 == 0:
        value //= 1024
        power += 1
    return f"{value}{_BINARY[power]}"


def _decimal(value: Fraction, *, is_scientific: bool) -> str:
    exponent = -9
    mantissa = int(value / _NANO)
    while mantissa % 1000 == 0 and exponent < 18:
        mantissa //= 1000
        exponent += 3
    if is_scientific:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    suffix = next(name for name, power in _DECIMAL.items() if power == exponent)
    return f"{mantissa}{suffix}"
