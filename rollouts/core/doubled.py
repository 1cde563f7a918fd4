"""Sizes of the versions of a blue-green rollout: two full sets side by side, of which users reach one.

Stable has all its pods until another version is stable in its place, so that the way back is one switch. The version
users reach follows the desired count, whichever it is. No version leaves while a Service leads to it (order.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rollouts.api.status import RolloutStatus
from rollouts.core import cutover, leaving, naming, pause, slots
from rollouts.core.observed import ReplicaSet
from rollouts.core.order import Reach
from rollouts.core.sizing import DEFAULT_DELAY_SECONDS, Leaving, Sizing, deadline_of, sized, until_end
from rollouts.core.turn import Turn, pod_hash_of


def sizing(turn: Turn, status: RolloutStatus) -> Sizing:
    """The sizes of this turn; none while nobody knows whom users reach."""
    if cutover.unseen(turn) is not None:
        return Sizing(sizes={})
    return sized(_versions(turn, status, cutover.reach(turn)))


def _versions(turn: Turn, status: RolloutStatus, reach: Reach) -> Iterator[tuple[ReplicaSet, Leaving]]:
    stable, new = turn.stable(status), turn.new
    if stable is not None and stable is not new:
        yield stable, Leaving(size=turn.desired)
    if new is not None and status.abort and stable is not None:
        yield new, _aborted(turn, status, reach, new)
    elif new is not None:
        yield new, Leaving(size=cutover.size(turn, status))
    yield from _others(turn, status, reach)


def _aborted(turn: Turn, status: RolloutStatus, reach: Reach, new: ReplicaSet) -> Leaving:
    """An aborted version is never scaled up. It stays until stable serves with all its pods and the delay is over.

    A delay of 0 keeps it for good. It goes only when the preview Service leads elsewhere too.
    """
    delay = turn.blue_green.abort_scale_down_delay_seconds
    end, stable = deadline_of(new), turn.stable(status)
    is_served = reach.weight(pod_hash_of(new)) == 0 and (cutover.is_saturated(turn, stable) or end is not None)
    if new.wanted == 0 or delay == 0 or not is_served:
        return Leaving(size=new.wanted)
    left = until_end(new, delay_seconds=DEFAULT_DELAY_SECONDS if delay is None else delay, now=turn.now)
    return Leaving(size=new.wanted, deadline=end) if left.size == 0 and reach.is_reached(pod_hash_of(new)) else left


def _others(turn: Turn, status: RolloutStatus, reach: Reach) -> Iterator[tuple[ReplicaSet, Leaving]]:
    """Earlier versions. Those that may be gone back to without steps follow the desired count while they are up."""
    strategy = turn.blue_green
    delay = DEFAULT_DELAY_SECONDS if strategy.scale_down_delay_seconds is None else strategy.scale_down_delay_seconds
    limit = strategy.scale_down_delay_revision_limit
    for rs, left in leaving.earlier(turn, status, reach, delay_seconds=delay, limit=limit):
        is_returnable = left.deadline is not None and naming.PROMOTED in rs.annotations
        if reach.weights.get(pod_hash_of(rs)):
            yield rs, Leaving(size=turn.desired)
        elif rs.wanted and _is_held(turn, status):
            yield rs, Leaving(size=rs.wanted, deadline=deadline_of(rs))
        elif is_returnable:
            yield rs, dataclasses.replace(left, size=turn.desired)
        else:
            yield rs, left


def _is_held(turn: Turn, status: RolloutStatus) -> bool:
    """Whether earlier versions stay up for now: until it is known whether the new one is any good."""
    if pause.is_inconclusive(status):
        return True
    strategy = turn.blue_green
    is_verifying = not slots.is_void(turn, status) and cutover.active_hash(turn) == turn.pod_hash
    is_verified = slots.has_passed(slots.AFTER, strategy.post_promotion_analysis, status)
    return strategy.scale_down_delay_seconds is None and is_verifying and not is_verified
