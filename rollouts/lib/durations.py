"""Go's duration text: `300ms`, `1.5h`, `2h45m`. Whole seconds is what this API's timestamps resolve."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_TERM = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>ns|us|µs|μs|ms|s|m|h)")
_LENGTH_MAX = 200  # characters; bounds the work a hostile text can cause
_SECONDS_MAX = (2**63 - 1) // 10**9  # Go holds nanoseconds in an int64


def parse(text: str) -> Fraction | None:
    """Seconds meant by a Go duration, exactly; None when `text` is none (or too large for Go)."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return Fraction(0)
    if len(body) > _LENGTH_MAX:
        return None
    total, position = Fraction(0), 0
    while position < len(body):
        term = _TERM.match(body, position)
        if term is None:
            return None
        total += Fraction(term["number"].rstrip(".")) * _UNITS[term["unit"]]
        position = term.end()
    return sign * total if body and total <= _SECONDS_MAX else None


def whole_seconds(text: str) -> int | None:
    """Seconds meant by a Go duration, cut to whole ones towards zero; None when `text` is none."""
    seconds = parse(text)
    return None if seconds is None else int(seconds)


def render(seconds: int) -> str:
    """The Go form of whole seconds: 5400 is `1h30m0s`."""
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{rest}s"
