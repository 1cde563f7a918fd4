"""Conditions, phase and message over whole updates: what `kubectl wait`, kstatus and existing clients read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rollouts.api import conditions as c
from tests.builders import Json, a_metric, a_rollout, a_template, analysis, blue_green, canary, pause
from tests.cluster import Settings
from tests.world import World

NEW = "web-569858f45d"
TRIO = ("Ready", "Reconciling", "Stalled")


class Watcher:
    """Every status that was stored, in order."""

    def __init__(self, world: World) -> None:
        self.statuses: list[Json] = []
        self._world = world
        world.after_turn = self._look

    def _look(self, world: World) -> None:
        if world.change is not None:
            self.statuses.append(world.change[1])

    def said(self, kind: str) -> list[tuple[str, str, str]]:
        """Status, reason and message of a condition, each time that it became another one."""
        found: list[tuple[str, str, str]] = []
        for status in self.statuses:
            for each in status.get("conditions", ()):
                words = each["status"], each.get("reason", ""), each.get("message", "")
                if each["type"] == kind and words[:2] not in [said[:2] for said in found[-1:]]:
                    found.append(words)
        return found

    def phases(self) -> list[tuple[str, str]]:
        """Phase and message, each time that they became others."""
        found = [(status.get("phase", ""), status.get("message", "")) for status in self.statuses]
        return [each for each, before in zip(found, [("", "?"), *found], strict=False) if each != before]


def watched(strategy: Json, **spec: Any) -> tuple[World, Watcher]:
    """A world in which v1 serves, and what is stored from then on."""
    world = World(a_rollout(strategy, replicas=2, **spec))
    world.settings = Settings(ready_after=lambda image: None if image == "broken" else 5)
    world.run(60)
    return world, Watcher(world)


def test_a_first_deploy_goes_through_its_conditions() -> None:
    """Progressing from the ReplicaSet made to progressed; the others turn when their time has come."""
    world = World(a_rollout(canary(50, pause()), replicas=2))
    watcher = Watcher(world)
    world.run(60)
    rs = "web-ddf64cb59"
    assert watcher.said(c.PROGRESSING) == [
        ("True", "NewReplicaSetCreated", f'Created new replica set "{rs}"'),
        ("True", "ReplicaSetUpdated", f'ReplicaSet "{rs}" is progressing.'),
        ("True", "NewReplicaSetAvailable", f'ReplicaSet "{rs}" has successfully progressed.'),
    ]
    available = [words for status, _, words in watcher.said(c.AVAILABLE)]
    assert available == ["Rollout does not have minimum availability", "Rollout has minimum availability"]
    assert watcher.said(c.HEALTHY) == [("True", "RolloutHealthy", "Rollout is healthy")]
    assert [said[0] for said in watcher.said(c.COMPLETED)] == ["False", "True"]
    assert {said[1:] for said in watcher.said(c.COMPLETED)} == {("RolloutCompleted", "RolloutCompleted")}
    assert watcher.phases()[-1] == ("Healthy", "")


def test_progressing_says_what_happens() -> None:
    """Paused, resumed, given up, tried again: each has the reason that clients know."""
    world, watcher = watched(canary(50, pause(), 60, pause()))
    world.set_image("v2")
    world.run(30)
    world.patch_status({"pauseConditions": None})
    world.run(30)
    world.patch_status({"abort": True})
    world.run(30)
    world.patch_status({"abort": False})
    world.run(30)
    reasons = [(status, reason, words) for status, reason, words in watcher.said(c.PROGRESSING)]
    for expected in (
        ("Unknown", "RolloutPaused", "Rollout is paused"),
        ("False", "RolloutAborted", "Rollout aborted update to revision 2"),
        ("True", "ReplicaSetUpdated", f'ReplicaSet "{NEW}" is progressing.'),
    ):
        assert expected in reasons
    assert {said[:2] for said in watcher.said(c.PAUSED)} == {("True", "RolloutPaused"), ("False", "RolloutPaused")}


def test_a_manual_pause_is_said_and_ends() -> None:
    """Without any progress in between, Progressing says that it was paused, and that it was resumed."""
    world, watcher = watched(canary(50))
    world.set_image("broken")
    world.run(10)
    watcher.statuses.clear()
    world.edit({"spec": {"paused": True}})
    world.run(10)
    world.edit({"spec": {"paused": False}})
    world.run(10)
    assert [said[1] for said in watcher.said(c.PROGRESSING)] == ["RolloutPaused", "RolloutResumed"]
    assert [said[0] for said in watcher.said(c.PAUSED)] == ["True", "False"]


def test_a_retry_is_said() -> None:
    """A client that waits for the end of an abort sees the retry as such before pods move."""
    world, watcher = watched(canary(50, pause()))
    world.settings = Settings(ready_after=lambda image: None if image == "v2" else 5)
    world.set_image("v2")
    world.run(10)
    world.patch_status({"abort": True})
    world.run(60)
    watcher.statuses.clear()
    world.patch_status({"abort": False})
    world.run(10)
    assert watcher.said(c.PROGRESSING)[0][:2] == ("Unknown", "RolloutRetry")


def test_a_version_that_is_there_already_is_said_to_be_found() -> None:
    """A status that was lost says first which ReplicaSet it found, and its deadline runs from then on."""
    world, watcher = watched(canary(50))
    del world.rollout["status"]
    world.patch_status({})
    world.lose_pods("web-ddf64cb59")
    world.run(30)
    assert watcher.said(c.PROGRESSING) == [
        ("True", "FoundNewReplicaSet", 'Found new replica set "web-ddf64cb59"'),
        ("True", "NewReplicaSetAvailable", 'ReplicaSet "web-ddf64cb59" has successfully progressed.'),
    ]


def test_an_abort_by_a_verdict_says_why() -> None:
    """Phase and message are those of the condition, in the words that clients show."""
    template = a_template("rate", a_metric("rate", failureCondition="result[0] < 0.5", success="result[0] >= 0.5"))
    world = World(a_rollout(canary(50, analysis("rate")), replicas=2), templates=[template])
    world.settings = Settings(reading=lambda metric, now: [0.1])
    world.run(60)
    world.set_image("v2")
    world.run(30)
    why = 'Metric "rate" assessed Failed due to failed (1) > failureLimit (0)'
    words = f"Rollout aborted update to revision 2: Step-based analysis phase error/failed: {why}"
    assert (world.status["phase"], world.status["message"]) == ("Degraded", f"RolloutAborted: {words}")


def test_an_invalid_spec_says_so_and_heals() -> None:
    """InvalidSpec comes and goes with its cause; Healthy is not said of a spec that makes no sense."""
    world, watcher = watched(canary(50))
    break_spec(world)
    world.run(10)
    assert world.status["message"].startswith('InvalidSpec: The Rollout "web" is invalid: ')
    assert watcher.said("InvalidSpec")[0][:2] == ("True", "InvalidSpec")
    assert watcher.said(c.HEALTHY)[-1][0] == "False"
    world.edit({"spec": {"minReadySeconds": 0, "progressDeadlineSeconds": 600}})
    world.run(10)
    assert world.status["phase"] == "Healthy"
    assert "InvalidSpec" not in {each["type"] for each in world.status["conditions"]}


def test_a_deadline_that_passed_is_said() -> None:
    """Degraded, with the words that clients show."""
    world, watcher = watched(canary(50), progressDeadlineSeconds=60)
    world.set_image("broken")
    world.run(300)
    words = 'ReplicaSet "web-6dc56c8bb7" has timed out progressing.'
    assert watcher.said(c.PROGRESSING)[-1] == ("False", "ProgressDeadlineExceeded", words)
    assert watcher.phases()[-1] == ("Degraded", f"ProgressDeadlineExceeded: {words}")


def test_a_canary_goes_through_its_phases() -> None:
    """First match first: pods, their availability, the pause, the steps, and healthy in the end."""
    world, watcher = watched(canary(50, pause(5)))
    world.set_image("v2")
    world.run(120)
    assert watcher.phases() == [
        ("Progressing", "more replicas need to be updated"),
        ("Paused", "CanaryPauseStep"),
        ("Progressing", "more replicas need to be updated"),
        ("Progressing", "updated replicas are still becoming available"),
        ("Progressing", "old replicas are pending termination"),
        ("Healthy", ""),
    ]


def test_a_routed_canary_goes_through_its_phases() -> None:
    """Pods of the version before are no reason to wait where traffic is split by a router; the steps are."""
    routing = {"canaryService": "web-canary", "stableService": "web-stable", "trafficRouting": {"nginx": {}}}
    world, watcher = watched(canary(50, **routing))
    world.set_image("v2")
    world.run(4)
    world.alter(world.routes["nginx"], {"stuck": {}})
    world.run(60)
    world.alter(world.routes["nginx"], {"stuck": None})
    world.run(60)
    assert watcher.phases() == [
        ("Progressing", "more replicas need to be updated"),
        ("Progressing", "updated replicas are still becoming available"),
        ("Progressing", "waiting for all steps to complete"),
        ("Healthy", ""),
    ]


def test_a_blue_green_update_goes_through_its_phases() -> None:
    """Pods, their availability, the pause, the cut-over, and healthy in the end."""
    world, watcher = watched(blue_green(autoPromotionSeconds=5))
    world.set_image("v2")
    world.run(120)
    assert watcher.phases() == [
        ("Progressing", "more replicas need to be updated"),
        ("Progressing", "updated replicas are still becoming available"),
        ("Paused", "BlueGreenPause"),
        ("Progressing", "active service cutover pending"),
        ("Healthy", ""),
    ]


def give_up(world: World) -> None:
    """An abort."""
    world.patch_status({"abort": True})


def break_spec(world: World) -> None:
    """A spec that makes no sense."""
    world.edit({"spec": {"minReadySeconds": 10, "progressDeadlineSeconds": 5}})


@pytest.mark.parametrize("ending", [give_up, break_spec, lambda world: world.patch_status({"pauseConditions": None})])
@pytest.mark.parametrize("strategy", [canary(50, pause()), blue_green(autoPromotionEnabled=False)])
def test_exactly_one_of_three_is_true_in_every_status(strategy: Json, ending: Callable[[World], object]) -> None:
    """Ready, Reconciling and Stalled, as kstatus and `kubectl wait` read them, at every moment of an update."""
    world, watcher = watched(strategy)
    world.set_image("v2")
    world.run(30)
    ending(world)
    world.run(60)
    assert len(watcher.statuses) > 3
    for status in watcher.statuses:
        said = {each["type"]: each["status"] for each in status["conditions"]}
        assert sorted(said.get(kind, "") for kind in TRIO) == ["False", "False", "True"], status["phase"]
        assert said["Ready"] == ("True" if status["phase"] == "Healthy" else "False")
        assert said["Stalled"] == ("True" if status["phase"] == "Degraded" else "False")


def test_every_spec_is_answered() -> None:
    """observedGeneration follows also where nothing else changes, so that nobody waits for ever."""
    world, _ = watched(canary(50))
    world.edit({"spec": {"progressDeadlineSeconds": 601}})
    world.settle()
    assert not world.is_edited()
