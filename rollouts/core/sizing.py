"""What sizing says: the new size of each version, and when one that nobody needs any more goes.

The end of a version is a stored time, so that neither a restart nor a new leader moves it. Which version is on its way
out, and how large the others are, is decided by basic.py, routed.py and doubled.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rollouts.core import naming
from rollouts.core.observed import ReplicaSet
from rollouts.lib import timestamps

DEFAULT_DELAY_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """New sizes and ends by uid of ReplicaSet. A version without an entry in `deadlines` is not on its way out."""

    sizes: Mapping[str, int]
    deadlines: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What becomes of a version that is not needed: its size now, and its end while that is awaited."""

    size: int
    deadline: datetime | None = None


def sized(versions: Iterable[tuple[ReplicaSet, Leaving]]) -> Sizing:
    """What was decided of each version, put together."""
    found = {rs.uid: leaving for rs, leaving in versions}
    return Sizing(
        sizes={uid: leaving.size for uid, leaving in found.items()},
        deadlines={uid: leaving.deadline for uid, leaving in found.items() if leaving.deadline is not None},
    )


def until_end(rs: ReplicaSet, *, delay_seconds: int, now: datetime) -> Leaving:
    """Kept as it is until its stored end, which is set now when it has none."""
    if delay_seconds == 0:
        return Leaving(size=0)
    end = deadline_of(rs) or timestamps.next_second(timestamps.later(now, delay_seconds))
    return Leaving(size=0) if now >= end else Leaving(size=rs.wanted, deadline=end)


def deadline_of(rs: ReplicaSet) -> datetime | None:
    """The stored end of a version; None when there is none that can be read."""
    return timestamps.parse(rs.annotations.get(naming.SCALE_DOWN_DEADLINE, ""))
