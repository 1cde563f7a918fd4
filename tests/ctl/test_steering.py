"""What the verbs send: the patches of the public plugin, and nothing where they mean nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rollouts.api import parse
from rollouts.api.rollout import Rollout
from rollouts.ctl import connection, offers, pod_template, set_image, steering, undo
from rollouts.ctl.connection import CommandError
from rollouts.ctl.steering import Answer, Nothing, Refused, Steer
from tests.builders import NOON, Json, a_pod_template, a_rollout, an_analysis, blue_green, canary, pause
from tests.ctl.families import a_blue_green_world, a_routed_world, a_world, an_update, at_the_analysis
from tests.world import World

PAUSED = {
    "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T12:00:00Z"}],
    "controllerPause": True,
}
BETWEEN = {"observedGeneration": "1", "currentPodHash": "new", "stableRS": "old", "phase": "Progressing"}


def parsed(status: Mapping[str, Any], **spec: Any) -> Rollout:
    """A Rollout of three steps with this status."""
    raw = a_rollout(canary(20, pause(), 50), **spec) | {"status": dict(status)}
    return parse.parse_rollout(raw).value


def sent(answer: Answer) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The patches of status and spec."""
    assert isinstance(answer, Steer), answer
    return answer.status, answer.spec


def test_promote_ends_a_pause() -> None:
    """The pause's end is all that is said; the controller goes on by itself."""
    rollout = parsed({**BETWEEN, **PAUSED, "currentStepIndex": 1})
    assert sent(steering.promote(rollout)) == ({"pauseConditions": None}, {})


def test_promote_goes_on_from_any_other_step() -> None:
    """By its index; a pause by hand ends too."""
    rollout = parsed({**BETWEEN, "currentStepIndex": 0}, paused=True)
    assert sent(steering.promote(rollout)) == ({"pauseConditions": None, "currentStepIndex": 1}, {"paused": False})


def test_promote_goes_on_without_an_inconclusive_analysis() -> None:
    """The pause ends and the step is left, in one patch."""
    run = {"currentStepAnalysisRunStatus": {"name": "run", "status": "Inconclusive"}}
    rollout = parsed({**BETWEEN, **PAUSED, "currentStepIndex": 1, "canary": run})
    expected = {"pauseConditions": None, "controllerPause": False, "currentStepIndex": 2}
    assert sent(steering.promote(rollout)) == (expected, {})


def test_promote_full_skips_what_is_left() -> None:
    """Also of an aborted update."""
    rollout = parsed({**BETWEEN, "abort": True}, paused=True)
    assert sent(steering.promote(rollout, is_full=True)) == ({"promoteFull": True}, {"paused": False})


def test_a_promotion_in_full_is_asked_for_once() -> None:
    """What is left then is up to the pods."""
    rollout = parsed({**BETWEEN, "promoteFull": True})
    assert isinstance(steering.promote(rollout, is_full=True), Nothing)
    assert "promote web --full" not in [offer.words for offer in offers.offers(rollout)]


def test_a_step_can_be_skipped_alone() -> None:
    """As the public plugin's deprecated flags do it: the index and nothing else."""
    rollout = parsed({**BETWEEN, "currentStepIndex": 0})
    assert sent(steering.skip(rollout, is_all=False)) == ({"currentStepIndex": 1}, {})
    assert sent(steering.skip(rollout, is_all=True)) == ({"currentStepIndex": 3}, {})
    assert isinstance(steering.skip(parsed({**BETWEEN, "currentStepIndex": 3}), is_all=False), Nothing)


@pytest.mark.parametrize(
    ("strategy", "why"), [(blue_green(), "blue-green has no steps"), (canary(), "it has no steps to skip")]
)
def test_what_has_no_steps_skips_none(strategy: Json, why: str) -> None:
    """It says what to do instead."""
    rollout = parse.parse_rollout(a_rollout(strategy) | {"status": BETWEEN}).value
    answer = steering.skip(rollout, is_all=True)
    assert isinstance(answer, Refused)
    assert answer.why.startswith(why)


def test_a_first_version_has_nothing_to_go_back_to() -> None:
    """So there is no abort to send."""
    assert isinstance(steering.abort(parsed({**BETWEEN, "stableRS": ""})), Refused)


