"""Pointing Services at versions: which version each Service of a strategy is to lead to, and when it may turn.

A Service turns towards a version only when that version's available pods bear what comes through the Service on top of
what reaches them already, and towards a new version only with as much traffic as its step asks for. One that leads to
no pods at all turns as soon as there are some to lead to: anything is better than nothing. What is written is the
version's label in the selector, and whose Service it is; everything else stays the user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import counts, cutover, naming, order, traffic
from rollouts.core.actions import PatchService
from rollouts.core.observed import ReplicaSet, Service
from rollouts.core.plan import Change, Note
from rollouts.core.roles import roles
from rollouts.core.turn import Turn, pod_hash_of
from rollouts.core.weights import target
from rollouts.ports import Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """A Service, the version it is to lead to, and the weight that comes through it (None: nobody knows).

    `most` is the greatest weight that may turn to this version with it. `is_for_users`: it waits for pods that answer.
    One for people who look at a version beforehand does not.
    """

    service: str
    to: ReplicaSet | None
    weight: int | None
    most: int
    is_for_users: bool = True


def point(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Turn the Services that may turn."""
    actions: list[PatchService] = []
    notes: list[Note] = []
    for pointing in _pointings(turn, status):
        service = turn.seen.services.get(pointing.service)
        if not isinstance(service, Service) or pointing.to is None or _is_done(turn, service, pointing.to):
            continue
        if _may_turn(turn, status, service, pointing):
            actions.append(pointed(turn, service, pointing.to))
            notes.extend(switched(service, pointing.to))
    return Change(status=status, actions=tuple(actions), notes=tuple(notes))


def pointed(turn: Turn, service: Service, to: ReplicaSet) -> PatchService:
    """The write that makes a Service lead to a version."""
    patch: dict[str, Any] = {"spec": {"selector": {naming.POD_HASH_LABEL: pod_hash_of(to)}}}
    if not cutover.is_managed(turn, service):
        patch["metadata"] = {"annotations": {naming.MANAGED_BY: turn.rollout.meta.name}}
    return PatchService(name=service.name, patch=patch, seen_version=service.resource_version)


def switched(service: Service, to: ReplicaSet) -> tuple[Note, ...]:
    """The event of a Service's turn, to and fro as often as it comes; none where only its owner is noted."""
    before, after = service.selector.get(naming.POD_HASH_LABEL, ""), pod_hash_of(to)
    if before == after:
        return ()
    message = f"Switched selector for service '{service.name}' from '{before}' to '{after}'"
    key = f"{service.name}/{service.resource_version}/{after}"
    return (Note(reason="SwitchService", message=message, key=key, of=service.name),)


def _pointings(turn: Turn, status: RolloutStatus) -> Iterator[Pointing]:
    match turn.strategy:
        case CanaryStrategy():
            yield from _of_canary(turn, status)
        case BlueGreenStrategy(active_service=active, preview_service=preview):
            users = cutover.led_to(turn, status)
            yield Pointing(service=active, to=users, weight=turn.weight_max, most=turn.weight_max)
            previewed = cutover.previewed(turn, status)
            yield Pointing(service=preview, to=previewed, weight=0, most=0, is_for_users=False)
        case _:
            assert_never(turn.strategy)


def _of_canary(turn: Turn, status: RolloutStatus) -> Iterator[Pointing]:
    parts, weights = roles(turn.canary, status), _weights(turn, status)
    if parts.stable:
        yield Pointing(service=parts.stable, to=_kept(turn, status), weight=weights.get("stable"), most=turn.weight_max)
    if parts.canary:
        is_over = weights.get("canary") == 0 and (status.abort or counts.is_emptied(turn, status))
        new = turn.stable(status) if is_over else _tried(turn, status, service=parts.canary)
        to = None if status.abort and not is_over else new
        yield Pointing(service=parts.canary, to=to, weight=weights.get("canary"), most=target(turn, status))


def _kept(turn: Turn, status: RolloutStatus) -> ReplicaSet | None:
    """The version for stable's Service.

    The new one where somebody deleted stable's ReplicaSet, so that users find pods at all; and, where pods alone split
    traffic, once stable's last pods are to go.
    """
    stable, new = turn.stable(status), turn.new
    if stable is None:
        return new if status.stable_rs else None
    if turn.is_routed or new is None or turn.desired == 0 or counts.target_counts(turn, status).stable:
        return stable
    return new if order.steady(new) >= counts.bounds(turn).available_min else stable


def _tried(turn: Turn, status: RolloutStatus, *, service: str) -> ReplicaSet | None:
    """The version for the canary's Service: where pods alone split traffic, none that is on its way out."""
    new, stable = turn.new, turn.stable(status)
    is_current = order.hash_of(turn, service) in (None, turn.pod_hash, status.stable_rs)
    if turn.is_routed or is_current or (new is not None and order.steady(new)):
        return new
    return stable or new


def _weights(turn: Turn, status: RolloutStatus) -> Mapping[str, int]:
    """The most that comes through each role's Service; without routers nothing that is ours to know."""
    if not turn.is_routed:
        return {"canary": 0, "stable": 0}
    seen = traffic.split(turn, status)
    if isinstance(seen, Unknown):
        return {}
    return {"canary": seen.high, "stable": turn.weight_max - seen.low}


def _is_done(turn: Turn, service: Service, to: ReplicaSet) -> bool:
    return service.selector.get(naming.POD_HASH_LABEL) == pod_hash_of(to) and cutover.is_managed(turn, service)


def _may_turn(turn: Turn, status: RolloutStatus, service: Service, pointing: Pointing) -> bool:
    to = pointing.to
    if to is None or not pointing.is_for_users:
        return to is not None
    if order.steady(to) == 0 and turn.desired > 0:
        return False
    if service.selector.get(naming.POD_HASH_LABEL) == pod_hash_of(to):
        return True  # only whose it is has to be noted
    if not service.selector.get(naming.POD_HASH_LABEL):
        return _may_narrow(turn, status, service, pointing, to)
    now = turn.version(service.selector[naming.POD_HASH_LABEL])
    if now is None or order.steady(now) == 0:
        return True
    return pointing.weight == 0 or _is_bearable(turn, status, to, pointing)


def _may_narrow(turn: Turn, status: RolloutStatus, service: Service, pointing: Pointing, to: ReplicaSet) -> bool:
    """Whether a Service that leads to every version may lead to this one alone.

    Pods of another owner may answer through one that was never ours. One that is ours, and was written by its author
    since, is as it should be when stable carries what comes through it.
    """
    is_whole = order.steady(to) >= to.wanted
    is_ours = cutover.is_managed(turn, service) and to is turn.stable(status)
    is_weighed = turn.is_routed or isinstance(turn.strategy, BlueGreenStrategy)
    return is_whole or (is_ours and is_weighed and _is_bearable(turn, status, to, pointing))


def _is_bearable(turn: Turn, status: RolloutStatus, to: ReplicaSet, pointing: Pointing) -> bool:
    """Whether the weight that would come along is one that the version is to have, and that its pods carry.

    Pods that are enough for a step are enough for its weight, however few it declares.
    """
    if pointing.weight is None or pointing.weight > pointing.most:
        return False
    if turn.is_routed and to is turn.new and counts.is_canary_ready(turn, status):
        return True
    already = traffic.reach(turn, status).weight(pod_hash_of(to)) if turn.is_routed else 0
    bearable = order.carried(turn, to, unavailable=counts.bounds(turn).unavailable)
    return min(turn.weight_max, already + pointing.weight) <= bearable
