"""The laws on random blue-green rollouts over all options: whatever happens, is lost, dies or is seen late."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.core import actions as act
from rollouts.core.decide import decide
from rollouts.core.observed import Unreadable
from tests.builders import Json, a_rollout, an_analysis, blue_green
from tests.laws.plays import ANSWERS, TROUBLES, VERBS, Draw, counts
from tests.laws.switch_plays import SwitchPlay

TROUBLE = st.lists(st.sampled_from(TROUBLES), max_size=12)
LATE = st.lists(
    st.sampled_from([(), (), ("rollout",), ("replica_sets",), ("services",), ("runs",), ("services", "replica_sets")]),
    max_size=12,
)
PRE, POST = "prePromotionAnalysis", "postPromotionAnalysis"
OPTIONS: dict[str, list[Any]] = {
    "autoPromotionEnabled": [True, False],
    "autoPromotionSeconds": [0, 20],
    "previewReplicaCount": [0, 1, 3],
    "scaleDownDelaySeconds": [0, 10, 60],
    "scaleDownDelayRevisionLimit": [0, 1],
    "abortScaleDownDelaySeconds": [0, 5, 40],
    "maxUnavailable": [0, 1, "50%"],
    PRE: [an_analysis("once"), an_analysis("thrice")],
    POST: [an_analysis("once"), an_analysis("thrice")],
}
EVENTS = (
    "image",
    "image",
    "replicas",
    "verb",
    "verb",
    "verb",
    "applied",
    "patch",
    "spec",
    "touch",
    "delete",
    "service",
)
IMAGES = ["v1", "v2", "slow", "broken", "v3"]


@st.composite
def rollouts(draw: st.DrawFn) -> Json:
    """A valid blue-green Rollout."""
    options = {name: draw(st.sampled_from(values)) for name, values in OPTIONS.items() if draw(st.booleans())}
    strategy = blue_green(**options)
    if draw(st.integers(0, 3)) == 0:
        del strategy["blueGreen"]["previewService"]
    spec: Json = {"progressDeadlineSeconds": 60, "progressDeadlineAbort": draw(st.booleans())}
    if draw(st.booleans()):
        spec["rollbackWindow"] = {"revisions": 2}
    if draw(st.booleans()):
        spec["revisionHistoryLimit"] = draw(st.integers(1, 2))
    return a_rollout(strategy, image="v1", replicas=draw(st.sampled_from([3, 1, 8, 2, 12, 0])), **spec)


def happen(play: SwitchPlay, draw: Draw) -> None:
    """One random event from outside."""
    kind, world = draw(st.sampled_from(EVENTS)), play.world
    play.play.pauses.forget()
    match kind:
        case "image":
            world.set_image(draw(st.sampled_from(IMAGES)))
        case "replicas":
            world.edit({"spec": {"replicas": draw(counts)}})
        case "verb":
            verb = draw(st.sampled_from(sorted(VERBS)))
            _ask(play, verb, draw(st.sampled_from(VERBS[verb])))
        case "applied":
            keyword = draw(st.sampled_from(["full", "step"]))
            meant = world.status.get("currentPodHash", "")
            _ask(play, "promote", f"{keyword}@{draw(st.sampled_from([meant, 'other', '']))}", is_applied=True)
        case "patch":
            _patch(play, draw)
        case "spec":
            _spec(play, draw)
        case "touch":
            world.edit({"metadata": {"labels": {"touched": str(draw(st.integers(0, 3)))}}})
        case "delete":
            if world.runs:
                world.runs.pop(draw(st.sampled_from(sorted(world.runs))))
        case _:
            _lead_astray(play, draw)


def _ask(play: SwitchPlay, verb: str, value: str, *, is_applied: bool = False) -> None:
    if value.startswith("full"):
        play.way.waive()
    if verb in ("resume", "promote"):
        play.way.resume()
    play.world.annotate(verb, value, is_applied=is_applied)


def _patch(play: SwitchPlay, draw: Draw) -> None:
    """What the public kubectl plugin sends."""
    patch = draw(st.sampled_from([{"abort": True}, {"abort": False}, {"promoteFull": True}, {"pauseConditions": None}]))
    if "promoteFull" in patch:
        play.way.waive()
    if "pauseConditions" in patch:
        play.way.resume()
    play.world.patch_status(patch)


def _spec(play: SwitchPlay, draw: Draw) -> None:
    changes: list[Json] = [
        {"paused": True},
        {"paused": False},
        {"minReadySeconds": 3},
        {"strategy": {"blueGreen": {"previewReplicaCount": 2}}},
        {"strategy": {"blueGreen": {"previewReplicaCount": None}}},
        {"strategy": {"blueGreen": {PRE: an_analysis("once")}}},
        {"strategy": {"blueGreen": {POST: None}}},
    ]
    play.world.edit({"spec": draw(st.sampled_from(changes))})


def _lead_astray(play: SwitchPlay, draw: Draw) -> None:
    """Somebody applies the Service as it is in Git: without a version."""
    name = draw(st.sampled_from(sorted(play.world.services)))
    play.world.apply_service(name)


@given(st.data())
def test_users_reach_what_carries_them(data: st.DataObject) -> None:
    """Laws 1, 8, 9, 12, 14, 19, 22, 24, 28 and 33 on every write and turn; and it always comes to rest."""
    answers: list[Any] = [[1.0]]
    play = SwitchPlay(data.draw(rollouts(), label="rollout"), answers)
    _begin(play, data)
    for _ in range(data.draw(st.integers(2, 8), label="events")):
        answers.append(data.draw(st.sampled_from(ANSWERS), label="answer"))
        happen(play, data.draw)
        play.play.troubles += data.draw(TROUBLE, label="troubles")
        play.play.laggards += data.draw(LATE, label="late")
        play.rest()
        play.wait(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))


@given(st.data())
def test_the_way_back_is_carried(data: st.DataObject) -> None:
    """Laws 1, 9 and 19 where users reach the new version and stable is not what it was: scaled up, slow, led astray."""
    rollout = data.draw(rollouts(), label="rollout")
    rollout["spec"]["replicas"] = data.draw(st.sampled_from([4, 2, 1, 7]))
    rollout["spec"]["template"]["spec"]["containers"][0]["image"] = data.draw(st.sampled_from(["slow", "v1"]))
    rollout["spec"]["strategy"]["blueGreen"] |= {POST: an_analysis("thrice"), "autoPromotionEnabled": True}
    rollout["spec"]["strategy"]["blueGreen"].pop(PRE, None)
    answers: list[Any] = [[1.0]]
    play = SwitchPlay(rollout, answers)
    play.wait(200)
    play.world.set_image(data.draw(st.sampled_from(["v2", "v3", "slow"])))
    play.wait(data.draw(st.sampled_from([6, 12, 26, 0])))
    for _ in range(data.draw(st.integers(2, 6), label="events")):
        _shake(play, data.draw, answers)
        play.play.laggards += data.draw(st.lists(st.sampled_from([(), ("services",), ("rollout",)]), max_size=6))
        play.play.pauses.forget()
        play.wait(data.draw(st.sampled_from([0, 1, 4, 12, 31, 45])))


def _shake(play: SwitchPlay, draw: Draw, answers: list[Any]) -> None:
    """Something happens to a version that users have just come to, or to the one before it."""
    match draw(st.sampled_from(["scale", "abort", "scale", "fail", "lose", "astray", "retry", "image"])):
        case "scale":
            play.world.edit({"spec": {"replicas": draw(st.sampled_from([8, 3, 12, 1, 0]))}})
        case "abort":
            play.world.patch_status({"abort": True})
        case "fail":
            answers.append([0.1])
        case "astray":
            _lead_astray(play, draw)
        case "retry":
            answers.append([1.0])
            play.world.patch_status({"abort": False})
        case "image":
            play.world.set_image(draw(st.sampled_from(IMAGES)))
        case _:
            play.world.lose_pods(draw(st.sampled_from(sorted(play.world.replica_sets))))


@given(st.data())
def test_nothing_wedges(data: st.DataObject) -> None:
    """From any state, a good version, a person who resumes, and time lead to users reaching that version."""
    answers: list[Any] = [data.draw(st.sampled_from(ANSWERS), label="answer")]
    play = SwitchPlay(data.draw(rollouts(), label="rollout"), answers)
    _begin(play, data)
    for _ in range(data.draw(st.integers(1, 5), label="events")):
        happen(play, data.draw)
        play.play.troubles += data.draw(TROUBLE, label="troubles")
        play.wait(data.draw(st.sampled_from([0, 10, 45]), label="seconds"))
    answers.append([1.0])
    play.play.troubles.clear()
    play.world.edit({"spec": {"paused": False}})
    play.world.set_image("last")
    for _ in range(2):
        play.wait(120)
        play.play.pauses.forget()
        play.way.resume()
        play.world.patch_status({"pauseConditions": None})
    play.wait(600)
    assert play.world.status["phase"] == "Healthy", play.world.status
    assert play.world.status.get("restartedAt") == play.world.rollout["spec"].get("restartAt")
    wanted = play.world.rollout["spec"]["replicas"]
    sizes = play.world.sizes()
    assert sizes.pop("last") == wanted
    assert not any(sizes.values()), "earlier versions are still up"


@given(st.data())
def test_rest_means_no_writes(data: st.DataObject) -> None:
    """Laws 13 and 22: at rest a turn writes nothing, not even after a restart of the controller."""
    play = _played(data)
    writes = play.world.writes
    play.world.forget_memory()
    play.world.turn()
    assert play.world.writes == writes


@given(st.data())
def test_applying_the_manifest_again_changes_nothing(data: st.DataObject) -> None:
    """Law 25: the user's own fields, written once more at any moment, lead to no write of ours."""
    play = _played(data)
    spec, writes = copy.deepcopy(play.world.rollout["spec"]), play.world.writes
    play.world.edit({"spec": {"template": spec["template"], "strategy": spec["strategy"]}})
    play.rest()
    assert play.world.writes == writes


