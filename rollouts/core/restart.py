"""Restarting pods: those older than `spec.restartAt` are evicted, a few at a time, until none is left.

Eviction goes through the API server, so disruption budgets are kept; a refusal only means later. The budget here is the
rollout's own: as many as maxUnavailable allows, but at least one, of the pods that are available.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import counts
from rollouts.core.actions import EvictPod
from rollouts.core.observed import Pod, Unreadable
from rollouts.core.plan import Change, Note
from rollouts.core.turn import Turn

RECHECK = timedelta(seconds=10)  # pods are not watched; their ReplicaSet's counts usually wake the turn long before


def is_asked(rollout: Rollout) -> bool:
    """Whether a restart is wished for that is not complete."""
    at = rollout.spec.restart_at
    return at is not None and at != rollout.status.restarted_at


def restart(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Evict what the budget allows; note the restart as complete when no pod is older."""
    at, pods = turn.rollout.spec.restart_at, turn.seen.pods
    if at is None or at == status.restarted_at:
        return Change(status=status)
    if at > turn.now:
        return Change(status=status, requeue_at=at)
    if pods is None or isinstance(pods, Unreadable):
        return Change(status=status, requeue_at=turn.now + RECHECK)
    old = [pod for pod in pods if pod.created_at < at]
    if not old:
        return Change(status=dataclasses.replace(status, restarted_at=at))
    leaving = [pod for pod in _in_order(turn, status, old) if not pod.is_deleting][: _budget(turn, pods)]
    notes = tuple(
        Note(reason="RestartingPod", message=f"Evicting pod {pod.name}", key=pod.uid, of=pod.name, is_event=False)
        for pod in leaving
    )
    actions = tuple(EvictPod(name=pod.name, uid=pod.uid) for pod in leaving)
    return Change(status=status, actions=actions, notes=notes, requeue_at=turn.now + RECHECK)


def _budget(turn: Turn, pods: tuple[Pod, ...]) -> int:
    wanted = max(turn.desired, sum(rs.wanted for rs in turn.owned))
    available = sum(1 for pod in pods if pod.is_available and not pod.is_deleting)
    return max(0, available - (wanted - max(counts.bounds(turn).unavailable, 1)))


def _in_order(turn: Turn, status: RolloutStatus, pods: list[Pod]) -> list[Pod]:
    """Stable's pods first, then the new version's, then the rest by age."""
    stable = turn.stable(status)
    ranked = [rs.uid for rs in (stable, turn.new) if rs is not None]
    return sorted(
        pods,
        key=lambda pod: (
            ranked.index(pod.replica_set_uid) if pod.replica_set_uid in ranked else len(ranked),
            pod.created_at,
            pod.name,
        ),
    )
