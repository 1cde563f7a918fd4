"""What the status counts: pods as the ReplicaSets report them, and which spec and which Services it was seen with.

What is made of the numbers (conditions, phase, progress) does not belong here.
"""

from __future__ import annotations

import dataclasses

from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import BlueGreenStatus, CanaryStatus, RolloutStatus
from rollouts.core import cutover, naming
from rollouts.core.observed import ReplicaSet, Unreadable
from rollouts.core.plan import Change
from rollouts.core.turn import Turn
from rollouts.lib import selectors


def count(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Pods, as the ReplicaSets report them, and the marks that say which spec this status answers.

    A spec is answered once its template and steps have begun.
    """
    generation, counted = str(turn.rollout.meta.generation or 0), _counted(turn)
    is_begun = not turn.is_beginning(status)
    return Change(
        status=dataclasses.replace(
            status,
            observed_generation=generation if is_begun else status.observed_generation,
            workload_observed_generation=workload_generation(turn) if is_begun else status.workload_observed_generation,
            replicas=sum(rs.current for rs in turn.owned),
            hpa_replicas=sum(rs.current for rs in counted),
            updated_replicas=turn.new.current if turn.new else 0,
            ready_replicas=sum(rs.ready for rs in counted),
            available_replicas=sum(rs.available for rs in counted),
            selector=_selector(turn),
            aborted_at=status.aborted_at if status.abort else None,
            canary=_split(turn, status),
            blue_green=_led(turn, status),
        )
    )


def _counted(turn: Turn) -> tuple[ReplicaSet, ...]:
    """The ReplicaSets whose pods clients and autoscalers are to count: of blue-green those that users reach."""
    active = cutover.active(turn) if isinstance(turn.strategy, BlueGreenStrategy) else None
    return turn.owned if active is None else (active,)


def _selector(turn: Turn) -> str:
    """What selects those pods, in one line."""
    selector = turn.rollout.spec.selector or {}
    if isinstance(turn.strategy, BlueGreenStrategy) and cutover.active(turn) is not None:
        mark = {naming.POD_HASH_LABEL: cutover.active_hash(turn)}
        selector = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **mark}}
    return selectors.render(selector)


def _split(turn: Turn, status: RolloutStatus) -> CanaryStatus:
    """What a canary has on record; of that only the roles of its Services outlast another strategy."""
    if isinstance(turn.strategy, BlueGreenStrategy):
        return CanaryStatus(stable_ping_pong=status.canary.stable_ping_pong)
    return status.canary


def _led(turn: Turn, status: RolloutStatus) -> BlueGreenStatus:
    """Where the Services of blue-green were seen to lead; what could not be read stays as it was said."""
    before = status.blue_green
    if not isinstance(turn.strategy, BlueGreenStrategy):
        return BlueGreenStatus()
    services, named = turn.seen.services, turn.blue_green
    is_active_seen = not isinstance(services.get(named.active_service), Unreadable)
    is_preview_seen = not isinstance(services.get(named.preview_service), Unreadable)
    return dataclasses.replace(
        before,
        active_selector=cutover.active_hash(turn) if is_active_seen else before.active_selector,
        preview_selector=cutover.preview_hash(turn) if is_preview_seen else before.preview_selector,
    )


def workload_generation(turn: Turn) -> str:
    """Which generation of the workload, whose pod template is used, this status answers; empty without a reference."""
    if turn.rollout.spec.workload_ref is None:
        return ""
    workload = turn.seen.workload
    return turn.rollout.status.workload_observed_generation if workload is None else str(workload.generation)