def test_under_an_invalid_spec_only_an_abort_is_sent_and_offered() -> None:
    """A promotion would wait in the status, and come true of something else after the correction."""
    invalid = {"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec", "message": "spec.x is wrong"}
    rollout = parsed({**BETWEEN, **PAUSED, "currentStepIndex": 1, "conditions": [invalid]})
    aborted = parsed({**BETWEEN, "abort": True, "conditions": [invalid]})
    for answer in (steering.promote(rollout), steering.promote(rollout, is_full=True), steering.retry(aborted)):
        assert answer == Refused("nothing but an abort is carried out until that is corrected: spec.x is wrong")
    assert sent(steering.abort(rollout)) == ({"abort": True}, {})
    assert [offer.words for offer in offers.offers(rollout)] == ["abort web"]


@pytest.mark.parametrize(
    ("verb", "status", "patches"),
    [
        (steering.abort, BETWEEN, ({"abort": True}, {})),
        (steering.retry, {**BETWEEN, "abort": True}, ({"abort": False}, {})),
        (steering.pause, BETWEEN, ({}, {"paused": True})),
        (steering.resume, {**BETWEEN, **PAUSED}, ({"pauseConditions": None}, {})),
    ],
)
def test_the_other_verbs_are_one_patch(
    verb: Callable[[Rollout], Answer], status: Json, patches: tuple[Json, Json]
) -> None:
    """That of the public plugin, or of Argo CD."""
    assert sent(verb(parsed(status))) == patches


def test_a_restart_names_a_moment() -> None:
    """In UTC, to the second."""
    assert sent(steering.restart(parsed(BETWEEN), at=NOON)) == ({}, {"restartAt": "2026-01-01T12:00:00Z"})


def test_nothing_is_promoted_before_the_present_spec_was_seen() -> None:
    """It would be said of the version before."""
    rollout = parsed({**BETWEEN, "observedGeneration": "0"})
    assert isinstance(steering.promote(rollout), Refused)


def test_an_abort_needs_no_answer_to_the_present_spec() -> None:
    """It is the one verb that must work while a new version is only just applied."""
    rollout = parsed({**BETWEEN, "stableRS": "new", "observedGeneration": "0"})
    assert sent(steering.abort(rollout)) == ({"abort": True}, {})


PROOF = an_analysis("success-rate")
STATES: Mapping[str, Callable[[], World]] = {
    "healthy": a_world,
    "at a pause": lambda: an_update(a_world()),
    "at an analysis": lambda: at_the_analysis(a_world()),
    "aborted": lambda: at_the_analysis(a_world(reading=0.5), seconds=300),
    "paused by hand": lambda: _paused(at_the_analysis(a_world())),
    "routed": lambda: _updated(a_routed_world(20, pause())),
    "blue-green": a_blue_green_world,
    "blue-green before its switch": lambda: _updated(a_blue_green_world(autoPromotionEnabled=False)),
    "blue-green after its switch": lambda: _updated(a_blue_green_world(postPromotionAnalysis=PROOF)),
    "blue-green aborted": lambda: _aborted(a_blue_green_world(autoPromotionEnabled=False)),
    "blue-green paused by hand": lambda: _paused(_updated(a_blue_green_world(prePromotionAnalysis=PROOF))),
}
HEALTHY = ("healthy", "blue-green")
ABORTED = ("aborted", "blue-green aborted")

VERBS: Mapping[tuple[str, str], Callable[[Rollout], Answer]] = {
    ("promote", "step"): steering.promote,
    ("promote", "full"): lambda rollout: steering.promote(rollout, is_full=True),
    ("abort", "abort"): steering.abort,
    ("retry", "retry"): steering.retry,
    ("pause", "pause"): steering.pause,
    ("resume", "resume"): steering.resume,
}


def _updated(world: World) -> World:
    """Half a minute into an update."""
    world.set_image("v2")
    world.run(30)
    return world


def _aborted(world: World) -> World:
    _updated(world).patch_status({"abort": True})
    world.run(60)
    return world


def _paused(world: World) -> World:
    world.edit({"spec": {"paused": True}})
    world.settle()
    return world


@pytest.mark.parametrize("verb", VERBS, ids="-".join)
@pytest.mark.parametrize("state", STATES)
def test_commands_and_annotations_mean_the_same(state: str, verb: tuple[str, str]) -> None:
    """What the controller would refuse as an annotation is not sent; what it would do is."""
    world = STATES[state]()
    answer = VERBS[verb](parse.parse_rollout(copy.deepcopy(world.rollout)).value)
    world.annotate(*verb)
    world.settle()
    is_refused = world.status["verbs"][-1]["outcome"] == "Refused"
    assert isinstance(answer, Steer) != is_refused


