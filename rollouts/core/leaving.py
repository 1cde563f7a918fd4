"""How earlier versions leave where traffic and pods are two things: not while anything leads to them, and not at once.

The order among them, the delay and its limit are the same whatever moved the traffic away.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rollouts.api.status import RolloutStatus
from rollouts.core import naming, order
from rollouts.core.counts import bounds
from rollouts.core.observed import ReplicaSet
from rollouts.core.order import Reach
from rollouts.core.sizing import Leaving, until_end
from rollouts.core.turn import Turn, pod_hash_of, revision_of


def earlier(
    turn: Turn, status: RolloutStatus, reach: Reach, *, delay_seconds: int, limit: int | None
) -> Iterator[tuple[ReplicaSet, Leaving]]:
    """Earlier versions, newest first: kept while anything leads to them, then for the delay, then gone.

    No more than `limit` wait for the end of their delay. As in any update no more pods leave than the desired count
    allows, whether or not anything leads to them. Of a version that was never stable pods that are not available go at
    once: they answer nobody, and it is no version to go back to.
    """
    spare = max(0, sum(order.steady(rs) for rs in turn.owned) - bounds(turn).available_min)
    kept = 0
    for rs in sorted(turn.others(status), key=revision_of, reverse=True):
        leaving = Leaving(size=rs.wanted)
        if rs.wanted and not reach.is_reached(pod_hash_of(rs)):
            kept += 1
            is_kept = limit is None or kept <= limit
            leaving = until_end(rs, delay_seconds=delay_seconds, now=turn.now) if is_kept else Leaving(size=0)
            leaving = leaving if naming.PROMOTED in rs.annotations else _answering(rs, leaving)
            leaving = dataclasses.replace(leaving, size=max(leaving.size, order.steady(rs) - spare))
            spare -= order.steady(rs) - min(order.steady(rs), leaving.size)
        yield rs, leaving


def _answering(rs: ReplicaSet, leaving: Leaving) -> Leaving:
    """No more than the pods that are available."""
    size = min(leaving.size, rs.available)
    return Leaving(size=size, deadline=leaving.deadline if size else None)
