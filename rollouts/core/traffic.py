"""Traffic of a canary with routing: which weight the routers are to be given now, and what the status says of it.

Weights are whole numbers from 0 to `Turn.weight_max`. What is in force is seen, never assumed: routers are asked every
turn, and may be late or disagree, so that a weight is a range from `low` to `high`. A rise waits for the pods of its
step; a fall goes at once as far as stable carries it. Which version a Service leads to is services.py's business, and
how many pods each has, routed.py's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollouts.api import codec
from rollouts.api.rollout import SetHeaderRoute, SetMirrorRoute
from rollouts.api.status import RolloutStatus, TrafficWeights, WeightDestination
from rollouts.core import counts, experiments, order, weights
from rollouts.core.actions import SetTraffic
from rollouts.core.observed import Unreadable
from rollouts.core.plan import Change, Note
from rollouts.core.roles import named, roles
from rollouts.core.turn import Turn
from rollouts.ports import Destination, TrafficIntent, TrafficSeen, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The canary's weight as all routers together were seen to have it, and the versions that the two roles lead to.

    A hash is None where no single version is known. `others` are the weights of Services that are neither role's.
    """

    low: int
    high: int
    canary_hash: str | None
    stable_hash: str | None
    others: Mapping[str, int] = field(default_factory=dict)


def reach(turn: Turn, status: RolloutStatus) -> order.Reach:
    """What may reach each version now. Without routers Services say who is led to, and pods alone split the traffic."""
    parts = roles(turn.canary, status)
    ways = [
        None if isinstance(seen, Unknown) else order.way(turn, seen, canary=parts.canary, stable=parts.stable)
        for seen in turn.seen.routes.values()
    ]
    return order.reach(turn, named(turn.canary), ways)


def split(turn: Turn, status: RolloutStatus) -> Split | Unknown:
    """What the routers say together; Unknown if one of them cannot tell."""
    parts = roles(turn.canary, status)
    all_seen: list[TrafficSeen] = []
    for name, seen in turn.seen.routes.items():
        if isinstance(seen, Unknown):
            return Unknown(why=f"{name}: {seen.why}")
        all_seen.append(seen)
    if not all_seen:
        return Unknown(why="no router was asked")
    return Split(
        low=min(seen.canary for seen in all_seen),
        high=max(max(seen.canary, turn.weight_max - seen.stable - sum(_named(seen).values())) for seen in all_seen),
        canary_hash=_one([seen.canary_hash or order.hash_of(turn, parts.canary) for seen in all_seen]),
        stable_hash=_one([seen.stable_hash or order.hash_of(turn, parts.stable) for seen in all_seen]),
        others={name: max(each.others.get(name, 0) for each in all_seen) for seen in all_seen for name in _named(seen)},
    )


def _named(seen: TrafficSeen) -> Mapping[str, int]:
    """Weights of other Services, without what may reach any version."""
    return {name: weight for name, weight in seen.others.items() if name}