@given(st.data())
def test_a_change_of_replicas_moves_nothing_else(data: st.DataObject) -> None:
    """Laws 6 and 7: at an open pause, scaling changes no revision, verdict, pause or Service."""
    rollout = data.draw(rollouts())
    rollout["spec"]["strategy"]["blueGreen"]["autoPromotionEnabled"] = False
    play = SwitchPlay(rollout, [[1.0]])
    play.wait(20)
    play.world.set_image("v2")
    play.wait(60)
    kept = ("currentPodHash", "stableRS", "pauseConditions", "abort", "promoteFull", "blueGreen")
    before, services = {key: play.world.status.get(key) for key in kept}, copy.deepcopy(play.world.services)
    for _ in range(3):
        play.world.edit({"spec": {"replicas": data.draw(st.integers(0, 30))}})
        play.wait(data.draw(st.sampled_from([0, 3, 20])))
    assert {key: play.world.status.get(key) for key in kept} == before
    assert play.world.services == services


@given(st.data())
def test_services_that_cannot_be_read_move_nothing(data: st.DataObject) -> None:
    """Law 23: with whom users reach unknown, nothing is scaled, led, started, promoted or aborted."""
    play = _played(data)
    seen, unknown = play.world.seen(), Unreadable(why="away")
    blind = dataclasses.replace(seen, services=dict.fromkeys(seen.services, unknown))
    plan = decide(blind, now=play.world.now)
    moving = (act.ScaleReplicaSet, act.PatchService, act.CreateAnalysisRun, act.TerminateAnalysisRun)
    assert not [action for action in plan.actions if isinstance(action, moving)]
    before, after = seen.rollout.status, plan.status
    assert (after.abort, after.stable_rs, after.blue_green) == (before.abort, before.stable_rs, before.blue_green)


def _begin(play: SwitchPlay, data: st.DataObject) -> None:
    """The first version serves, and the next one is on its way."""
    play.wait(20)
    play.world.set_image(data.draw(st.sampled_from(["v2", "v3", "slow", "broken"]), label="image"))
    play.wait(data.draw(st.sampled_from([6, 26, 3, 0, 60]), label="seconds"))


def _played(data: st.DataObject) -> SwitchPlay:
    """A play at rest after some random events."""
    play = SwitchPlay(data.draw(rollouts(), label="rollout"), [[1.0]])
    _begin(play, data)
    for _ in range(data.draw(st.integers(0, 4), label="events")):
        happen(play, data.draw)
        play.wait(data.draw(st.sampled_from([0, 10, 45]), label="seconds"))
    play.world.sight.deliver()
    return play
