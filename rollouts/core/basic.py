"""Sizes of the versions of a canary without traffic routing: the share of pods is the share of traffic.

The arithmetic is in replicas.py. Here it meets the Rollout: which versions take part, and in which order
old ones leave.
"""

from __future__ import annotations

from rollouts.api.status import RolloutStatus
from rollouts.core import replicas
from rollouts.core.counts import bounds, target_counts
from rollouts.core.observed import ReplicaSet
from rollouts.core.replicas import Counts, Size
from rollouts.core.sizing import Sizing
from rollouts.core.turn import Turn, revision_of


def sizing(turn: Turn, status: RolloutStatus) -> Sizing:
    """The sizes of this turn: one safe stretch of the way for every version."""
    limits, new, stable = bounds(turn), turn.new, turn.stable(status)
    is_promoted = stable is not None and new is not None and stable.uid == new.uid
    canary_size, stable_size = _size(new), None if is_promoted else _size(stable)
    newest_first = sorted(turn.others(status), key=revision_of, reverse=True)
    old = [Size(wanted=rs.wanted, available=rs.available) for rs in newest_first]
    target = target_counts(turn, status) if new is not None else Counts(canary=0, stable=turn.desired)
    counts = replicas.next_counts(
        limits,
        target=target,
        canary=canary_size,
        stable=stable_size,
        old_wanted=sum(size.wanted for size in old),
    )
    kept = sum(size.steady for size in (canary_size, stable_size) if size)
    drained = replicas.drain(limits, old=old, others_available=kept)
    counts = replicas.trim(
        limits, counts, target=target, canary=canary_size, stable=stable_size, old_wanted=sum(drained)
    )
    sizes = {rs.uid: size for rs, size in zip(newest_first, drained, strict=True)}
    if new is not None:
        sizes[new.uid] = counts.canary
    if stable is not None and not is_promoted:
        sizes[stable.uid] = counts.stable
    return Sizing(sizes=sizes)


def _size(rs: ReplicaSet | None) -> Size | None:
    return None if rs is None else Size(wanted=rs.wanted, available=rs.available)
