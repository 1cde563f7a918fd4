"""What bears a weight, what a weight needs, and when a Service may turn, in tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import naming, order, services, traffic
from rollouts.core.actions import PatchService
from rollouts.core.observed import ReplicaSet, Unreadable
from rollouts.core.order import Reach
from rollouts.core.turn import Turn
from rollouts.ports import TrafficSeen
from tests.builders import Json, canary
from tests.core.turns import V1, V2, a_replica_set, a_service, a_turn, pod_hash

ROUTED: Json = {
    "canaryService": "web-canary",
    "stableService": "web-stable",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
}


def routed(*sets: ReplicaSet, weight: int, leads_to: str, steps: tuple[Any, ...] = (20,), **fields: Any) -> Turn:
    """A turn of a routed canary: this weight goes through its Service to the version `leads_to`."""
    strategy = canary(*steps, **ROUTED, **fields.pop("strategy", {}))
    where = {"web-canary": leads_to, "web-stable": V1}
    turn = a_turn(*sets, strategy=strategy, services=where, **fields)
    routes = {"nginx": TrafficSeen(canary=weight, stable=100 - weight)}
    return dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, routes=routes))


def turned(turn: Turn) -> dict[str, str]:
    """The versions that Services are led to now."""
    actions = services.point(turn, turn.rollout.status).actions
    turns = (action for action in actions if isinstance(action, PatchService))
    return {each.name: each.patch["spec"]["selector"][naming.POD_HASH_LABEL] for each in turns}


@pytest.mark.parametrize(
    ("weight", "available", "unavailable"),
    [
        (0, 0, 0),
        (10, 1, 0),
        (100, 10, 0),
        (12, 1, 2),
        (25, 2, 2),
        (100, 8, 2),
        (100, 12, 0),
        (100, 1, 10),
        (0, 0, 10),
    ],
)
def test_what_pods_carry(weight: int, available: int, unavailable: int) -> None:
    """Pods that may be missing make every other one carry more, and a few pods no more than their share of that."""
    assert order.carried(a_turn(), a_replica_set("v1", 10, available), unavailable=unavailable) == weight


def test_no_pods_carry_everything_where_none_are_wanted() -> None:
    """Zero replicas are a size like any other."""
    assert order.carried(a_turn(replicas=0), None, unavailable=0) == 100


@pytest.mark.parametrize(
    ("least", "wanted", "weight", "everywhere", "named"),
    [
        (0, 0, 0, 0, False),
        (3, 0, 25, 0, False),
        (3, 10, 25, 0, True),
        (1, 4, 0, 0, True),
        (0, 0, 0, 100, True),
        (4, 4, 0, 100, True),
        (5, 4, 50, 100, True),
        (10, 20, 0, 100, False),
    ],
)
def test_what_a_version_must_keep(*, least: int, wanted: int, weight: int, everywhere: int, named: bool) -> None:
    """Pods for the weight that was seen; for one that could not be seen those that are there, and no new ones."""
    reach = Reach(weights={V1: weight}, named=frozenset({V1} if named else ()), everywhere=everywhere, weight_max=100)
    assert order.least(a_turn(), reach, a_replica_set("v1", wanted)) == least


def test_a_service_that_could_not_be_read_may_lead_to_any_version() -> None:
    """So none of them loses its last pod, and what is waited for says why."""
    sets = (a_replica_set("v1", 10), a_replica_set("v2", 4), a_replica_set("v3", 2))
    seen = routed(*sets, weight=0, leads_to=V2, image="v3", replicas=10)
    assert not traffic.reach(seen, seen.rollout.status).is_reached(pod_hash("v3"))
    hidden = {**seen.seen.services, "web-canary": Unreadable(why="services cannot be listed")}
    turn = dataclasses.replace(seen, seen=dataclasses.replace(seen.seen, services=hidden))
    reach = traffic.reach(turn, turn.rollout.status)
    assert [order.least(turn, reach, rs) for rs in sets] == [10, 1, 1]
    assert "services cannot be listed" in traffic.lacking(turn, turn.rollout.status)[0]


@pytest.mark.parametrize(
    ("weight", "pods", "is_turned"),
    [(20, 2, True), (21, 2, False), (20, 1, False), (12, 1, True), (80, 10, False), (0, 1, True), (0, 0, False)],
)
def test_a_third_version_gets_no_more_than_its_step_says(weight: int, pods: int, *, is_turned: bool) -> None:
    """What led to the version before comes along only as far as the first step goes, and the pods that are there."""
    v3 = a_replica_set("v3", 2, pods)
    sets = (a_replica_set("v1", 10), a_replica_set("v2", 8), v3)
    turn = routed(*sets, weight=weight, leads_to=V2, image="v3", replicas=10)
    assert turned(turn) == ({"web-canary": pod_hash("v3")} if is_turned else {})


def test_the_pods_a_step_declares_are_enough_for_its_weight() -> None:
    """One pod for half of the traffic is what the user said; the Service turns when it is there."""
    sets = (a_replica_set("v1", 5), a_replica_set("v2", 5), a_replica_set("v3", 1))
    steps = ({"setCanaryScale": {"replicas": 1}}, 50)
    status = {"currentStepIndex": 1}
    turn = routed(*sets, weight=50, leads_to=V2, steps=steps, image="v3", status=status, replicas=10)
    assert turned(turn) == {"web-canary": pod_hash("v3")}


@pytest.mark.parametrize(
    ("weight", "stable", "is_turned"), [(60, 4, False), (60, 8, True), (0, 4, True), (20, 7, False)]
)
def test_a_return_to_stable_counts_what_reaches_it_already(weight: int, stable: int, *, is_turned: bool) -> None:
    """The canary's Service turns to a stable version that carries all traffic then, or when nothing comes through."""
    sets = (a_replica_set("v1", 10, stable), a_replica_set("v2", 8))
    strategy = {"dynamicStableScale": True, "maxUnavailable": 2}
    status = {"currentPodHash": V1, "currentStepIndex": 1}
    turn = routed(*sets, weight=weight, leads_to=V2, image="v1", strategy=strategy, status=status, replicas=10)
    assert turned(turn) == ({"web-canary": V1} if is_turned else {})


