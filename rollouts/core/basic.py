"""Sizes of the versions of a canary without traffic routing: the share of pods is the share of traffic.

The arithmetic is in replicas.py. Here it meets the Rollout: which versions take part, in which order old ones leave,
and that the last pod of a version stays as long as a Service leads to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.api.status import RolloutStatus
from rollouts.core import order, replicas, traffic
from rollouts.core.counts import bounds, target_counts
from rollouts.core.observed import ReplicaSet
from rollouts.core.replicas import Counts, Size
from rollouts.core.sizing import Sizing
from rollouts.core.turn import Turn, pod_hash_of, revision_of


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
    return Sizing(sizes={**sizes, **_led_to(turn, status, sizes)})


def _led_to(turn: Turn, status: RolloutStatus, sizes: Mapping[str, int]) -> Mapping[str, int]:
    """Versions that keep one pod for now, because a Service leads to them: services.py turns it elsewhere.

    Where a single pod is all that may be there at a time, keeping it would keep the next version from coming.
    """
    if bounds(turn).total_max < 2:
        return {}
    reach = traffic.reach(turn, status)
    return {
        rs.uid: 1
        for rs in turn.owned
        if sizes.get(rs.uid) == 0 and turn.desired and order.steady(rs) and reach.is_reached(pod_hash_of(rs))
    }


def _size(rs: ReplicaSet | None) -> Size | None:
    return None if rs is None else Size(wanted=rs.wanted, available=rs.available)
