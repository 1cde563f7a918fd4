"""The progress deadline counts only time spent waiting for pods, whatever ends the other waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, blue_green, canary, pause
from tests.cluster import Settings
from tests.world import World

ROUTED: Json = {
    "canaryService": "web-canary",
    "stableService": "web-stable",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
}
PROOF = a_template("success-rate", a_metric(interval="60s", count=20))
UNREADABLE = "Ingress web could not be read"


def updated(strategy: Json) -> World:
    """A minute after its first deploy the second version begins; a minute without progress aborts it."""
    rollout = a_rollout(strategy, progressDeadlineSeconds=60, progressDeadlineAbort=True)
    world = World(rollout, templates=[PROOF])
    world.run(60)
    world.set_image("v2")
    return world


def lose_new_pods(world: World) -> None:
    """All pods of the second version die."""
    (name,) = (name for name, raw in world.replica_sets.items() if image(raw) == "v2")
    world.lose_pods(name)


def image(raw: Json) -> str:
    """What the pods of a ReplicaSet run."""
    said: str = raw["spec"]["template"]["spec"]["containers"][0]["image"]
    return said


def reason(world: World) -> str:
    """What Progressing says."""
    return str(next(each["reason"] for each in world.status["conditions"] if each["type"] == "Progressing"))


@pytest.mark.parametrize("seconds", [30, 300, 3000])
def test_a_router_that_cannot_be_read_aborts_nothing(seconds: int) -> None:
    """Law 23: not while it cannot be read, and not in the moment in which it can be again."""
    world = updated(canary(20, pause(), **ROUTED))
    world.hide_route("nginx", UNREADABLE)
    world.run(seconds)
    assert world.status["phase"] == "Progressing"
    world.alter(world.routes["nginx"], {"unknown": None})
    world.run(5)
    assert (world.status["phase"], world.status["message"]) == ("Paused", "CanaryPauseStep")


def test_pods_are_timed_where_a_router_cannot_be_read() -> None:
    """Nobody has to see the traffic to know that pods do not come."""
    world = updated(canary(20, pause(), **ROUTED))
    world.settings = Settings(ready_after=lambda image: None if image == "v2" else 5)
    world.hide_route("nginx", UNREADABLE)
    world.run(90)
    assert "has timed out progressing" in world.status["message"]


@pytest.mark.parametrize(
    "strategy",
    [
        blue_green(prePromotionAnalysis=an_analysis("success-rate")),
        canary(50, analysis=an_analysis("success-rate")),
        canary(50, analysis=an_analysis("success-rate"), **ROUTED),
    ],
)
def test_pods_that_die_under_a_long_proof_have_the_whole_deadline(strategy: Json) -> None:
    """Law 20: the minutes in which the proof was awaited do not count."""
    world = updated(strategy)
    world.run(400)
    assert reason(world) == "DeadlineSuspended"
    lose_new_pods(world)
    world.run(30)
    assert "abort" not in world.status
    world.run(3000)
    assert world.status["phase"] == "Healthy"


def test_earlier_versions_that_stay_up_longer_than_the_deadline_stall_nothing() -> None:
    """The update is over, and all its pods are there."""
    world = updated(canary(20, scaleDownDelaySeconds=600, **ROUTED))
    world.run(500)
    assert (world.status["phase"], world.sizes()) == ("Healthy", {"v1": 10, "v2": 10})
    lose_new_pods(world)
    world.settle()
    assert reason(world) == "ReplicaSetUpdated"
    world.run(600)
    assert (reason(world), world.sizes()) == ("NewReplicaSetAvailable", {"v1": 0, "v2": 10})


@pytest.mark.parametrize("fields", [{}, ROUTED])
def test_pods_that_came_while_no_controller_ran_are_not_late(fields: Json) -> None:
    """Law 13: the first turn after a long absence sees that they are there before it looks at the clock."""
    world = updated(canary(50, pause(), **fields))
    world.run(1)
    world.now += timedelta(hours=1)
    world.run(10)
    assert (world.status["phase"], world.status["message"]) == ("Paused", "CanaryPauseStep")


def test_pods_that_never_came_are_late_whether_or_not_a_controller_ran() -> None:
    """Law 14: the deadline is a stored time."""
    world = updated(canary(50, pause()))
    world.settings = Settings(ready_after=lambda image: None if image == "v2" else 5)
    world.run(1)
    world.now += timedelta(hours=1)
    world.run(10)
    assert "has timed out progressing" in world.status["message"]


def test_time_under_an_invalid_spec_does_not_count() -> None:
    """Nothing could go on; with the correction the clock starts anew."""
    world = updated(canary(50, pause(), **ROUTED))
    world.run(2)
    world.edit({"spec": {"strategy": {"canary": {"maxSurge": 0, "maxUnavailable": 0}}}})
    world.run(3600)
    assert world.status["message"].startswith("InvalidSpec")
    world.edit({"spec": {"strategy": {"canary": {"maxSurge": None, "maxUnavailable": None}}}})
    world.run(10)
    assert (world.status["phase"], world.status["message"]) == ("Paused", "CanaryPauseStep")
