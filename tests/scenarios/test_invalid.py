"""What still happens to an update whose spec cannot be acted on any more, as claims: one short play each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import Json, a_metric, a_pod_template, a_rollout, a_template, analysis, canary, pause
from tests.cluster import Settings
from tests.world import World

STEPS = (20, pause(), 50, pause())
NAMELESS: Json = {**a_pod_template("v3"), "spec": {"containers": [{"image": "v3"}]}}
BROKEN: dict[str, Json] = {
    "deadline": {"progressDeadlineSeconds": 5, "minReadySeconds": 10},
    "template": {"template": NAMELESS},
    "weight": {"strategy": canary(500, pause())},
    "no surge": {"strategy": canary(*STEPS, maxSurge=0, maxUnavailable=0)},
    "step without a kind": {"strategy": canary(20, {}, pause())},
    "step of a later version": {"strategy": canary(20, {"plugin": {"name": "a"}})},
    "missing template": {"strategy": canary(20, analysis("late"), pause())},
    "missing template of a new version": {"strategy": canary(20, analysis("late")), "template": a_pod_template("v3")},
}
UNCERTAIN: dict[str, Json] = {
    "no strategy": {"strategy": {"canary": None}},
    "blue-green": {"strategy": {"canary": None, "blueGreen": {"activeService": "web"}}},
    "replicas": {"replicas": -1},
    "selector": {"selector": {"matchLabels": {"app": "web", "tier": "a b"}}},
}
by_case = pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())


def broken_by(spec: Json, **routing: Any) -> World:
    """A world in which v2 waits at 20 % for a person, after an edit that makes the spec invalid."""
    world = World(a_rollout(canary(*STEPS, **routing)))
    world.run(60)
    world.set_image("v2")
    world.run(60)
    world.edit({"spec": spec})
    world.run(60)
    assert world.status["phase"] == "Degraded"
    return world


@by_case
def test_a_broken_spec_moves_nothing(broken: Json) -> None:
    """The version under way stays at its weight, and what people may expect is said."""
    world = broken_by(broken)
    assert world.sizes() == {"v1": 8, "v2": 2}
    assert world.status["currentStepIndex"] == 1
    assert _words(world).endswith("; nothing new begins until that is corrected, abort goes back to stable")


@by_case
def test_a_broken_spec_is_no_bar_to_an_abort(broken: Json) -> None:
    """Law 19: at three in the morning a canary can be given up, by annotation as by the clients' patch."""
    by_patch, by_hand = broken_by(broken), broken_by(broken)
    by_patch.patch_status({"abort": True})
    by_hand.annotate("abort", "abort 5xx on /pay")
    for world in (by_patch, by_hand):
        world.run(60)
        assert world.sizes() == {"v1": 10, "v2": 0}
        assert world.status["message"].startswith("InvalidSpec: ")
        assert "stable serves everything" in _words(world)
        assert "rollouts.io/abort" not in world.rollout["metadata"]["annotations"]
    assert by_hand.status["verbs"][0]["outcome"] == "Done"


def test_a_correction_does_not_bring_back_what_was_aborted() -> None:
    """Law 24: the version given up meanwhile stays given up."""
    world = broken_by(BROKEN["deadline"])
    world.annotate("abort", "abort")
    world.run(60)
    world.edit({"spec": {"progressDeadlineSeconds": 600, "minReadySeconds": 0}})
    world.run(60)
    assert world.status["phase"] == "Degraded"
    assert world.status["message"].startswith("RolloutAborted: ")
    assert world.sizes() == {"v1": 10, "v2": 0}


def test_a_corrected_template_begins_from_the_first_step() -> None:
    """Law 17: what was said of the version before is void for the new one."""
    world = broken_by(BROKEN["template"])
    world.annotate("abort", "abort")
    world.run(60)
    world.set_image("v3")
    world.edit({"spec": {"template": a_pod_template("v3")}})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 0, "v3": 2}
    assert world.status["message"] == "CanaryPauseStep"


@pytest.mark.parametrize("broken", UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_where_pods_alone_do_not_decide_nothing_moves(broken: Json) -> None:
    """Law 1: under a strategy that is not carried out no pod is taken away, and who asks reads why."""
    world = broken_by(broken)
    world.annotate("abort", "abort")
    world.patch_status({"promoteFull": True})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 2}
    (record,) = world.status["verbs"]
    assert record["outcome"] == "Refused"
    assert record["message"].startswith("the spec is invalid: spec.")
    assert "rollouts.io/abort" not in world.rollout["metadata"]["annotations"]


