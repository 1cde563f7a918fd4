"""Sizes of a canary whose traffic routers split, and which Service has which part, in tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import naming, roles, routed
from rollouts.core.observed import ReplicaSet
from rollouts.core.turn import Turn
from rollouts.lib import timestamps
from rollouts.ports import TrafficSeen, Unknown
from tests.builders import NOON, Json, canary, pause
from tests.core.turns import V1, V2, a_replica_set, a_turn, pod_hash

STEPS = (20, pause(), 80)
V1_FULL = a_replica_set("v1", 10, age=60)
PAST, SOON = timestamps.render(NOON), timestamps.render(timestamps.later(NOON, 5))


def a_canary(*sets: ReplicaSet, weight: int | None, strategy: Json | None = None, **turn: Any) -> Turn:
    """A turn on the way from v1 to v2 with ten pods, the canary's Service at a weight; None: it cannot be read."""
    parts = {"canaryService": "web-canary", "stableService": "web-stable"}
    routing = {"trafficRouting": {"nginx": {"stableIngress": "web"}}}
    where = {"web-canary": turn.pop("leads_to", V2), "web-stable": V1}
    steps = turn.pop("steps", STEPS)
    made = a_turn(
        *sets, strategy=canary(*steps, **parts, **routing, **(strategy or {})), services=where, replicas=10, **turn
    )
    seen = Unknown(why="forbidden") if weight is None else TrafficSeen(canary=weight, stable=100 - weight)
    return dataclasses.replace(made, seen=dataclasses.replace(made.seen, routes={"nginx": seen}))


def sized(turn: Turn) -> dict[str, int]:
    """The new sizes by image."""
    sizes = routed.sizing(turn, turn.rollout.status).sizes
    return {uid.removeprefix("uid-"): size for uid, size in sizes.items()}


DYNAMIC: Json = {"dynamicStableScale": True}
LEAST: Json = {**DYNAMIC, "minPodsPerReplicaSet": 3}
ABORTED: Json = {"status": {"abort": True}}


