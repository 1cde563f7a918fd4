"""What a Rollout whose version is stable still waits for, in words: its pods, earlier versions that leave, a restart.

Nothing here decides.
"""

from __future__ import annotations

from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import cutover, evidence, traffic, waiting_cutover
from rollouts.core.observed import Unreadable
from rollouts.core.sizing import deadline_of
from rollouts.core.turn import Turn, pod_hash_of
from rollouts.ports import Unknown


def finishing(turn: Turn, status: RolloutStatus) -> str:
    """One sentence; empty when there is nothing to wait for."""
    new = turn.new
    if new is not None and new.available < turn.desired:
        return (
            f"{new.available} of {turn.desired} pods of the stable version are available{evidence.pods(turn, status)}"
        )
    if isinstance(turn.strategy, BlueGreenStrategy):
        is_led = cutover.active_hash(turn) == turn.pod_hash
        return (
            _restarting(turn, status)
            if is_led
            else f"the active Service to lead to the stable version{waiting_cutover.unseen(turn)}"
        )
    return _leaving(turn, status) or _restarting(turn, status) or _blind(turn)


def _blind(turn: Turn) -> str:
    """What nobody can tell of a rollout that is done otherwise."""
    why = traffic.unseen(turn)
    return f"all pods are available; what leads to them is unknown ({why})" if why else ""


def _leaving(turn: Turn, status: RolloutStatus) -> str:
    """Earlier versions that are still there, and what they stay for."""
    earlier = [rs for rs in turn.others(status) if rs.current]
    if not earlier:
        return ""
    count = sum(rs.current for rs in earlier)
    pods = f"{count} {'pod' if count == 1 else 'pods'} of earlier versions"
    reach = traffic.reach(turn, status)
    if any(reach.is_reached(pod_hash_of(rs)) for rs in earlier):
        seen = traffic.split(turn, status) if turn.is_routed else None
        return f"{pods} kept while traffic may lead there{f' ({seen.why})' if isinstance(seen, Unknown) else ''}"
    last = max((end for rs in earlier if (end := deadline_of(rs)) is not None), default=None)
    return f"{pods} kept until {evidence.moment(last)}, for a way back" if last else f"{pods} on the way out"


def _restarting(turn: Turn, status: RolloutStatus) -> str:
    at, pods = turn.rollout.spec.restart_at, turn.seen.pods
    if at is None or at == status.restarted_at:
        return ""
    if at > turn.now:
        return f"all pods will be restarted from {evidence.moment(at)} on"
    if isinstance(pods, Unreadable):
        return f"pods created before {evidence.moment(at)} are to be restarted, but {pods.why}"
    old = sum(pod.created_at < at for pod in pods or ())
    return (
        f"{old} pods created before {evidence.moment(at)} are still to be restarted, as far as disruption budgets allow"
    )