@pytest.mark.parametrize(("verb", "value"), [("promote", "full"), ("promote", "step"), ("resume", "resume")])
def test_nothing_but_an_abort_is_carried_out(verb: str, value: str) -> None:
    """Which version a promotion would be about is not certain: by hand it is refused with the reason."""
    world = broken_by(BROKEN["template"])
    world.annotate(verb, value)
    world.run(60)
    assert world.status["verbs"][0]["outcome"] == "Refused"
    assert "the spec is invalid: spec.template" in world.status["verbs"][0]["message"]
    assert world.sizes() == {"v1": 8, "v2": 2}


def test_a_promotion_by_patch_waits_for_the_correction() -> None:
    """`kubectl argo rollouts promote --full` cannot be refused; it is carried out when the spec makes sense."""
    world = broken_by(BROKEN["deadline"])
    world.patch_status({"promoteFull": True})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 2}
    world.edit({"spec": {"progressDeadlineSeconds": 600, "minReadySeconds": 0}})
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 10}


def test_a_retry_by_patch_waits_for_the_correction() -> None:
    """`kubectl argo rollouts retry` brings no canary back under a spec that makes no sense."""
    world = broken_by(BROKEN["deadline"])
    world.patch_status({"abort": True})
    world.run(60)
    world.patch_status({"abort": False})
    world.run(60)
    assert world.sizes() == {"v1": 10, "v2": 0}
    world.edit({"spec": {"progressDeadlineSeconds": 600, "minReadySeconds": 0}})
    world.run(60)
    assert world.sizes() == {"v1": 8, "v2": 2}


def test_a_guarded_value_from_git_waits_for_the_correction() -> None:
    """A refusal would be remembered for ever, so an applied value is neither refused nor lost."""
    world = broken_by(BROKEN["deadline"])
    world.annotate("promote", "step@1", is_applied=True)
    world.run(60)
    assert "verbs" not in world.status
    world.edit({"spec": {"progressDeadlineSeconds": 600, "minReadySeconds": 0}})
    world.run(60)
    assert world.status["currentStepIndex"] == 3


@pytest.mark.parametrize("broken", [BROKEN["deadline"], BROKEN["template"]])
def test_replicas_are_followed_under_a_broken_spec(broken: Json) -> None:
    """Law 6: an autoscaler that asks for more pods gets them, at the weight of the step."""
    world = broken_by(broken)
    world.edit({"spec": {"replicas": 20}})
    world.run(60)
    assert world.sizes() == {"v1": 16, "v2": 4}
    assert world.status["HPAReplicas"] == 20


def test_a_finished_rollout_is_scaled_whatever_became_of_its_steps() -> None:
    """All pods are of one version, so its size is certain; but it is not called healthy."""
    world = World(a_rollout(canary(*STEPS)))
    world.run(60)
    world.edit({"spec": {**BROKEN["weight"], "replicas": 12}})
    world.run(60)
    assert world.sizes() == {"v1": 12}
    assert _condition(world, "Healthy")["status"] == "False"
    world.edit({"spec": {"strategy": canary(*STEPS)}})
    world.run(60)
    assert (world.status["phase"], _condition(world, "Healthy")["status"]) == ("Healthy", "True")


def test_a_failed_analysis_aborts_under_a_broken_spec() -> None:
    """The run goes on measuring while the spec is broken; its verdict is not left lying about."""
    answers: list[Any] = [[1.0]]
    metric = a_metric("rate", interval="10s", count=100)
    world = World(
        a_rollout(canary(20, analysis("rate"))),
        templates=[a_template("rate", metric)],
        settings=Settings(reading=lambda metric, now: answers[-1]),
    )
    world.run(60)
    world.set_image("v2")
    world.run(60)
    world.edit({"spec": BROKEN["deadline"]})
    world.run(30)
    answers.append([0.1])
    world.run(30)
    assert world.sizes() == {"v1": 10, "v2": 0}
    assert "RolloutAborted" in world.reasons()


def test_before_anything_was_acted_on_a_verb_reads_why() -> None:
    """A first spec that is invalid has nothing to abort: the annotation goes, with the reason."""
    world = World(a_rollout(canary(500)))
    world.annotate("abort", "abort")
    world.run(60)
    assert world.status["verbs"][0]["message"].startswith("the spec is invalid: spec.strategy.steps[0].setWeight")
    assert world.reasons().count("VerbRefused") == 1


def _condition(world: World, kind: str) -> Json:
    found: Json = next(each for each in world.status["conditions"] if each["type"] == kind)
    return found


def _words(world: World) -> str:
    return str(_condition(world, "Stalled")["message"])