@pytest.mark.parametrize("state", STATES)
def test_what_is_offered_moves_something(state: str) -> None:
    """Every offer, typed, would be sent; a healthy Rollout is offered nothing."""
    rollout = parse.parse_rollout(STATES[state]().rollout).value
    names = [offer.words for offer in offers.offers(rollout)]
    assert bool(names) == (state not in HEALTHY)
    assert ("retry web" in names) == (state in ABORTED)
    assert ("abort web" in names) == (state not in (*HEALTHY, *ABORTED))


@pytest.mark.parametrize("words", [["web"], ["rollout", "web"], ["ro/web"], ["rollouts.argoproj.io", "web"]])
def test_a_rollout_is_named_as_kubectl_and_the_plugin_do(words: list[str]) -> None:
    """Alone, after its kind, or with its kind and a slash."""
    assert connection.name_in(words) == "web"


@pytest.mark.parametrize("words", [[], ["web", "shop"], ["rollout/"]])
def test_one_rollout_at_a_time(words: list[str]) -> None:
    """Anything else is an error that says so."""
    with pytest.raises(CommandError, match="name one Rollout"):
        connection.name_in(words)


def test_images_are_set_by_container() -> None:
    """`*` means all; a container that is not there is an error with those that are."""
    template = a_pod_template("v1")
    assert pod_template.with_images(template, {"*": "v2"})["spec"]["containers"][0]["image"] == "v2"
    assert template["spec"]["containers"][0]["image"] == "v1"
    with pytest.raises(CommandError, match="there is web"):
        pod_template.with_images(template, {"db": "v2"})


def test_set_image_reads_the_name_and_the_pairs() -> None:
    """In any order; without a pair it says how."""
    assert set_image.read(["web", "a=x:1", "b=y:2"]) == ("web", {"a": "x:1", "b": "y:2"})
    with pytest.raises(CommandError, match="as in"):
        set_image.read(["web"])


def a_set(revision: int) -> Json:
    """A ReplicaSet of a revision."""
    return {"metadata": {"name": f"web-{revision}", "annotations": {"rollout.argoproj.io/revision": str(revision)}}}


def test_undo_takes_the_revision_before_the_latest() -> None:
    """Or the one that is named; what is not there is an error with those that are."""
    sets = [a_set(7), a_set(9), a_set(2)]
    assert undo.choose(sets, revision=0) == a_set(7)
    assert undo.choose(sets, revision=2) == a_set(2)
    with pytest.raises(CommandError, match="there are: 9, 7, 2"):
        undo.choose(sets, revision=3)
    with pytest.raises(CommandError, match="no earlier revision"):
        undo.choose([a_set(1)], revision=0)


def test_undo_takes_away_what_the_controller_put_in() -> None:
    """The label that tells versions apart, and what pods wear for their part: the template is the author's again."""
    marked = a_pod_template()
    marked["metadata"]["labels"] |= {"rollouts-pod-template-hash": "abc", "role": "canary"}
    note = {"rollout.argoproj.io/ephemeral-metadata": '{"labels":{"role":"canary"}}'}
    replica_set = {"metadata": {"annotations": note}, "spec": {"template": marked}}
    assert pod_template.authored(replica_set) == a_pod_template()
    assert pod_template.authored({**replica_set, "metadata": {}})["metadata"]["labels"]["role"] == "canary"


def test_the_template_of_a_referenced_workload_is_changed_there() -> None:
    """A Deployment's; a kind that has none is an error."""
    rollout = a_rollout(workloadRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"})
    assert pod_template.holder_path(rollout) == "/apis/apps/v1/namespaces/shop/deployments/web"
    with pytest.raises(CommandError, match=r"spec\.workloadRef must name one of .* not apps/v1 DaemonSet 'web'"):
        pod_template.holder_path(a_rollout(workloadRef={"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web"}))


def test_nothing_to_do_says_why() -> None:
    """Each in a sentence."""
    promoted = parsed({**BETWEEN, "stableRS": "new", "currentStepIndex": 3})
    for answer in (steering.promote(promoted), steering.abort(promoted), steering.retry(promoted)):
        assert isinstance(answer, Nothing)
        assert answer.why