def route(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Give the routers the weight of this turn, and put on record what they have."""
    if not turn.is_routed:
        return Change(status=dataclasses.replace(status, canary=dataclasses.replace(status.canary, weights=None)))
    seen = split(turn, status)
    if isinstance(seen, Unknown):
        return Change(status=status, notes=(Note(reason="TrafficUnknown", message=seen.why, is_event=False),))
    change = _recorded(turn, status, seen)
    return dataclasses.replace(change, actions=(SetTraffic(intent=_intent(turn, change.status, seen)),))


def lacking(turn: Turn, status: RolloutStatus) -> tuple[str, ...]:
    """What the weight of the current step still needs, as clauses."""
    if not turn.is_routed:
        return ()
    seen = split(turn, status)
    if isinstance(seen, Unknown):
        return (f"the weight in force to be known ({seen.why})",)
    is_void = turn.new is not None and turn.new.wanted == 0 and counts.is_emptied(turn, status)
    wanted = 0 if is_void else weights.target(turn, status)  # a step that declares no pods has none to send it to
    clauses = []
    if wanted and seen.canary_hash != turn.pod_hash:
        why = unseen(turn) if seen.canary_hash is None else None
        part = "Service" if roles(turn.canary, status).canary else "part of the traffic"
        clauses.append(f"the canary's {part} to lead to its pods" + (f" (unknown: {why})" if why else ""))
    if not seen.low == seen.high == wanted:
        now = f"{seen.low}" if seen.low == seen.high else f"{seen.low} to {seen.high}"
        clauses.append(f"the weight to be {wanted} ({now} now)")
    return tuple(clauses)


def unseen(turn: Turn) -> str | None:
    """Why nobody knows what leads to the pods: a Service that the strategy names, or a router, could not be read."""
    services = (turn.seen.services.get(name) for name in named(turn.canary))
    whys = [seen.why for seen in services if isinstance(seen, Unreadable)]
    whys += [f"{name}: {seen.why}" for name, seen in turn.seen.routes.items() if isinstance(seen, Unknown)]
    return next(iter(whys), None)


def is_arrived(turn: Turn, status: RolloutStatus) -> bool:
    """Whether nothing is left to be moved by weight before a promotion."""
    if not turn.is_routed or not turn.steps:
        return True
    seen = split(turn, status)
    return isinstance(seen, Split) and seen.low == turn.weight_max and seen.canary_hash == turn.pod_hash


def is_exposed(turn: Turn, status: RolloutStatus) -> bool:
    """Whether what is measured as the canary is the canary: its Service, where there is one, leads to its pods."""
    service = roles(turn.canary, status).canary
    if not turn.is_routed:
        return not service or order.hash_of(turn, service) == turn.pod_hash
    seen = split(turn, status)
    return isinstance(seen, Split) and seen.canary_hash == turn.pod_hash


def next_weight(turn: Turn, status: RolloutStatus, seen: Split) -> int:
    """The weight to ask for now: a safe stretch of the way to the wanted one."""
    target = _target(turn, status, seen)
    if target >= seen.high:
        return target if _may_rise(turn, seen, target) else seen.low
    if target < seen.low or seen.low != seen.high:
        return _fallen(turn, status, seen, target)
    return target


def _target(turn: Turn, status: RolloutStatus, seen: Split) -> int:
    """The weight that the step, a promotion or an abort asks for, as far as the canary is ready for it."""
    is_new = seen.canary_hash == turn.pod_hash
    if status.abort or status.stable_rs in ("", turn.pod_hash) or turn.new is None or not is_new:
        return 0
    if turn.new.available == 0 and turn.desired > 0:
        return 0
    if status.promote_full:
        bearable = order.carried(turn, turn.new, unavailable=0)
        return max(seen.low, bearable) if turn.canary.dynamic_stable_scale else seen.low
    if not turn.steps:
        return 0
    wanted = weights.target(turn, status)
    return wanted if wanted <= seen.low or counts.is_canary_ready(turn, status) else seen.low


def _may_rise(turn: Turn, seen: Split, target: int) -> bool:
    return target == seen.low == seen.high or seen.canary_hash == turn.pod_hash


def _fallen(turn: Turn, status: RolloutStatus, seen: Split, target: int) -> int:
    """As low as stable's available pods let it; all the way when the canary has none that could answer instead."""
    if not order.is_stable_hash(turn, status, seen.stable_hash):
        return seen.high
    stable, canary = turn.stable(status), turn.version(seen.canary_hash or "")
    if canary is None or order.steady(canary) == 0:
        return target
    bearable = order.carried(turn, stable, unavailable=counts.bounds(turn).unavailable)
    return min(seen.high, max(target, turn.weight_max - bearable))


def _intent(turn: Turn, status: RolloutStatus, seen: Split) -> TrafficIntent:
    parts, weight = roles(turn.canary, status), next_weight(turn, status, seen)
    canary = _pinned(turn, status, seen, weight)
    others = experiments.destinations(turn, status, room=turn.weight_max - weight)
    return TrafficIntent(
        canary=Destination(service=parts.canary, pod_hash=canary, weight=weight),
        stable=Destination(
            service=parts.stable,
            pod_hash=_stable_pinned(turn, status, seen, weight),
            weight=turn.weight_max - weight - sum(each.weight for each in others),
        ),
        others=others,
        weight_max=turn.weight_max,
        routes=managed_routes(turn, status),
    )


def _pinned(turn: Turn, status: RolloutStatus, seen: Split, weight: int) -> str:
    """The version for routers that name it themselves: the new one once nothing would go astray by it."""
    is_free = seen.high == weight == 0
    if turn.new is not None and is_free and (turn.new.available > 0 or turn.desired == 0):
        return turn.pod_hash
    return seen.canary_hash or turn.pod_hash


def _stable_pinned(turn: Turn, status: RolloutStatus, seen: Split, weight: int) -> str:
    bearable = order.carried(turn, turn.stable(status), unavailable=counts.bounds(turn).unavailable)
    is_carried = turn.weight_max - min(weight, seen.low) <= bearable
    return status.stable_rs if is_carried or seen.stable_hash is None else seen.stable_hash


def managed_routes(turn: Turn, status: RolloutStatus) -> Mapping[str, Mapping[str, Any]]:
    """Header and mirror routes in force at the current step: for each name what its last step says.

    None once the update is over, given up or hurried through.
    """
    index = status.current_step_index
    is_over = status.abort or status.promote_full or status.stable_rs in ("", turn.pod_hash)
    if index is None or is_over:
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for step in turn.steps[: index + 1]:
        match step:
            case SetHeaderRoute() | SetMirrorRoute():
                found.pop(step.name, None)
                if step.match:
                    found[step.name] = codec.encode(step)
            case _:
                pass
    return found


def _recorded(turn: Turn, status: RolloutStatus, seen: Split) -> Change[RolloutStatus]:
    """The status with the weights that were seen, and the event of their change."""
    parts, before = roles(turn.canary, status), status.canary.weights
    known = {each.service_name: each.pod_template_hash for each in (before.additional if before else ())}
    hashes = {**known, **experiments.services(turn)}
    now = TrafficWeights(
        canary=_destination(parts.canary, seen.canary_hash, seen.low),
        stable=_destination(parts.stable, seen.stable_hash, turn.weight_max - seen.low - sum(seen.others.values())),
        additional=tuple(_destination(name, hashes.get(name), weight) for name, weight in seen.others.items()),
    )
    recorded = dataclasses.replace(status, canary=dataclasses.replace(status.canary, weights=now))
    if before is not None and before.canary.weight == now.canary.weight:
        return Change(status=recorded)
    words = f"from {before.canary.weight} to {seen.low}" if before is not None else f"to {seen.low}"
    key = f"{turn.rollout.meta.resource_version}/{words}"  # on record, it is another version of the Rollout
    note = Note(reason="TrafficWeightUpdated", message=f"Traffic weight updated {words}", key=key)
    return Change(status=recorded, notes=(note,))


def _destination(service: str, pod_hash: str | None, weight: int) -> WeightDestination:
    return WeightDestination(weight=weight, service_name=service, pod_template_hash=pod_hash or "")


def _one(hashes: list[str | None]) -> str | None:
    return hashes[0] if len(set(hashes)) == 1 else None
