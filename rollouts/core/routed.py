"""Sizes of the versions of a canary with traffic routing, where pods follow the weights and never lead them away.

Stable keeps the full size, unless `dynamicStableScale` lets it shrink as traffic leaves it. The canary is as large as
its weight, or a step, says. No version is smaller than what may still reach it needs (order.py). A version that nothing
leads to any more stays up for a delay, so that a way back is short and slow clients finish.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollouts.api.status import RolloutStatus
from rollouts.core import leaving, order, traffic
from rollouts.core.counts import declared_scale, target_counts, with_floor
from rollouts.core.observed import ReplicaSet
from rollouts.core.order import Reach
from rollouts.core.sizing import DEFAULT_DELAY_SECONDS, Leaving, Sizing, deadline_of, sized, until_end
from rollouts.core.turn import Turn, pod_hash_of


def sizing(turn: Turn, status: RolloutStatus) -> Sizing:
    """The sizes of this turn."""
    reach = traffic.reach(turn, status)
    return sized(_versions(turn, status, reach))


def _versions(turn: Turn, status: RolloutStatus, reach: Reach) -> Iterator[tuple[ReplicaSet, Leaving]]:
    stable, new, counts = turn.stable(status), turn.new, target_counts(turn, status)
    if stable is not None and stable is not new:
        yield stable, Leaving(size=max(counts.stable, with_floor(turn, order.least(turn, reach, stable))))
    if new is not None and status.abort and stable is not None:
        yield new, _aborted(turn, status, reach, new)
    elif new is not None:
        yield new, Leaving(size=_wanted(turn, status, reach, new))
    limit = turn.canary.scale_down_delay_revision_limit
    yield from leaving.earlier(turn, status, reach, delay_seconds=_delay(turn), limit=limit)


def _wanted(turn: Turn, status: RolloutStatus, reach: Reach, new: ReplicaSet) -> int:
    """Size of the new version; one that a step declares stands against what the weight would need."""
    if turn.stable(status) is None:
        return turn.desired
    wanted = target_counts(turn, status).canary
    needed = order.least(turn, reach, new)
    if declared_scale(turn, status) is None:
        return max(wanted, with_floor(turn, needed))
    return max(wanted, min(1, needed) if reach.weight(pod_hash_of(new)) else 0)


def _aborted(turn: Turn, status: RolloutStatus, reach: Reach, new: ReplicaSet) -> Leaving:
    """An aborted version is never scaled up. It stays until stable has all traffic, all pods, and the delay is over."""
    delay = turn.canary.abort_scale_down_delay_seconds
    if turn.canary.dynamic_stable_scale and delay is None:
        return Leaving(size=min(new.wanted, with_floor(turn, order.least(turn, reach, new))))
    if delay == 0:
        declared = declared_scale(turn, status)
        is_fixed = declared is not None and declared.replicas is not None
        return Leaving(size=min(new.wanted, target_counts(turn, status).canary) if is_fixed else new.wanted)
    stable = turn.stable(status)
    is_carried = stable is not None and stable.available >= turn.desired
    if new.wanted == 0 or reach.is_reached(pod_hash_of(new)) or not (is_carried or deadline_of(new)):
        return Leaving(size=new.wanted)
    return until_end(new, delay_seconds=DEFAULT_DELAY_SECONDS if delay is None else delay, now=turn.now)


def _delay(turn: Turn) -> int:
    """Seconds that a version stays up after nothing leads to it any more."""
    if turn.canary.dynamic_stable_scale:
        return 0
    delay = turn.canary.scale_down_delay_seconds
    return DEFAULT_DELAY_SECONDS if delay is None else delay