@pytest.mark.parametrize(("available", "is_turned"), [(9, False), (10, True)])
def test_a_service_of_somebody_else_waits_for_every_pod(available: int, *, is_turned: bool) -> None:
    """Pods of a Deployment may answer through a Service that names no version; they are not cut off early."""
    turn = routed(a_replica_set("v1", 10, available), weight=0, leads_to=V1, image="v1", replicas=10)
    theirs = dataclasses.replace(a_service("web-stable"), annotations={})
    services = {**turn.seen.services, "web-stable": theirs}
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, services=services))
    assert turned(turn) == ({"web-stable": V1} if is_turned else {})


@pytest.mark.parametrize(("available", "is_turned"), [(7, False), (8, True), (10, True)])
def test_a_service_of_ours_that_its_author_wrote_waits_for_what_carries_it(available: int, *, is_turned: bool) -> None:
    """It leads to every version until then, so to bad ones too."""
    turn = routed(a_replica_set("v1", 10, available), weight=0, leads_to=V1, image="v1", replicas=10)
    services = {**turn.seen.services, "web-stable": a_service("web-stable")}
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, services=services))
    assert turned(turn) == ({"web-stable": V1} if is_turned else {})


@pytest.mark.parametrize(("weight", "expected"), [(0, {"web-canary": V1}), (20, {})])
def test_a_step_without_canary_pods_leads_their_service_to_stable(weight: int, expected: dict[str, str]) -> None:
    """Once no weight comes through it: nothing then holds the last pod."""
    sets = (a_replica_set("v1", 10), a_replica_set("v2", 1))
    status = {"currentStepIndex": 1}
    assert turned(routed(*sets, weight=weight, leads_to=V2, steps=(50, 0), status=status, replicas=10)) == expected


@pytest.mark.parametrize(
    ("ways", "weights", "everywhere"),
    [
        ([], {}, 0),
        ([{V1: 80, V2: 20}], {V1: 80, V2: 20}, 0),
        ([{V1: 80, V2: 20}, {V1: 100}], {V1: 100, V2: 20}, 0),
        ([{V1: 100}, {V1: 80, V2: 20}], {V1: 100, V2: 20}, 0),
        ([{V1: 70, "": 30}, {V1: 90, "": 10}], {V1: 90, "": 30}, 30),
        ([{V1: 70, "": 30}, None], {V1: 70, "": 30}, 100),
        ([None, {V1: 70, "": 30}], {V1: 70, "": 30}, 100),
    ],
)
def test_what_may_reach_a_version(ways: list[Any], weights: dict[str, int], everywhere: int) -> None:
    """Of several routers the greatest weight counts, and one that cannot tell may send everything anywhere."""
    reach = order.reach(a_turn(), (), ways)
    assert (reach.weights, reach.everywhere) == (weights, everywhere)
    assert reach.weight(V2) == min(100, weights.get(V2, 0) + everywhere)


@pytest.mark.parametrize(("leads_to", "way"), [(V2, {V1: 80, V2: 20}), (V1, {V1: 100}), ("", {V1: 80, "": 20})])
def test_what_a_router_sends_to_each_version(leads_to: str, way: dict[str, int]) -> None:
    """Both roles count where both of their Services lead to one version; nobody knows who answers without a label."""
    turn = routed(a_replica_set("v1", 10), weight=20, leads_to=leads_to)
    seen = turn.seen.routes["nginx"]
    assert isinstance(seen, TrafficSeen)
    assert order.way(turn, seen, canary="web-canary", stable="web-stable") == way


def test_pods_on_their_way_out_carry_nothing() -> None:
    """After a scale-down the old count lingers for a moment."""
    assert order.carried(a_turn(), a_replica_set("v1", 3, 10), unavailable=0) == 30


@pytest.mark.parametrize(("may_be", "to"), [(0, {"web-canary": V1}), (50, {})])
def test_a_given_up_canary_keeps_its_service_while_anything_may_come(may_be: int, to: dict[str, str]) -> None:
    """Of a weight that is only known as a range the greatest counts."""
    turn = routed(a_replica_set("v1", 10), a_replica_set("v2", 2), weight=0, leads_to=V2, status={"abort": True})
    routes = {"nginx": TrafficSeen(canary=0, stable=100 - may_be, others={"": may_be})}
    assert turned(dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, routes=routes))) == to
