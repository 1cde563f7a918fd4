"""Rollouts that Argo Rollouts left in any phase go on under this controller, and not a pod of theirs is replaced."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rollouts.core import actions as act
from rollouts.core.decide import decide
from rollouts.ports import StepAnswer, StepCall, StepPhase
from tests import roads
from tests.builders import NOON, Json
from tests.clients import plugin, recorded
from tests.clients.recorded import STORIES
from tests.world import World

V1, V2 = "registry.example.com/web:1", "registry.example.com/web:2"
HASH, REVISION = "rollouts-pod-template-hash", "rollout.argoproj.io/revision"
LEFT_ALONE = ("currentPodHash", "stableRS", "currentStepIndex", "pauseConditions", "abort", "abortedAt")
MOVING = ("at_set_weight", "no_steps", "at_analysis", "resumed", "retrying", "blue_green_before_switch")
"""Stories in which something is about to move by itself."""

every_story = pytest.mark.parametrize("story", STORIES)


@every_story
def test_the_first_turn_touches_no_pod(story: str) -> None:
    """On the controller's own picture of the recorded objects: no version is made, resized in a template or removed,
    no Service turns, and the routers have what they are to have."""
    seen, way = recorded.picture(story)
    assert not seen.problems or story == "invalid_spec", seen.problems
    plan = decide(seen, now=NOON)
    for action in plan.actions:
        match action:
            case act.CreateReplicaSet() | act.DeleteReplicaSet() | act.EvictPod() | act.CreateAnalysisRun():
                raise AssertionError(action)
            case act.PatchReplicaSet():
                assert "template" not in action.patch.get("spec", {})
                assert REVISION not in action.patch.get("metadata", {}).get("annotations", {})
            case act.PatchRollout() | act.PatchService() | act.ScaleWorkload():
                raise AssertionError(action)
            case act.SetTraffic():
                assert list(way.writes(action.intent)) == []
            case _:
                pass
    before, after = seen.rollout.raw["status"], plan.status.to_json()
    assert after["currentPodHash"] == before["currentPodHash"]
    assert after["stableRS"] == before["stableRS"]


@every_story
def test_what_was_there_stays(story: str) -> None:
    """A minute on, everything that nobody asked to move is where it was: versions, templates, revisions, weights,
    Services, and every pod that served."""
    world = recorded.world(story)
    before, sets = copy.deepcopy(world.status), copy.deepcopy(world.replica_sets)
    served, led = _served(world), copy.deepcopy(world.services)
    pods = {pod.name for each in world.pods.values() for pod in each.each}
    revision = world.rollout["metadata"]["annotations"][REVISION]
    world.run(0 if story in MOVING else 15)
    assert set(world.replica_sets) == set(sets)
    for name, raw in world.replica_sets.items():
        assert raw["spec"]["template"] == sets[name]["spec"]["template"]
        assert raw["metadata"]["annotations"][REVISION] == sets[name]["metadata"]["annotations"][REVISION]
    assert world.rollout["metadata"]["annotations"][REVISION] == revision
    assert world.services == led
    if story in MOVING:
        return
    assert _served(world) == served
    assert {pod.name for each in world.pods.values() for pod in each.each} == pods
    kept = {name: value for name, value in before.items() if name in LEFT_ALONE}
    assert {name: value for name, value in world.status.items() if name in LEFT_ALONE} == kept


@every_story
def test_the_status_is_whole_after_a_turn(story: str) -> None:
    """Whatever was written into it before, clients find what they read, and no word of an update that was not."""
    world = recorded.world(story)
    world.settle()
    seen = world.status
    assert seen["observedGeneration"] == str(world.rollout["metadata"]["generation"])
    assert seen["phase"] in ("Healthy", "Progressing", "Paused", "Degraded")
    assert {"Ready", "Reconciling", "Stalled", "Available", "Completed"} <= {
        each["type"] for each in seen["conditions"]
    }
    if story.startswith(("healthy", "blue_green_after", "routed_healthy")):
        assert seen["phase"] == "Healthy"
        assert not {"RolloutUpdated", "NewReplicaSetCreated", "RolloutNotCompleted"} & set(world.reasons())


def _promote(world: World) -> None:
    for request in plugin.promote(world.rollout):
        (world.patch_status(request.body["status"]) if request.subresource else world.edit(request.body))


def _correct(world: World) -> None:
    world.edit({"spec": {"strategy": {"canary": {"maxSurge": 1}}}})


def _promote_full(world: World) -> None:
    world.patch_status({"promoteFull": True})


def _wait(world: World) -> None:
    pass


WAYS: Mapping[str, tuple[Callable[[World], None], ...]] = {
    "aborted": (lambda world: world.patch_status({"abort": False}), _promote),
    "at_analysis": (_wait,),
    "at_background_analysis": (_promote,),
    "at_experiment": (_wait,),
    "at_pause": (_promote,),
    "at_pause_foreign_hash": (_promote,),
    "at_plugin": (_wait,),
    "at_set_weight": (_promote,),
    "at_timed_pause": (_wait,),
    "blue_green_before_switch": (_promote,),
    "blue_green_in_pause": (_promote,),
    "blue_green_proven": (_promote,),
    "invalid_spec": (_correct,),
    "no_steps": (_wait,),
    "ping_pong": (_promote,),
    "resumed": (_wait,),
    "retrying": (_promote,),
    "routed_aborted": (lambda world: world.patch_status({"abort": False}), _promote),
    "routed_at_pause": (_promote,),
    "routed_dynamic_stable": (_promote,),
    "routed_foreign_hash": (_promote,),
    "wearing_metadata": (_promote,),
    "workload_ref": (_promote,),
}
"""What people do in each phase until the update is through; where it waits for nobody they wait."""


@pytest.mark.parametrize("story", WAYS)
def test_the_update_is_finished(story: str) -> None:
    """Continued as people continue it, the update comes to its end: the version that was on its way is stable, under
    the name and number that it had."""
    world = recorded.world(story)
    sets = set(world.replica_sets)
    (new,) = (name for name, raw in world.replica_sets.items() if _image(raw) == V2)
    for way in WAYS[story]:
        world.run(120)
        way(world)
    world.run(900)
    seen = world.status
    assert (seen["phase"], seen.get("message", "")) == ("Healthy", ""), world.told()
    assert seen["stableRS"] == seen["currentPodHash"] == world.replica_sets[new]["metadata"]["labels"][HASH]
    assert set(world.replica_sets) == sets
    assert world.replica_sets[new]["metadata"]["annotations"][REVISION] == "2"
    assert {image: size for image, size in world.sizes().items() if size} == {V2: 4}
    assert set(_served(world)) <= {seen["stableRS"]}


@pytest.mark.parametrize("story", [story for story in (*WAYS, "deadline_exceeded") if story != "invalid_spec"])
def test_the_update_can_be_given_up(story: str) -> None:
    """An abort goes back to the version that was stable, whose pods are those that were there."""
    world = recorded.world(story)
    (old,) = (name for name, raw in world.replica_sets.items() if _image(raw) == V1)
    before = {pod.name for pod in world.pods[old].each}
    world.settle()
    world.patch_status({"abort": True})
    world.run(300)
    assert world.status["phase"] == "Degraded"
    assert world.sizes() == {V1: 4, V2: 0}
    assert set(_served(world)) <= {world.status["stableRS"]}
    assert before <= {pod.name for pod in world.pods[old].each}


@pytest.mark.parametrize("story", STORIES)
def test_a_new_version_follows(story: str) -> None:
    """Revision 3 replaces whatever was there, and the versions before keep their numbers."""
    world = recorded.world(story)
    world.run(15)
    if story == "invalid_spec":
        _correct(world)
    world.set_image("registry.example.com/web:3")
    world.run(60)
    _promote_full(world)
    world.run(300)
    assert world.status["phase"] == "Healthy", world.told()
    numbers = {_image(raw): raw["metadata"]["annotations"][REVISION] for raw in world.replica_sets.values()}
    assert numbers == {V1: "1", V2: "2", "registry.example.com/web:3": "3"}
    assert {image: size for image, size in world.sizes().items() if size} == {"registry.example.com/web:3": 4}


def test_a_pause_ends_when_it_was_to_end() -> None:
    """Law 14: five of its ten minutes were over; a change of the controller moves none."""
    world = recorded.world("at_timed_pause")
    world.run(299)
    assert world.status["message"] == "CanaryPauseStep"
    world.run(2)
    assert world.status["currentStepIndex"] == 4


@pytest.mark.parametrize("story", ["at_pause", "routed_foreign_hash", "aborted"])
def test_steps_that_were_hashed_differently_are_not_taken_again(story: str) -> None:
    """Law 25: an update that is under way stays at its step, and one that was given up does not come back."""
    world = recorded.world(story)
    world.patch_status({"currentStepHash": "5ffbfbbd64"})
    before, served = copy.deepcopy(world.status), _served(world)
    world.run(60)
    assert _served(world) == served
    assert {name: world.status.get(name) for name in LEFT_ALONE} == {name: before.get(name) for name in LEFT_ALONE}


def test_an_old_version_goes_at_the_deadline_it_was_given() -> None:
    """The delay after a switch is the one that was promised."""
    for story, seconds, old in (
        ("blue_green_after_switch", 90, V1),
        ("routed_healthy", 20, V1),
        ("routed_aborted", 25, V2),
    ):
        world = recorded.world(story)
        world.run(seconds - 1)
        assert world.sizes()[old]
        world.run(2)
        assert world.sizes()[old] == 0


def test_a_run_of_before_gives_the_verdict() -> None:
    """The measurements that were made count, the one that is missing is made, and no run is started anew."""
    world = recorded.world("at_analysis")
    (name,) = world.runs
    world.run(60)
    assert list(world.runs) == [name]
    result = world.runs[name]["status"]["metricResults"][0]
    assert (world.runs[name]["status"]["phase"], result["count"]) == ("Successful", 3)
    assert [each["startedAt"] for each in result["measurements"]][:2] == [
        "2026-01-01T11:59:40Z",
        "2026-01-01T11:59:50Z",
    ]


def test_what_was_proven_is_not_measured_again() -> None:
    """A pass on record is enough, also where its run is gone; and the run beside the steps is measured on."""
    proven = recorded.world("blue_green_proven")
    _promote(proven)
    proven.run(200)
    assert (proven.runs, proven.status["phase"]) == ({}, "Healthy")
    watched = recorded.world("at_background_analysis")
    (name,) = watched.runs
    watched.run(30)
    assert list(watched.runs) == [name]
    assert watched.runs[name]["status"]["metricResults"][0]["count"] > 2


def test_an_experiment_of_before_gives_the_verdict() -> None:
    """The one that runs is waited for, as long as it was to run, and no other is made."""
    world = recorded.world("at_experiment")
    (name,) = world.experiments
    world.run(299)
    assert (list(world.experiments), world.status["currentStepIndex"]) == ([name], 1)
    world.run(60)
    assert (list(world.experiments), world.status["currentStepIndex"]) == ([name], 3)


def test_a_plugin_goes_on_from_its_own_notes() -> None:
    """It is asked again when it was to be asked, about the same step, with what it had handed back."""
    world, asked = recorded.world("at_plugin"), list[StepCall]()

    def answer(call: StepCall, nth: int) -> StepAnswer:
        asked.append(call)
        return StepAnswer(phase=StepPhase.SUCCESSFUL)

    world.settings = dataclasses.replace(world.settings, plugin=answer)
    world.run(19)
    assert asked == []
    world.run(1)
    assert [(call.operation, call.status) for call in asked] == [("Run", {"change": "CHG-7"})]
    world.run(200)
    (entry,) = world.status["canary"]["stepPluginStatuses"]
    assert (entry["phase"], entry["startedAt"], entry["executions"]) == ("Successful", "2026-01-01T11:58:50Z", 4)
    assert world.status["phase"] == "Healthy"


def test_pods_keep_what_they_wear() -> None:
    """Labels of a part that were put on before come off when the part is over, from the pods that wear them."""
    world = recorded.world("wearing_metadata")
    world.run(30)
    parts = {pod.metadata["labels"]["role"] for pods in world.pods.values() for pod in pods.each}
    assert parts == {"canary", "stable"}
    _promote_full(world)
    world.run(300)
    worn = [pod.metadata for pods in world.pods.values() for pod in pods.each]
    assert {each["labels"]["role"] for each in worn} == {"stable"}
    assert not any("example.com/watch" in each.get("annotations", {}) for each in worn)


def test_a_correction_makes_no_new_version() -> None:
    """InvalidSpec of before goes with its reason, and that is all."""
    world = recorded.world("invalid_spec")
    world.settle()
    assert world.status["phase"] == "Degraded"
    sets = copy.deepcopy(world.replica_sets)
    _correct(world)
    world.run(30)
    assert world.status["phase"] == "Healthy"
    assert set(world.replica_sets) == set(sets)


@pytest.mark.parametrize("story", ["healthy_foreign_hash", "routed_foreign_hash", "blue_green_in_pause"])
def test_equal_meaning_is_the_same_version_and_another_is_not(story: str) -> None:
    """Where the hash is unknown the template decides: defaults and spelling do not matter, one variable does."""
    world = recorded.world(story)
    container: Json = copy.deepcopy(world.rollout["spec"]["template"]["spec"]["containers"][0])
    container["resources"]["requests"] = {"cpu": "0.005", "memory": "16384Ki"}
    container["imagePullPolicy"] = "IfNotPresent"
    world.edit({"spec": {"template": {"spec": {"containers": [container]}}}})
    world.settle()
    assert len(world.replica_sets) == 2
    container["env"] = [{"name": "LEVEL", "value": "debug"}]
    world.edit({"spec": {"template": {"spec": {"containers": [container]}}}})
    world.settle()
    assert len(world.replica_sets) == 3


def _image(raw: Json) -> str:
    found: str = raw["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def _served(world: World) -> Mapping[str, Any]:
    """The share of traffic by version, where Services or routes decide that."""
    if world.routes:
        return {
            key: share
            for route in world.routes.values()
            for key, share in roads.shares(world.services, route).items()
            if share
        }
    return {roads.hash_of(world.services, "web-active"): 1} if "web-active" in world.services else {}
