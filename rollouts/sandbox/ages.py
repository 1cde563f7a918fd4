"""Times as people read them in a table: how long ago, in at most two units.

Kubernetes writes times as RFC 3339 in UTC, to the second or to the microsecond. Nothing here reads a clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

UNKNOWN = "<unknown>"
INVALID = "<invalid>"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def parse(text: str) -> datetime:
    """The moment an RFC 3339 text names; raises ValueError for other text."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def since(text: str | None, now: datetime) -> str:
    """How long ago it was, as a table shows it; `<unknown>` where no time is given."""
    return human(now - parse(text)) if text else UNKNOWN


def human(duration: timedelta) -> str:
    """A duration the way kubectl prints it: `90s`, `5m20s`, `3h`, `2d4h`, `1y20d`."""
    seconds = int(duration.total_seconds())
    if seconds < 0:
        return INVALID if seconds < -1 else "0s"
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 3 * _HOUR:
        return _two_units(seconds, (_MINUTE, "m"), (1, "s"), until=10 * _MINUTE)
    if seconds < 2 * _DAY:
        return _two_units(seconds, (_HOUR, "h"), (_MINUTE, "m"), until=8 * _HOUR)
    if seconds < 2 * _YEAR:
        return _two_units(seconds, (_DAY, "d"), (_HOUR, "h"), until=8 * _DAY)
    return _two_units(seconds, (_YEAR, "y"), (_DAY, "d"), until=8 * _YEAR)


def _two_units(seconds: int, large: tuple[int, str], small: tuple[int, str], *, until: int) -> str:
    whole, rest = divmod(seconds, large[0])
    part = rest // small[0]
    if part == 0 or seconds >= until:
        return f"{whole}{large[1]}"
    return f"{whole}{large[1]}{part}{small[1]}"
