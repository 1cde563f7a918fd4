"""How many pods each version is meant to have, and whether it has them.

A weight becomes counts in one of two ways: without routing the pods are the split, with it they only have to carry what
the routers send. What may be done now to get there is basic.py's and routed.py's business.
"""

from __future__ import annotations

from typing import assert_never

from rollouts.api.rollout import (
    DEFAULT_MAX_SURGE,
    DEFAULT_MAX_UNAVAILABLE,
    BlueGreenStrategy,
    CanaryStrategy,
    ReplicaProgressThreshold,
    SetCanaryScale,
)
from rollouts.api.status import RolloutStatus
from rollouts.core import replicas, weights
from rollouts.core.observed import ReplicaSet
from rollouts.core.replicas import Bounds, Counts
from rollouts.core.turn import Turn
from rollouts.lib.intstr import IntOrPercent


def is_at_target(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the counts that the current step asks for are reached."""
    return turn.new is not None and turn.stable(status) is not None and not lacking(turn, status)


def is_canary_ready(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the canary has the pods that the current step asks for, so that traffic may come to it."""
    return turn.new is not None and _is_enough(turn, turn.new, target_counts(turn, status).canary)


def lacking(turn: Turn, status: RolloutStatus) -> tuple[str, ...]:
    """What these counts still need, as clauses: "2 canary pods to be available (0 now)"."""
    new, stable, counts = turn.new, turn.stable(status), target_counts(turn, status)
    clauses = []
    if new is not None and not _is_enough(turn, new, counts.canary):
        clauses.append(_lacking_of_canary(new, counts.canary))
    is_following = turn.is_routed and turn.canary.dynamic_stable_scale
    if stable is not None and not is_following and not stable.wanted == stable.current == counts.stable:
        clauses.append(f"stable to be at {counts.stable} ({stable.current} now)")
    old = sum(rs.available for rs in turn.others(status))
    if old and not turn.is_routed:
        clauses.append(f"{old} {'pod' if old == 1 else 'pods'} of earlier versions to go")
    return tuple(clauses)


def _lacking_of_canary(new: ReplicaSet, wanted: int) -> str:
    if new.wanted > wanted:
        return f"the canary to be at {wanted} ({new.wanted} now)"
    return f"{wanted} canary {'pod' if wanted == 1 else 'pods'} to be available ({new.available} of {new.wanted} now)"


def is_available(turn: Turn) -> bool:
    """Whether the new version could carry everything: available up to the desired count, or the user's threshold."""
    if turn.new is None or turn.new.available >= turn.desired:
        return turn.new is not None
    strategy = turn.strategy
    is_eased = isinstance(strategy, CanaryStrategy) and strategy.replica_progress_threshold is not None
    return is_eased and _is_enough(turn, turn.new, turn.desired)


def target_counts(turn: Turn, status: RolloutStatus) -> Counts:
    """The counts in the end, at the weight or the scale that the current step asks for."""
    weight = weights.target(turn, status)
    if not turn.is_routed:
        return replicas.split(bounds(turn), weight=weight, weight_max=turn.weight_max)
    stable = turn.desired
    if turn.canary.dynamic_stable_scale:
        stable = with_floor(turn, _share(turn, turn.weight_max - weight))
    declared = declared_scale(turn, status)
    if declared is None or (declared.replicas is None and declared.weight is None):
        return Counts(canary=with_floor(turn, _share(turn, weight)), stable=stable)
    if declared.replicas is not None:
        is_floored = turn.canary.dynamic_stable_scale
        return Counts(canary=with_floor(turn, declared.replicas) if is_floored else declared.replicas, stable=stable)
    return Counts(canary=with_floor(turn, _share(turn, declared.weight or 0)), stable=stable)


def is_emptied(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the step asks for no canary pod at all: nothing is to lead to one, and none can be measured."""
    return turn.desired > 0 and target_counts(turn, status).canary == 0


def declared_scale(turn: Turn, status: RolloutStatus) -> SetCanaryScale | None:
    """The last setCanaryScale up to the current step, unless it gives the size back to the weight."""
    index = status.current_step_index
    is_over = status.promote_full or status.stable_rs in ("", turn.pod_hash)
    is_given_up = status.abort and (not turn.is_routed or turn.canary.abort_scale_down_delay_seconds != 0)
    if index is None or index >= len(turn.steps) or is_over or is_given_up:
        return None
    last = next((step for step in reversed(turn.steps[: index + 1]) if isinstance(step, SetCanaryScale)), None)
    return None if last is None or last.match_traffic_weight else last


def with_floor(turn: Turn, count: int) -> int:
    """A version with any pods has at least `minPodsPerReplicaSet` of them, if so many are wanted at all."""
    least = turn.canary.min_pods_per_replica_set
    return count if count == 0 or least is None else max(count, min(least, turn.desired))


def bounds(turn: Turn) -> Bounds:
    """What maxSurge and maxUnavailable allow at the desired count. Blue-green has no surge: it doubles."""
    match turn.strategy:
        case CanaryStrategy() as canary:
            surge, unavailable = canary.max_surge or DEFAULT_MAX_SURGE, canary.max_unavailable
        case BlueGreenStrategy() as blue_green:
            surge, unavailable = IntOrPercent(0), blue_green.max_unavailable
        case _:
            assert_never(turn.strategy)
    return replicas.bounds(
        desired=turn.desired, max_surge=surge, max_unavailable=unavailable or DEFAULT_MAX_UNAVAILABLE
    )


def _share(turn: Turn, weight: int) -> int:
    return -(-turn.desired * weight // turn.weight_max)


def _is_enough(turn: Turn, rs: ReplicaSet, wanted: int) -> bool:
    threshold = turn.canary.replica_progress_threshold
    if wanted == 0 and turn.is_routed:
        return rs.wanted <= 1  # the last pod stays as long as any traffic comes to it
    if threshold is None or threshold.value < 0:
        return rs.wanted == rs.available == wanted
    return _meets(threshold, available=rs.available, wanted=wanted)


def _meets(threshold: ReplicaProgressThreshold, *, available: int, wanted: int) -> bool:
    if threshold.type == "Pods":
        return available >= min(threshold.value, wanted)  # more pods than are asked for never come
    return wanted == 0 or 100 * available >= threshold.value * wanted
