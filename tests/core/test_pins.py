"""What routers are asked for, in tables: the versions they are pinned to where no Services are, and the weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import traffic
from rollouts.core.actions import SetTraffic
from rollouts.core.observed import ReplicaSet
from rollouts.core.turn import Turn
from rollouts.ports import TrafficIntent, TrafficSeen
from tests.builders import Json, canary, pause
from tests.core.turns import V1, V2, a_replica_set, a_turn, pod_hash

V3 = pod_hash("v3")


def pinned(*sets: ReplicaSet, seen: tuple[TrafficSeen, ...], steps: tuple[Any, ...] = (60,), **fields: Any) -> Turn:
    """A turn of a canary whose routers are told versions, and say these ones."""
    routers: Json = {name: {"some": {}} for name in ("plugins", "smi")[: len(seen)]}
    turn = a_turn(*sets, strategy=canary(*steps, trafficRouting=routers, **fields.pop("strategy", {})), **fields)
    routes = dict(zip(routers, seen, strict=True))
    return dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, routes=routes))


def intent(turn: Turn) -> TrafficIntent:
    """What the routers are asked for."""
    (action,) = traffic.route(turn, turn.rollout.status).actions
    assert isinstance(action, SetTraffic)
    return action.intent


def says(weight: int, canary: str, stable: str = V1) -> TrafficSeen:
    """A router that sends this weight to one version, and the rest to another."""
    return TrafficSeen(canary=weight, stable=100 - weight, canary_hash=canary, stable_hash=stable)


OLD, NEW = a_replica_set("v1", 10, age=90), a_replica_set("v2", 6, age=60)


@pytest.mark.parametrize(
    ("seen", "available", "pin", "weight"),
    [
        (says(0, V1), 6, V2, 0),
        (says(0, V1), 0, V1, 0),
        (says(0, V2), 6, V2, 60),
        (says(0, V2), 5, V2, 0),
        (says(60, V2), 6, V2, 60),
        (says(60, V3), 6, V3, 0),
        (says(60, V3), 0, V3, 0),
    ],
)
def test_the_canary_is_pinned_to_another_version_at_no_weight(
    seen: TrafficSeen, available: int, pin: str, weight: int
) -> None:
    """First the weight of the earlier one goes, then the pin moves onto pods that answer, then the weight rises."""
    third = a_replica_set("v3", 6, age=30)
    asked = intent(pinned(OLD, third, a_replica_set("v2", 6, available), seen=(seen,)))
    assert (asked.canary.pod_hash, asked.canary.weight) == (pin, weight)


def test_with_no_replicas_a_pin_waits_for_no_pods() -> None:
    """There is nobody to answer, and nobody to be led astray."""
    asked = intent(pinned(a_replica_set("v1"), a_replica_set("v2"), seen=(says(0, V1),), replicas=0))
    assert asked.canary.pod_hash == V2


@pytest.mark.parametrize(
    ("seen", "available", "pin", "weight"),
    [
        (says(100, V2), 10, V2, 100),
        (says(100, V2, V2), 10, V2, 0),
        (says(0, V2), 10, V2, 0),
        (says(0, V2), 5, V1, 0),
        (says(30, V2), 5, V1, 30),
        (says(60, V2), 5, V2, 60),
    ],
)
def test_stable_is_pinned_to_a_promoted_version_that_carries_the_rest(
    seen: TrafficSeen, available: int, pin: str, weight: int
) -> None:
    """Promoted in full with few pods: the earlier version keeps what the new one does not carry yet."""
    sets = (OLD, a_replica_set("v2", 10, available))
    strategy = {"maxUnavailable": 0}
    asked = intent(pinned(*sets, seen=(seen,), status={"stableRS": V2}, strategy=strategy))
    assert (asked.stable.pod_hash, asked.canary.weight) == (pin, weight)
    assert asked.stable.weight == 100 - weight


def test_stable_is_pinned_only_to_what_carries_all_that_was_seen() -> None:
    """A weight that rises in the same write relieves stable of nothing yet."""
    sets = (OLD, a_replica_set("v2", 10, 5, age=60), a_replica_set("v3", 6))
    where: Json = {"status": {"stableRS": V2}, "strategy": {"maxUnavailable": 0}, "image": "v3"}
    asked = intent(pinned(*sets, seen=(says(0, V3),), **where))
    assert (asked.canary.weight, asked.stable.pod_hash) == (60, V1)


@pytest.mark.parametrize(
    ("one", "other", "weight", "is_over"),
    [(60, 60, 60, True), (60, 0, 60, False), (0, 60, 60, False), (100, 60, 60, False)],
)
def test_a_step_is_over_when_every_router_says_its_weight(*, one: int, other: int, weight: int, is_over: bool) -> None:
    """The least that any says counts for steps, the greatest for what is still to come down."""
    turn = pinned(OLD, NEW, seen=(says(one, V2), says(other, V2)))
    assert intent(turn).canary.weight == weight
    assert (not traffic.lacking(turn, turn.rollout.status)) is is_over


@pytest.mark.parametrize(("low", "high"), [(100, 100), (60, 100)])
def test_a_promotion_waits_for_the_least_of_all_routers(low: int, high: int) -> None:
    """One router that lags is enough to wait for."""
    turn = pinned(OLD, a_replica_set("v2", 10), seen=(says(high, V2), says(low, V2)), status={"currentStepIndex": 1})
    assert traffic.is_arrived(turn, turn.rollout.status) is (low == 100)


@pytest.mark.parametrize(("weights", "low", "high"), [((20,), 20, 20), ((20, 60), 20, 60), ((60, 20), 20, 60)])
def test_routers_that_disagree_make_a_range(weights: tuple[int, ...], low: int, high: int) -> None:
    """From the least that any of them says to the greatest."""
    turn = pinned(OLD, NEW, seen=tuple(says(weight, V2) for weight in weights))
    seen = traffic.split(turn, turn.rollout.status)
    assert isinstance(seen, traffic.Split)
    assert (seen.low, seen.high) == (low, high)


@pytest.mark.parametrize(("version", "is_exposed"), [(V2, True), (V1, False), (V3, False), ("", False)])
def test_what_is_measured_is_the_canary(*, version: str, is_exposed: bool) -> None:
    """Law 11: a sample of what leads to another version says nothing of the new one."""
    turn = pinned(OLD, NEW, seen=(says(20, version),))
    assert traffic.is_exposed(turn, turn.rollout.status) is is_exposed


HEADER = {"setHeaderRoute": {"name": "vip", "match": [{"headerName": "x-vip", "headerValue": {"exact": "1"}}]}}


@pytest.mark.parametrize(
    ("status", "names"),
    [({}, ["vip"]), ({"abort": True}, []), ({"promoteFull": True}, []), ({"stableRS": V2}, []), ({"stableRS": ""}, [])],
)
def test_managed_routes_go_with_the_update(status: dict[str, Any], names: list[str]) -> None:
    """Given up, hurried through or over: nobody is led to the canary by a header any more."""
    turn = pinned(OLD, NEW, seen=(says(0, V2),), steps=(HEADER, 60, pause()), status={"currentStepIndex": 1, **status})
    assert list(traffic.managed_routes(turn, turn.rollout.status)) == names
