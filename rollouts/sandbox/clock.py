"""Time as Kubernetes writes it: UTC, whole seconds, `2026-01-31T12:00:00Z`.

Controllers and the node take a `Clock` so that tests can own the time. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
NEVER = datetime.min.replace(tzinfo=UTC)
"""The time of what has none; before any other."""


def wall_clock() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A moment as it stands in an object."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str | None) -> datetime:
    """The moment that a stamp names, with or without a fraction; `NEVER` for none. Raises ValueError for other text.

    Not every client says when: conditions and container states may come without their times.
    """
    if text is None:
        return NEVER
    return datetime.fromisoformat(text).astimezone(UTC)
