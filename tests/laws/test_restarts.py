"""Laws about what a restart, a repetition or an unreadable cluster may change: nothing but the time it takes."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.core.decide import decide
from rollouts.core.observed import Unreadable
from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis
from tests.cluster import Settings
from tests.laws.plays import TEMPLATES, TROUBLES, VERBS, Play, begin, happen, rollouts
from tests.world import World

FREE = ("conditions", "duration", "abortedAt", "message", "pauseConditions")
"""Members of a status that hold times, or words with times in them."""


def outcome(world: World) -> Json:
    """What a play came to, without the times at which it did."""
    status = {key: value for key, value in world.status.items() if key not in FREE}
    status["conditions"] = sorted((each["type"], each["status"]) for each in world.status["conditions"])
    status["pauses"] = [each["reason"] for each in world.status.get("pauseConditions", [])]
    status["runs"] = {name: run["status"].get("phase") for name, run in world.runs.items()}
    status["sizes"] = world.sizes()
    return status


def a_story(rollout: Json, image: str, answer: Any, troubles: list[str]) -> World:
    """An update, begun and left to itself for a long time, with troubles on the first writes."""
    play = begin(rollout, lambda metric, now: answer)
    play.wait(60)
    play.troubles += troubles
    play.world.set_image(image)
    play.wait(1500)
    return play.world


@given(rollouts(), st.sampled_from(["v2", "slow", "broken"]), st.sampled_from([[1.0], [0.9], [0.5]]), st.data())
def test_a_crash_changes_no_outcome(rollout: Json, image: str, answer: Any, data: st.DataObject) -> None:
    """Law 13: with a crash or a lost write at any point an update comes to the same end as without."""
    troubles = data.draw(st.lists(st.sampled_from(TROUBLES), max_size=20))
    assert outcome(a_story(rollout, image, answer, troubles)) == outcome(a_story(rollout, image, answer, []))


@given(st.data())
def test_time_alone_wakes_what_time_alone_ends(data: st.DataObject) -> None:
    """Law 12: when time stops only where a turn asked to come back, nothing is left undone, however long it takes."""
    play = _played(data, events=4)
    play.wait(1500)  # the turn that nobody asked for, at the end of it, must find nothing to do


@given(st.data())
def test_a_verb_twice_is_a_verb_once(data: st.DataObject) -> None:
    """Law 18: the same verb again, by hand or by the plugin's patch, leads nowhere else than the first."""
    play = _played(data, events=3)
    verb = data.draw(st.sampled_from(sorted(set(VERBS) - {"promote", "restart"})))
    _ask(play, verb, verb)
    first = outcome(play.world)
    for _ in range(2):
        _ask(play, verb, verb)
    again = outcome(play.world)
    assert {**again, "verbs": 0} == {**first, "verbs": 0}


@given(st.data())
def test_a_guarded_value_acts_once(data: st.DataObject) -> None:
    """Law 18: what stays in Git is carried out once; applied again and again, at rest, it changes nothing."""
    play = _played(data, events=3)
    status = play.world.status
    value = data.draw(st.sampled_from([f"step@{status.get('currentStepIndex')}", f"full@{status['currentPodHash']}"]))
    play.proof.waive()
    for index in range(6):
        play.proof.skipped.add((status["currentPodHash"], index))
    play.world.annotate("promote", value, is_applied=True)
    play.wait(600)
    first = outcome(play.world)
    play.world.annotate("promote", value, is_applied=True)
    play.rest()
    assert outcome(play.world) == first
    assert [record["value"] for record in play.world.status.get("verbs", [])].count(value) <= 1


@given(st.data())
def test_applying_the_manifest_again_changes_nothing(data: st.DataObject) -> None:
    """Law 25: the user's own fields, written once more at any moment, lead to no write of ours."""
    play = _played(data, events=3)
    spec = copy.deepcopy(play.world.rollout["spec"])
    writes = play.world.writes
    play.world.edit({"spec": {"template": spec["template"], "strategy": spec["strategy"]}})
    play.rest()
    assert play.world.writes == writes