@pytest.mark.parametrize(
    ("v1", "v2", "sets", "weight", "fields"),
    [
        pytest.param(10, 2, (V1_FULL, a_replica_set("v2")), 0, {"leads_to": V1}, id="pods before the weight"),
        pytest.param(10, 8, (V1_FULL, a_replica_set("v2", 2)), 20, {"status": {"currentStepIndex": 2}}, id="next step"),
        pytest.param(
            10, 10, (V1_FULL, a_replica_set("v2", 8)), 80, {"status": {"currentStepIndex": 3}}, id="past the steps"
        ),
        pytest.param(
            10, 5, (V1_FULL, a_replica_set("v2", 8)), 50, {}, id="a lower step, and the weight still comes down"
        ),
        pytest.param(10, 2, (V1_FULL, a_replica_set("v2", 8)), 20, {}, id="a lower step, and its weight is there"),
        pytest.param(
            10,
            2,
            (V1_FULL, a_replica_set("v2", 2)),
            0,
            {"strategy": DYNAMIC},
            id="stable shrinks when its traffic is gone, not before",
        ),
        pytest.param(8, 2, (V1_FULL, a_replica_set("v2", 2)), 20, {"strategy": DYNAMIC}, id="stable shrinks"),
        pytest.param(
            10, 2, (V1_FULL, a_replica_set("v2", 2)), None, {"strategy": DYNAMIC}, id="nobody knows the weight"
        ),
        pytest.param(
            3,
            8,
            (a_replica_set("v1", 3), a_replica_set("v2", 8)),
            None,
            {"strategy": DYNAMIC, "status": {"currentStepIndex": 2}},
            id="nobody knows the weight, so pods stay and none are made",
        ),
        pytest.param(
            3,
            10,
            (a_replica_set("v1", 2), a_replica_set("v2", 8)),
            80,
            {"strategy": LEAST, "status": {"currentStepIndex": 3}, "steps": (90,)},
            id="no version with traffic below the least",
        ),
        pytest.param(
            10,
            1,
            (V1_FULL, a_replica_set("v2", 2)),
            20,
            {"steps": ({"setCanaryScale": {"replicas": 0}}, 20)},
            id="the last pod stays with the traffic, whatever a step declares",
        ),
        pytest.param(10, 8, (V1_FULL, a_replica_set("v2", 8)), 80, ABORTED, id="aborted: pods stay with the traffic"),
        pytest.param(
            10,
            2,
            (a_replica_set("v1", 2), a_replica_set("v2", 2)),
            80,
            {**ABORTED, "strategy": DYNAMIC},
            id="aborted: it never grows, not for its traffic either",
        ),
        pytest.param(
            10,
            0,
            (V1_FULL, a_replica_set("v2", 8)),
            0,
            {**ABORTED, "leads_to": V1, "strategy": LEAST},
            id="aborted: no least number of pods for nobody",
        ),
        pytest.param(
            10,
            8,
            (V1_FULL, a_replica_set("v2", 8, annotations={naming.SCALE_DOWN_DEADLINE: PAST})),
            80,
            ABORTED,
            id="aborted: an end that has come is no end while there is traffic",
        ),
        pytest.param(
            10,
            8,
            (a_replica_set("v1", 10, 9), a_replica_set("v2", 8)),
            0,
            {**ABORTED, "leads_to": V1},
            id="aborted: no end before stable is whole",
        ),
        pytest.param(
            10,
            8,
            (V1_FULL, a_replica_set("v2", 8, annotations={naming.SCALE_DOWN_DEADLINE: SOON})),
            0,
            {**ABORTED, "leads_to": V1},
            id="aborted: its end has not come",
        ),
        pytest.param(
            10,
            0,
            (V1_FULL, a_replica_set("v2", 8, annotations={naming.SCALE_DOWN_DEADLINE: PAST})),
            0,
            {**ABORTED, "leads_to": V1},
            id="aborted: its end has come",
        ),
        pytest.param(
            10,
            8,
            (V1_FULL, a_replica_set("v2", 8)),
            0,
            {**ABORTED, "leads_to": V1, "strategy": {"abortScaleDownDelaySeconds": 0}},
            id="aborted: it never goes",
        ),
        pytest.param(
            10,
            3,
            (V1_FULL, a_replica_set("v2", 8)),
            0,
            {
                **ABORTED,
                "leads_to": V1,
                "strategy": {"abortScaleDownDelaySeconds": 0},
                "steps": ({"setCanaryScale": {"replicas": 3}}, 80),
            },
            id="aborted: it stays as large as its first step declares",
        ),
        pytest.param(
            10,
            5,
            (a_replica_set("v1", 2), a_replica_set("v2", 8)),
            50,
            {**ABORTED, "strategy": DYNAMIC},
            id="aborted, stable grows: the canary shrinks behind its weight",
        ),
        pytest.param(
            10, 1, (V1_FULL, a_replica_set("v2", 8)), 0, {**ABORTED, "strategy": DYNAMIC}, id="aborted: its Service"
        ),
        pytest.param(
            10,
            0,
            (V1_FULL, a_replica_set("v2", 8)),
            0,
            {**ABORTED, "strategy": DYNAMIC, "leads_to": V1},
            id="aborted, and nothing leads to it",
        ),
        pytest.param(
            10,
            2,
            (V1_FULL, a_replica_set("v2", 2)),
            0,
            {**ABORTED, "strategy": {**DYNAMIC, "abortScaleDownDelaySeconds": 20}, "leads_to": V1},
            id="aborted, with a delay of its own",
        ),
    ],
)
def test_sizes(v1: int, v2: int, sets: tuple[ReplicaSet, ...], weight: int | None, fields: dict[str, Any]) -> None:
    """Stable is whole or follows its traffic, the canary follows its step, and neither leads the other."""
    assert sized(a_canary(*sets, weight=weight, **fields)) == {"v1": v1, "v2": v2}


