"""Which weight is asked for, and what the status says of it, in tables: first match wins, as in the rules."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import traffic
from rollouts.core.actions import SetTraffic
from rollouts.core.observed import ReplicaSet
from rollouts.core.turn import Turn
from rollouts.ports import TrafficSeen, Unknown
from tests.builders import Json, canary, pause
from tests.core.turns import V1, V2, a_replica_set, a_turn

V1_FULL, V2_TWO, V2_HALF = a_replica_set("v1", 10, age=60), a_replica_set("v2", 2), a_replica_set("v2", 5)
V2_FULL = a_replica_set("v2", 10)
STEPS = (20, pause(), 50)
SHRUNK = {"dynamicStableScale": True, "maxUnavailable": 0}
HEADER = {"setHeaderRoute": {"name": "beta", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}}


def routed(*sets: ReplicaSet, weight: int, fields: Json | None = None, **turn: Any) -> Turn:
    """A turn of a canary on the way from v1 to v2, whose Services lead to both, at a weight."""
    services = {"canaryService": "web-canary", "stableService": "web-stable"}
    routing = {"trafficRouting": {"nginx": {"stableIngress": "web"}}}
    strategy = canary(*turn.pop("steps", STEPS), **services, **routing, **(fields or {}))
    where = {"web-canary": turn.pop("leads_to", V2), "web-stable": turn.pop("stable_leads_to", V1)}
    made = a_turn(*sets, strategy=strategy, services=where, replicas=10, **turn)
    seen = turn_seen(weight)
    return dataclasses.replace(made, seen=dataclasses.replace(made.seen, routes={"nginx": seen}))


def turn_seen(weight: int) -> TrafficSeen | Unknown:
    """What the router says; below 0: nothing."""
    return TrafficSeen(canary=weight, stable=100 - weight) if weight >= 0 else Unknown(why="forbidden")


def asked(turn: Turn) -> int | None:
    """The weight that the routers are given now; None: none is written."""
    actions = [each for each in traffic.route(turn, turn.rollout.status).actions if isinstance(each, SetTraffic)]
    return actions[0].intent.canary.weight if actions else None


@pytest.mark.parametrize(
    ("expected", "weight", "sets", "case"),
    [
        pytest.param(
            0, 100, (V1_FULL, V2_FULL), {"status": {"stableRS": V2}, "stable_leads_to": V2}, id="fully promoted"
        ),
        pytest.param(
            100, 100, (V1_FULL, V2_FULL), {"status": {"stableRS": V2}}, id="fully promoted, stable's Service not turned"
        ),
        pytest.param(0, 50, (V1_FULL, V2_HALF), {"status": {"abort": True}}, id="aborted"),
        pytest.param(
            70,
            80,
            (a_replica_set("v1", 10, 3), a_replica_set("v2", 8)),
            {"status": {"abort": True}, "fields": SHRUNK},
            id="aborted, and stable carries three tenths",
        ),
        pytest.param(
            70,
            80,
            (a_replica_set("v1", 10, 3), a_replica_set("v2", 8)),
            {"status": {"currentPodHash": V1, "currentStepIndex": 3}, "fields": SHRUNK, "image": "v1"},
            id="back to the stable template, which carries three tenths",
        ),
        pytest.param(0, 20, (V1_FULL, a_replica_set("v2", 2, 0)), {}, id="no available pod"),
        pytest.param(
            0,
            80,
            (a_replica_set("v1", 2), a_replica_set("v2", 8, 0)),
            {"status": {"currentStepIndex": 2}, "fields": SHRUNK},
            id="no available pod, whatever stable has",
        ),
        pytest.param(
            20, 20, (V1_FULL, V2_HALF), {"status": {"promoteFull": True, "currentStepIndex": 3}}, id="promoted in full"
        ),
        pytest.param(
            50,
            20,
            (V1_FULL, V2_HALF),
            {"status": {"promoteFull": True, "currentStepIndex": 3}, "fields": SHRUNK},
            id="promoted in full, stable shrinks along",
        ),
        pytest.param(0, 0, (V1_FULL, a_replica_set("v2", 2, 1)), {}, id="pods of the step are not there"),
        pytest.param(20, 0, (V1_FULL, V2_TWO), {}, id="at its step"),
        pytest.param(20, 20, (V1_FULL, V2_TWO), {"status": {"currentStepIndex": 1}}, id="at a pause after it"),
        pytest.param(20, 20, (V1_FULL, V2_TWO), {"status": {"currentStepIndex": 2}}, id="the next step's pods come"),
        pytest.param(50, 20, (V1_FULL, V2_HALF), {"status": {"currentStepIndex": 2}}, id="at the next step"),
        pytest.param(50, 50, (V1_FULL, V2_HALF), {"status": {"currentStepIndex": 3}}, id="past the steps, pods come"),
        pytest.param(100, 50, (V1_FULL, V2_FULL), {"status": {"currentStepIndex": 3}}, id="past the steps"),
        pytest.param(20, 50, (V1_FULL, V2_TWO), {}, id="a step that says less"),
        pytest.param(0, 0, (V1_FULL, V2_FULL), {"steps": ()}, id="no steps"),
        pytest.param(0, 30, (V1_FULL, V2_TWO), {"leads_to": "another"}, id="the weight is an earlier version's"),
        pytest.param(None, -1, (V1_FULL, V2_TWO), {}, id="nobody knows which is in force"),
    ],
)
def test_which_weight_is_asked_for(
    expected: int | None, weight: int, sets: tuple[ReplicaSet, ...], case: dict[str, Any]
) -> None:
    """The weight of the step, as far as pods are there for it; back to stable as far as stable carries it."""
    assert asked(routed(*sets, weight=weight, **case)) == expected


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ({"beta"}, {"currentStepIndex": 1}),
        ({"beta"}, {"currentStepIndex": 2}),
        (set(), {"currentStepIndex": 0}),
        (set(), {"currentStepIndex": 2, "abort": True}),
        (set(), {"currentStepIndex": 2, "promoteFull": True}),
        (set(), {"currentStepIndex": 3, "stableRS": V2}),
    ],
)
def test_managed_routes_are_there_from_their_step_on(names: set[str], status: Json) -> None:
    """Until the update is over, given up or hurried through."""
    turn = routed(V1_FULL, V2_TWO, weight=20, steps=(20, HEADER, pause()), status=status)
    assert set(traffic.managed_routes(turn, turn.rollout.status)) == names


def test_the_status_says_which_weight_is_in_force() -> None:
    """What was seen, by Service and version, never what was asked for."""
    turn = routed(V1_FULL, V2_TWO, weight=0)
    weights = traffic.route(turn, turn.rollout.status).status.canary.weights
    assert weights is not None
    assert (weights.canary.weight, weights.canary.service_name, weights.canary.pod_template_hash) == (
        0,
        "web-canary",
        V2,
    )
    assert (weights.stable.weight, weights.stable.service_name, weights.stable.pod_template_hash) == (
        100,
        "web-stable",
        V1,
    )


def test_shares_of_experiments_are_in_the_status() -> None:
    """Each by its Service; stable has what is left."""
    turn = routed(V1_FULL, V2_TWO, weight=20)
    seen = TrafficSeen(canary=20, stable=70, others={"trial": 10})
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, routes={"nginx": seen}))
    weights = traffic.route(turn, turn.rollout.status).status.canary.weights
    assert weights is not None
    assert [(each.service_name, each.weight) for each in weights.additional] == [("trial", 10)]
    assert (weights.canary.weight, weights.stable.weight) == (20, 70)


@pytest.mark.parametrize(("leads_to", "is_arrived"), [(V2, True), ("another", False)])
def test_only_its_own_weight_promotes_a_version(*, leads_to: str, is_arrived: bool) -> None:
    """Law 8: all traffic on a version before it is no proof of this one."""
    turn = routed(V1_FULL, V2_FULL, weight=100, leads_to=leads_to, status={"currentStepIndex": 3})
    assert traffic.is_arrived(turn, turn.rollout.status) is is_arrived


def test_without_a_router_there_are_no_weights() -> None:
    """What another strategy left there goes."""
    before = {"canary": {"weights": {"canary": {"weight": 20}, "stable": {"weight": 80}}}}
    turn = a_turn(V1_FULL, V2_TWO, status=before)
    assert traffic.route(turn, turn.rollout.status).status.canary.weights is None


@pytest.mark.parametrize(
    ("lacking", "steps", "version"),
    [
        ((), ({"setCanaryScale": {"replicas": 0}}, 20), a_replica_set("v2")),
        (("the weight to be 20 (0 now)",), ({"setCanaryScale": {"replicas": 1}}, 20), a_replica_set("v2", 1)),
    ],
)
def test_a_step_that_declares_no_pods_waits_for_no_weight(
    lacking: tuple[str, ...], steps: tuple[Any, ...], version: ReplicaSet
) -> None:
    """There is nothing that it could be sent to; with one pod there is."""
    turn = routed(V1_FULL, version, weight=0, steps=steps, status={"currentStepIndex": 1})
    assert traffic.lacking(turn, turn.rollout.status) == lacking