@given(st.data())
def test_what_cannot_be_read_moves_nothing(data: st.DataObject) -> None:
    """Law 23: with runs and templates unreadable no step is left, nothing is promoted, aborted or started."""
    play = _played(data, events=4, patience=(0, 3, 10))
    world = play.world
    world.sight.deliver()
    seen, unknown = world.seen(), Unreadable(why="away")
    blind = dataclasses.replace(seen, analysis_runs=unknown, templates=dict.fromkeys(seen.templates, unknown))
    plan = decide(blind, now=world.now)
    before, after = seen.rollout.status, plan.status
    assert not [action for action in plan.actions if "AnalysisRun" in type(action).__name__]
    assert after.abort == before.abort
    assert after.stable_rs == before.stable_rs
    step = _step_at(world, before.current_step_index)
    if "analysis" in step and before.current_pod_hash == after.current_pod_hash:
        assert after.current_step_index == before.current_step_index or _has_passed(before)


def _has_passed(status: Any) -> bool:
    ref = status.canary.current_step_analysis_run_status
    return ref is not None and ref.status == "Successful"


def _step_at(world: World, index: int | None) -> Json:
    steps = world.rollout["spec"]["strategy"]["canary"]["steps"]
    return steps[index] if index is not None and index < len(steps) else {}


@given(st.data())
def test_nothing_of_the_old_version_reaches_the_new_one(data: st.DataObject) -> None:
    """Law 17: whatever happened to v2, a v3 that replaces it tells the story it would tell alone."""
    rollout = data.draw(rollouts())
    rollout["spec"].pop("rollbackWindow", None)
    rollout["spec"]["progressDeadlineSeconds"] = 600
    play = begin(rollout, lambda metric, now: [1.0])
    play.wait(60)
    play.world.set_image(data.draw(st.sampled_from(["v2", "broken", "slow"])))
    for _ in range(data.draw(st.integers(1, 3))):
        _patch_or_verb(play, data)
        play.wait(data.draw(st.sampled_from([0, 10, 100])))
    if play.world.status["stableRS"] == play.world.status["currentPodHash"]:
        return
    play.world.set_image("last")
    play.world.edit({"spec": {"paused": False}})
    play.wait(1500)
    alone = begin(rollout, lambda metric, now: [1.0])
    alone.wait(60)
    alone.world.set_image("last")
    alone.wait(1500)
    compared = ("phase", "currentStepIndex", "abort", "promoteFull", "pauses", "stableRS", "currentPodHash")
    ours, theirs = outcome(play.world), outcome(alone.world)
    assert {key: ours.get(key) for key in compared} == {key: theirs.get(key) for key in compared}


@given(st.data())
def test_a_deleted_rollout_is_left_alone(data: st.DataObject) -> None:
    """Law 26: from the moment of its deletion nothing of a Rollout is written, scaled or held."""
    play = _played(data, events=3)
    play.world.rollout["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    play.world.set_image("v3")
    play.world.sight.deliver()
    plan = decide(play.world.seen(), now=play.world.now)
    assert (plan.actions, plan.requeue_at, plan.notes) == ((), None, ())
    assert plan.status == play.world.seen().rollout.status


def test_a_finished_run_is_measured_no_more() -> None:
    """Law 32: after an abort not one query is sent, and the verdict on record stays."""
    asked: list[str] = []

    def answer(metric: str, now: Any) -> Any:
        asked.append(metric)
        return [0.1]

    metric = a_metric("rate", interval="10s", failureCondition="result[0] < 0.5", failureLimit=1)
    strategy = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}], "analysis": an_analysis("rate")}}
    world = World(
        a_rollout(strategy), templates=[*TEMPLATES, a_template("rate", metric)], settings=Settings(reading=answer)
    )
    world.run(60)
    world.set_image("v2")
    world.run(60)
    assert world.status["phase"] == "Degraded"
    sent = len(asked)
    world.run(3600)
    assert len(asked) == sent == 2


def _played(data: st.DataObject, *, events: int, patience: tuple[int, ...] = (0, 10, 45)) -> Play:
    """A play after some random events."""
    play = begin(data.draw(rollouts(), label="rollout"), lambda metric, now: [1.0])
    play.wait(20)
    for _ in range(data.draw(st.integers(0, events), label="events")):
        happen(play, data.draw)
        play.wait(data.draw(st.sampled_from(patience), label="seconds"))
    return play


def _patch_or_verb(play: Play, data: st.DataObject) -> None:
    play.pauses.forget()
    patches: list[Json] = [{"abort": True}, {"abort": False}, {"pauseConditions": None}, {}]
    patch = data.draw(st.sampled_from(patches))
    if patch:
        play.world.patch_status(patch)
    else:
        play.world.annotate(data.draw(st.sampled_from(["abort", "retry", "pause", "resume"])), "true")


def _ask(play: Play, verb: str, value: str) -> None:
    play.pauses.forget()
    play.world.annotate(verb, value)
    play.rest()
