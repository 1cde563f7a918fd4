"""How many pods a step asks for, and when they are enough, in tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import counts
from rollouts.core.turn import Turn
from tests.builders import Json, canary, pause
from tests.core.turns import a_replica_set, a_turn

STABLE, NEW = a_replica_set("v1", 10, age=60), a_replica_set("v2")


def at_step(
    *steps: int | Json, index: int = 0, weight_max: int = 100, status: Json | None = None, **fields: Any
) -> Turn:
    """A turn at a step of a canary whose traffic a router splits, with ten pods."""
    routing = {"nginx": {"stableIngress": "web"}, "maxTrafficWeight": weight_max}
    strategy = canary(*steps, canaryService="web-canary", stableService="web-stable", trafficRouting=routing, **fields)
    return a_turn(STABLE, NEW, strategy=strategy, status={"currentStepIndex": index, **(status or {})}, replicas=10)


def asked(turn: Turn) -> tuple[int, int]:
    """Pods of the canary and of stable."""
    wanted = counts.target_counts(turn, turn.rollout.status)
    return wanted.canary, wanted.stable


def scale(**what: int | bool) -> Json:
    """A setCanaryScale step."""
    return {"setCanaryScale": what}


@pytest.mark.parametrize(("weight", "pods"), [(0, 0), (1, 1), (10, 1), (11, 2), (50, 5), (99, 10), (100, 10)])
def test_pods_follow_the_weight_rounded_up(weight: int, pods: int) -> None:
    """A canary never has fewer pods than its share of the traffic needs; stable keeps all of its own."""
    assert asked(at_step(weight)) == (pods, 10)


@pytest.mark.parametrize(
    ("steps", "index", "pods"),
    [
        ((scale(replicas=3), 20), 0, 3),
        ((scale(replicas=3), 80), 1, 3),
        ((scale(weight=50), 10), 1, 5),
        ((scale(weight=50), scale(replicas=1), 80), 2, 1),
        ((scale(replicas=3), scale(matchTrafficWeight=True), 40), 1, 0),
        ((scale(replicas=3), scale(matchTrafficWeight=True), 40), 2, 4),
        ((20, scale(replicas=7)), 0, 2),
        ((scale(replicas=3), 20), 2, 10),
    ],
)
def test_the_last_scale_up_to_the_step_counts(steps: tuple[int | Json, ...], index: int, pods: int) -> None:
    """Until a step gives the size back to the weight, or the steps are over."""
    assert asked(at_step(*steps, index=index)) == (pods, 10)


@pytest.mark.parametrize(("weight", "pods"), [(50, 1), (500, 5), (1000, 10)])
def test_a_scale_by_weight_is_a_part_of_the_greatest_weight(weight: int, pods: int) -> None:
    """As a weight of traffic is: with a maximum of a thousand, five hundred is half of the pods."""
    assert asked(at_step(scale(weight=weight), weight_max=1000)) == (pods, 10)


@pytest.mark.parametrize(("delay", "pods"), [(None, 0), (30, 0), (0, 3)])
def test_an_abort_voids_a_scale_unless_the_canary_stays_up(delay: int | None, pods: int) -> None:
    """A fixed number outlasts the abort only where abortScaleDownDelaySeconds is 0."""
    fields: Json = {} if delay is None else {"abortScaleDownDelaySeconds": delay}
    assert asked(at_step(scale(replicas=3), status={"abort": True}, **fields)) == (pods, 10)


@pytest.mark.parametrize(
    ("weight", "least", "expected"), [(0, 3, (0, 10)), (10, 3, (3, 9)), (95, 3, (10, 3)), (10, 20, (10, 10))]
)
def test_a_version_with_pods_has_the_least_number(weight: int, least: int, expected: tuple[int, int]) -> None:
    """minPodsPerReplicaSet, bounded by spec.replicas; a version that needs none has none."""
    fields: Json = {"dynamicStableScale": True, "minPodsPerReplicaSet": least}
    assert asked(at_step(weight, **fields)) == expected


@pytest.mark.parametrize(("is_dynamic", "pods"), [(False, 1), (True, 3)])
def test_a_fixed_number_is_below_the_least_only_beside_a_whole_stable(*, is_dynamic: bool, pods: int) -> None:
    """As existing controllers count: minPodsPerReplicaSet is about versions that stand in for each other."""
    fields: Json = {"dynamicStableScale": is_dynamic, "minPodsPerReplicaSet": 3}
    assert asked(at_step(scale(replicas=1), **fields)) == (pods, 10)


@pytest.mark.parametrize(
    ("threshold", "available", "is_enough"),
    [
        (None, 4, False),
        (None, 5, True),
        ({"type": "Percent", "value": 60}, 2, False),
        ({"type": "Percent", "value": 60}, 3, True),
        ({"type": "Percent", "value": 50}, 3, True),
        ({"type": "Percent", "value": -1}, 4, False),
        ({"type": "Pods", "value": 2}, 1, False),
        ({"type": "Pods", "value": 2}, 2, True),
        ({"type": "Pods", "value": 7}, 4, False),
        ({"type": "Pods", "value": 7}, 5, True),
    ],
)
def test_a_threshold_is_enough(threshold: Json | None, available: int, *, is_enough: bool) -> None:
    """Five pods are asked for; a threshold says with how many of them the step goes on."""
    fields: Json = {} if threshold is None else {"replicaProgressThreshold": threshold}
    sets = a_replica_set("v1", 5, age=60), a_replica_set("v2", 5, available)
    turn = a_turn(*sets, strategy=canary(50, pause(), **fields), replicas=10)
    assert counts.is_at_target(turn, turn.rollout.status) is is_enough


@pytest.mark.parametrize(("pods", "is_reached"), [(0, True), (1, True), (2, False)])
def test_a_pod_that_traffic_keeps_holds_no_step_up(pods: int, *, is_reached: bool) -> None:
    """A step that declares no pods beside a weight above none: the last one stays, and the next step comes."""
    turn = at_step(50, scale(replicas=0), index=1)
    sets = (STABLE, a_replica_set("v2", pods))
    turn = dataclasses.replace(turn, new=sets[1], seen=dataclasses.replace(turn.seen, replica_sets=sets))
    assert counts.is_at_target(turn, turn.rollout.status) is is_reached
