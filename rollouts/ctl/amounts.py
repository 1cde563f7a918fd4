"""Times and durations as people write and read them in a terminal."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import datetime

from rollouts.lib import durations, timestamps

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def duration(text: str) -> int:
    """Whole seconds of an argument such as `90s`, `10m` or `600`. Raises argparse's error for anything else."""
    seconds = int(text) if text.isascii() and text.isdigit() else durations.whole_seconds(text)
    if seconds is None or seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write it as 30s, 10m or 1h30m")
    return seconds


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl says it: `45s`, `12m`, `3h`, `5d`; empty when nobody knows."""
    return "" if since is None else brief((now - since).total_seconds())


def retold(text: str, tell: Callable[[datetime], str]) -> str:
    """A text with every moment in it told in other words."""

    def told(match: re.Match[str]) -> str:
        moment = timestamps.parse(match[0])
        return match[0] if moment is None else tell(moment)

    return _MOMENT.sub(told, text)


def distance(moment: datetime, now: datetime) -> str:
    """How far away a moment is: `in 5m`, `30s ago`."""
    seconds = (moment - now).total_seconds()
    return f"in {brief(seconds)}" if seconds > 0 else f"{brief(-seconds)} ago"


def brief(seconds: float) -> str:
    """A length of time in its largest unit that says enough."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    for unit, length, least in (("m", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if whole < least:
            return f"{whole // length}{unit}"
    return f"{whole // 86400}d"


def exact(seconds: float) -> str:
    """A length of time without rounding, less the zeroes: `1h30m`, `45s`, `2m5s`."""
    whole = max(0, int(seconds))
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
