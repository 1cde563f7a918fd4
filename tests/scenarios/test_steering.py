"""What people can do to an update that is under way, as claims: one short play each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, analysis, canary, pause
from tests.cluster import Settings
from tests.world import World


def a_world(*steps: int | Json, replicas: int = 10, before: str = "v2", **spec: Any) -> World:
    """A world 60 seconds after `before` was asked for on top of v1."""
    world = World(a_rollout(canary(*steps), replicas=replicas, **spec))
    world.run(60)
    world.set_image(before)
    world.run(60)
    return world


def test_an_abort_is_not_held_up_by_a_pause() -> None:
    """Law 19: spec.paused holds versions where they are, but never a canary that is given up."""
    world = a_world(50, pause())
    world.edit({"spec": {"paused": True}})
    world.patch_status({"abort": True})
    world.run(60)
    assert world.sizes() == {"v1": 10, "v2": 0}
    assert world.status["phase"] == "Degraded"


@pytest.mark.parametrize("steps", [(20, pause()), ()])
def test_an_abort_ends_a_promotion_in_full(steps: tuple[int | Json, ...]) -> None:
    """Law 19: a version that was promoted in full and does not come up can be given up."""
    world = World(a_rollout(canary(*steps)))
    world.settings = Settings(ready_after=lambda image: None if image == "broken" else 5)
    world.run(60)
    world.set_image("broken")
    world.run(60)
    world.patch_status({"promoteFull": True})
    world.run(60)
    world.patch_status({"abort": True})
    world.run(60)
    assert world.sizes() == {"v1": 10, "broken": 0}
    assert "promoteFull" not in world.status


def test_an_abort_gives_way_to_a_promotion_in_full_that_comes_with_it() -> None:
    """Both wishes in one moment: the promotion counts, as existing clients expect."""
    world = a_world(20, pause())
    world.patch_status({"abort": True, "promoteFull": True})
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 10}
    assert world.status["phase"] == "Healthy"


def test_an_aborted_update_can_be_promoted_in_full() -> None:
    """Promotion in full clears the abort that was there before."""
    world = a_world(20, pause())
    world.patch_status({"abort": True})
    world.run(60)
    world.patch_status({"promoteFull": True})
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 10}


def test_an_abort_ends_a_rollback_within_the_window() -> None:
    """Law 19: what skips the steps can be given up like anything else, by people and by the deadline, for good."""
    sick: list[str] = []
    world = World(a_rollout(canary(50), rollbackWindow={"revisions": 3}, progressDeadlineSeconds=30))
    world.edit({"spec": {"progressDeadlineAbort": True}})
    world.settings = Settings(ready_after=lambda image: None if image in sick else 5)
    world.run(60)
    world.now = world.now.replace(minute=5)
    world.set_image("v2")
    world.run(120)
    sick.append("v1")
    world.set_image("v1")
    world.run(300)
    assert world.status["phase"] == "Degraded"
    assert world.sizes() == {"v1": 0, "v2": 10}
    assert world.reasons().count("RolloutAborted") == 1


def test_a_change_of_replicas_under_a_hold_keeps_the_weight() -> None:
    """Law 6: what an autoscaler asks for under spec.paused arrives in full, at the weight of the step."""
    world = a_world(20, pause(), replicas=20)
    world.edit({"spec": {"paused": True}})
    world.run(10)
    world.edit({"spec": {"replicas": 10}})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 2}


def test_pods_that_never_came_up_are_scaled_down() -> None:
    """Law 5: a lower spec.replicas counts at once for pods that carry nothing, whatever they wait for."""
    world = a_world(11, pause(), replicas=0)
    world.settings = Settings(ready_after=lambda image: None)
    world.edit({"spec": {"replicas": 13}})
    world.run(60)
    assert world.sizes() == {"v1": 12, "v2": 2}
    world.edit({"spec": {"replicas": 2}})
    world.run(60)
    assert world.sizes() == {"v1": 2, "v2": 1}


def test_a_paused_rollout_without_pods_is_scaled_up() -> None:
    """Zero replicas are a size like any other: a paused Rollout comes back from it."""
    world = a_world(20, pause())
    world.edit({"spec": {"paused": True, "replicas": 0}})
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 0}
    world.edit({"spec": {"replicas": 10}})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 2}


def test_a_pause_keeps_sizes_in_mid_move() -> None:
    """Without a change of replicas a hold freezes sizes as they are."""
    world = a_world(pause(), 80, replicas=10)
    world.patch_status({"pauseConditions": None})
    world.settle()
    before = world.sizes()
    world.edit({"spec": {"paused": True}})
    world.run(300)
    assert world.sizes() == before != {"v1": 2, "v2": 8}


def test_a_finished_rollout_is_not_healthy_while_paused() -> None:
    """The condition follows the phase: `kubectl wait --for=condition=Healthy` waits for the end of a pause."""
    world = a_world(50)
    world.edit({"spec": {"paused": True}})
    world.run(10)
    assert _condition(world, "Healthy")["status"] == "False"
    assert world.status["phase"] == "Paused"


def test_the_deadline_does_not_count_a_pause_of_a_finished_rollout() -> None:
    """Law 20: after spec.paused the time to become ready begins anew, also for a version that is stable."""
    world = World(a_rollout(canary(50), progressDeadlineSeconds=60))
    world.run(60)
    world.settings = Settings(ready_after=lambda image: None)
    world.edit({"spec": {"replicas": 12}})
    world.run(30)
    world.edit({"spec": {"paused": True}})
    world.run(3600)
    world.edit({"spec": {"paused": False}})
    world.run(30)
    assert world.status["phase"] == "Progressing"
    world.run(60)
    assert world.status["phase"] == "Degraded"


@pytest.mark.parametrize("promote", ["step", "full"])
def test_the_deadline_does_not_count_an_analysis_that_was_skipped(promote: str) -> None:
    """Law 20: whoever goes on from a long analysis does not find the time of pods used up by it."""
    steps = canary(20, analysis("endless"), 50)
    spec: dict[str, Any] = {"progressDeadlineSeconds": 60, "progressDeadlineAbort": True}
    world = World(a_rollout(steps, **spec), templates=[_template("endless", count=100, interval="10s")])
    world.run(60)
    world.set_image("v2")
    world.run(300)
    world.annotate("promote", promote)
    world.run(60)
    assert "RolloutAborted" not in world.reasons()
    assert world.status["phase"] == "Healthy"


def test_the_deadline_of_blue_green_does_not_count_an_analysis_that_was_skipped() -> None:
    """Law 20: likewise of the pods that a small preview still lacks when it is promoted in full."""
    services = {"activeService": "web-active", "previewService": "web-preview"}
    strategy = {"blueGreen": {**services, "previewReplicaCount": 1, "prePromotionAnalysis": an_analysis("endless")}}
    spec: dict[str, Any] = {"progressDeadlineSeconds": 60, "progressDeadlineAbort": True}
    world = World(a_rollout(strategy, **spec), templates=[_template("endless", count=100, interval="10s")])
    world.run(60)
    world.set_image("v2")
    world.run(300)
    world.annotate("promote", "full")
    world.run(60)
    assert "RolloutAborted" not in world.reasons()
    assert world.status["phase"] == "Healthy"


def test_lost_pods_of_a_finished_rollout_are_said_so() -> None:
    """Progressing names the loss of availability, with the reason that clients know."""
    world = World(a_rollout(canary(50)))
    world.run(60)
    world.settings = Settings(ready_after=lambda image: None)
    world.settle()
    said = _condition(world, "Progressing")
    assert (said["status"], said["reason"]) == ("True", "ReplicaSetNotAvailable")
    assert said["message"] == "Rollout does not have minimum availability"


def test_a_new_template_after_an_abort_never_looks_degraded() -> None:
    """A pipeline that waits for the new generation must not read the abort of the one before."""
    world = a_world()
    world.patch_status({"abort": True})
    world.run(60)
    seen: list[str] = []
    world.after_turn = lambda world: seen.append(world.status["phase"]) if not world.is_edited() else None
    world.set_image("v1")
    world.run(60)
    assert "Degraded" not in seen


def test_a_verb_that_comes_with_a_new_template_is_about_that_template() -> None:
    """Promotion in full, written in the same edit as the image, is not lost when the new version begins."""
    world = World(a_rollout(canary(20, pause())))
    world.run(60)
    world.set_image("v2")
    world.annotate("promote", "full")
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 10}


def test_a_pause_outlasts_a_promotion_written_with_it() -> None:
    """Both at once: the step is taken, and there the rollout holds, whatever order the annotations are read in."""
    world = a_world(20, pause(), 50, pause())
    world.annotate("pause", "pause")
    world.annotate("promote", "step")
    world.run(60)
    assert (world.status["currentStepIndex"], world.status["message"]) == (2, "manually paused")
    assert world.sizes() == {"v1": 8, "v2": 2}


def test_a_step_promoted_past_an_inconclusive_background_goes_on() -> None:
    """The background is measured again instead of holding the next step with the old verdict."""
    answers: list[Any] = [[0.9]]
    world = _with_background(answers)
    assert "InconclusiveAnalysisRun" in _pauses(world)
    answers.append([1.0])
    world.annotate("promote", "step")
    world.run(30)
    assert world.status["currentStepIndex"] == 3
    assert _pauses(world) == ["CanaryPauseStep"]


@pytest.mark.parametrize("lost", [{"stableRS": None}, None])
def test_a_lost_status_promotes_nothing(lost: Json | None) -> None:
    """A Rollout restored without its status knows its stable version by the mark on it, and takes the steps again."""
    world = a_world(20, pause(), 50, pause())
    if lost is None:
        del world.rollout["status"]
    world.patch_status(lost or {})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 2}
    assert world.status["message"] == "CanaryPauseStep"
    assert world.reasons().count("RolloutCompleted") == 1


def test_a_finished_rollout_without_its_status_stays_finished() -> None:
    """The latest of the versions that were promoted is stable; the one before stays where it is."""
    world = a_world(50)
    del world.rollout["status"]
    world.patch_status({})
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 10}
    assert world.status["phase"] == "Healthy"


def test_an_abort_outlasts_steps_that_change_with_it() -> None:
    """Law 19: a sync that edits the steps in the same moment does not set the canary going again."""
    world = a_world(20, pause())
    world.patch_status({"abort": True})
    world.edit({"spec": {"strategy": canary(40, pause())}})
    world.run(60)
    assert world.sizes() == {"v1": 10, "v2": 0}
    assert world.status["phase"] == "Degraded"


def test_a_pass_on_record_outlives_its_run() -> None:
    """Someone deletes the finished background run: what the status recorded of it still opens the gate."""
    world = _with_background([[1.0]], count=1)
    world.run(30)
    world.runs.clear()
    for _ in range(2):
        world.patch_status({"pauseConditions": None})
        world.run(60)
    assert world.status["phase"] == "Healthy"


def test_an_abort_in_the_first_second_means_nothing() -> None:
    """Before the first version is stable there is nothing to go back to, and nothing is reported as aborted."""
    world = World(a_rollout(canary(20)))
    world.patch_status({"abort": True})
    world.run(60)
    assert world.status["phase"] == "Healthy"
    assert "RolloutAborted" not in world.reasons()


def test_a_rollback_is_on_record() -> None:
    """An update that was undone by the stable template ends as FastRolledBack, on its own clock."""
    world = a_world(20, pause())
    started = world.status["duration"]["rolloutStartedAt"]
    world.set_image("v1")
    world.run(60)
    assert world.status["duration"]["completionStatus"] == "FastRolledBack"
    assert world.status["duration"]["rolloutStartedAt"] == started


def test_an_abort_stays_on_record_when_the_stable_template_comes_back() -> None:
    """Git goes back to what is running: that is no update that took no time."""
    world = a_world(20, pause())
    world.patch_status({"abort": True})
    world.run(60)
    world.set_image("v1")
    world.run(60)
    assert world.status["duration"]["completionStatus"] == "Aborted"


@pytest.mark.parametrize("steps", [(20, pause()), (20, pause(), 50)])
def test_another_hash_of_the_same_steps_brings_nothing_back(steps: tuple[int | Json, ...]) -> None:
    """Laws 24 and 25: an upgrade that hashes steps differently starts no aborted version again."""
    world = a_world(*steps)
    world.patch_status({"abort": True})
    world.run(60)
    world.patch_status({"currentStepHash": "asothershash"})
    world.run(60)
    assert world.status["phase"] == "Degraded"
    assert world.sizes() == {"v1": 10, "v2": 0}
    assert world.status["currentStepHash"] != "asothershash"


def test_steps_that_change_along_with_other_things_begin_anew() -> None:
    """New steps start from the first, also when the same write leads to other writes before."""
    world = a_world(20, pause())
    steps = [{"setWeight": 30}, {"pause": {}}, {"setWeight": 60}]
    world.edit({"metadata": {"annotations": {"team": "shop"}}, "spec": {"strategy": {"canary": {"steps": steps}}}})
    world.run(60)
    assert world.status["currentStepIndex"] == 1
    assert world.sizes()["v2"] == 3


def test_steps_that_were_invalid_for_a_while_begin_anew() -> None:
    """What was seen while a template was missing was not acted on."""
    world = a_world(20, pause())
    world.edit({"spec": {"strategy": canary(50, analysis("late"), pause())}})
    world.run(60)
    assert world.sizes()["v2"] == 2
    world.templates["late"] = _template("late")
    world.run(60)
    assert world.status["currentStepIndex"] == 2
    assert world.sizes()["v2"] == 5


def test_a_missing_template_does_not_keep_an_aborted_analysis_going() -> None:
    """Law 32: under InvalidSpec people can still abort, and nothing is measured after that."""
    world = World(
        a_rollout(canary(20, analysis("endless"))), templates=[_template("endless", count=100, interval="10s")]
    )
    world.run(60)
    world.set_image("v2")
    world.run(30)
    del world.templates["endless"]
    world.run(30)
    world.patch_status({"abort": True})
    world.run(30)
    assert [run["status"]["phase"] for run in world.runs.values()] == ["Successful"]
    assert world.sizes() == {"v1": 10, "v2": 0}


def _with_background(answers: list[Any], **fields: Any) -> World:
    metric = a_metric("rate", interval="10s", failureCondition="result[0] < 0.5", **fields)
    world = World(
        a_rollout(canary(20, pause(), 50, pause(), analysis=an_analysis("rate"))),
        templates=[a_template("rate", metric)],
        settings=Settings(reading=lambda metric, now: answers[-1]),
    )
    world.run(60)
    world.set_image("v2")
    world.run(60)
    return world


def _template(name: str, **fields: Any) -> Json:
    return a_template(name, a_metric(name, **fields))


def _pauses(world: World) -> list[str]:
    return [each["reason"] for each in world.status.get("pauseConditions", [])]


def _condition(world: World, kind: str) -> Json:
    found: Json = next(each for each in world.status["conditions"] if each["type"] == kind)
    return found