@pytest.mark.parametrize(
    ("expected", "version", "fields"),
    [
        pytest.param(2, a_replica_set("v2", 2), {"weight": 20}, id="it still has traffic"),
        pytest.param(2, a_replica_set("v2", 2), {"weight": 0}, id="a Service leads to it"),
        pytest.param(2, a_replica_set("v2", 2), {"weight": 0, "leads_to": V1}, id="its delay begins"),
        pytest.param(2, a_replica_set("v2", 2), {"weight": None, "leads_to": V1}, id="nobody knows"),
        pytest.param(
            0,
            a_replica_set("v2", 2, annotations={naming.SCALE_DOWN_DEADLINE: PAST}),
            {"weight": 0, "leads_to": V1},
            id="its delay is over",
        ),
        pytest.param(0, a_replica_set("v2", 2, 0), {"weight": 0, "leads_to": V1}, id="its pods answer nobody"),
        pytest.param(
            2,
            a_replica_set("v2", 2, 0, annotations={naming.PROMOTED: "true"}),
            {"weight": 0, "leads_to": V1},
            id="it was stable once",
        ),
        pytest.param(
            0, a_replica_set("v2", 2), {"weight": 0, "leads_to": V1, "strategy": DYNAMIC}, id="stable shrinks along"
        ),
        pytest.param(
            0,
            a_replica_set("v2", 2),
            {"weight": 0, "leads_to": V1, "strategy": {"scaleDownDelaySeconds": 0}},
            id="no delay",
        ),
        pytest.param(
            0,
            a_replica_set("v2", 2),
            {"weight": 0, "leads_to": V1, "strategy": {"scaleDownDelayRevisionLimit": 0}},
            id="none may wait",
        ),
    ],
)
def test_a_superseded_version(expected: int, version: ReplicaSet, fields: dict[str, Any]) -> None:
    """v2 was replaced in mid-update by v3, whose pods are there; v1 is stable and whole."""
    assert sized(a_canary(V1_FULL, version, a_replica_set("v3", 2), image="v3", **fields))["v2"] == expected


def test_a_delay_that_begins_is_stored() -> None:
    """So that neither a restart nor a new leader moves it."""
    turn = a_canary(V1_FULL, a_replica_set("v2", 2), a_replica_set("v3", 2), image="v3", weight=0, leads_to=V1)
    assert routed.sizing(turn, turn.rollout.status).deadlines == {"uid-v2": timestamps.later(NOON, 30)}


PAIR: Json = {"pingPong": {"pingService": "ping", "pongService": "pong"}, "trafficRouting": {"istio": {}}}


@pytest.mark.parametrize(
    ("strategy", "stable_ping_pong", "expected", "next_one"),
    [
        (PAIR, "", ("ping", "pong"), "ping"),
        (PAIR, "pong", ("ping", "pong"), "ping"),
        (PAIR, "ping", ("pong", "ping"), "pong"),
        ({"canaryService": "c", "stableService": "s"}, "", ("c", "s"), ""),
        ({**PAIR, "canaryService": "c", "stableService": "s"}, "ping", ("c", "s"), "pong"),
        ({}, "", ("", ""), ""),
    ],
)
def test_parts_of_services(strategy: Json, stable_ping_pong: str, expected: tuple[str, str], next_one: str) -> None:
    """Pong is stable until the first promotion; each promotion lets the two change places."""
    turn = a_turn(strategy=canary(**strategy), status={"canary": {"stablePingPong": stable_ping_pong}}, image="v2")
    parts = roles.roles(turn.canary, turn.rollout.status)
    assert (parts.canary, parts.stable) == expected
    assert roles.flipped(turn.strategy, turn.rollout.status) == next_one


def test_the_third_version_is_another_one() -> None:
    """The tables above speak of three."""
    assert len({V1, V2, pod_hash("v3")}) == 3


@pytest.mark.parametrize(("stable_available", "left"), [(0, 8), (4, 4), (8, 0), (10, 0)])
def test_a_superseded_version_leaves_no_fewer_pods_than_are_to_be_available(stable_available: int, left: int) -> None:
    """Law 5: nothing leads to it, its delay is over, and still its pods are all that is up until stable is back."""
    sets = (a_replica_set("v1", 10, stable_available, age=90), a_replica_set("v2", 8, age=60), a_replica_set("v3"))
    turn = a_canary(*sets, weight=0, leads_to=V1, image="v3", strategy={"scaleDownDelaySeconds": 0})
    assert sized(turn)["v2"] == left


def test_superseded_versions_share_what_may_leave() -> None:
    """Law 5: what one of them gave up is not there for the next."""
    sets = (
        a_replica_set("v1", 10, 4, age=120),
        a_replica_set("v2", 4, age=90),
        a_replica_set("v3", 8, age=60),
        a_replica_set("v4"),
    )
    turn = a_canary(*sets, weight=0, leads_to=V1, image="v4", strategy={"scaleDownDelaySeconds": 0})
    assert (sized(turn)["v3"], sized(turn)["v2"]) == (0, 4)
