"""RFC 3339 timestamps as Kubernetes writes them: UTC, whole seconds. Fractions are read and dropped."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

_RFC3339 = re.compile(
    r"(?P<base>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse(text: str) -> datetime | None:
    """The moment meant, aware and in UTC; None when `text` is not RFC 3339."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    try:
        return datetime.fromisoformat(match["base"].upper() + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def render(moment: datetime) -> str:
    """`2026-01-02T03:04:05Z`, cut to whole seconds; `moment` must be aware."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_second(moment: datetime) -> datetime:
    """`moment`, rounded up to a whole second: the first one that can be stored and is not before it."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def later(moment: datetime, seconds: int) -> datetime:
    """`moment` and so many seconds; the last moment that can be written where that is beyond it."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return LATEST
