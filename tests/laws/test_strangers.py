"""Every law in plays whose steps run Experiments and plugins, which fail, hang back, answer nonsense and are lost."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.ports import StepAnswer, StepCall, StepPhase
from tests.builders import Json
from tests.laws.plays import STEPS, TROUBLES, Play, begin, happen, rollouts
from tests.laws.strangers import Others

PLUGIN_STEPS = st.sampled_from([{"plugin": {"name": "change", "config": number}} for number in (1, 2)])
EXPERIMENT: Json = {
    "templates": [{"name": "new", "specRef": "canary"}, {"name": "old", "specRef": "stable"}],
    "analyses": [{"name": "compare", "templateName": "once"}],
}
OTHERS = st.one_of(PLUGIN_STEPS, PLUGIN_STEPS, st.just({"experiment": EXPERIMENT}))
SAID: tuple[Any, ...] = ("Running", "Running", "Successful", "Successful", "Failed", RuntimeError("no route"), None)
COURSES = ("Successful", "Successful", "Failed", "Error", "Inconclusive", "Running")
TROUBLE = st.lists(st.sampled_from(TROUBLES), max_size=10)
LATE = st.lists(st.sampled_from([(), (), ("rollout",), ("experiments",), ("replica_sets",), ("pods",)]), max_size=10)


class Strangers:
    """A play with others in it: what they say next is drawn as it goes."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        rollout = data.draw(rollouts(), label="rollout")
        canary = rollout["spec"]["strategy"]["canary"]
        canary["steps"] = data.draw(st.lists(st.one_of(OTHERS, OTHERS, STEPS), min_size=1, max_size=4), label="steps")
        self.play: Play = begin(rollout, lambda metric, now: [1.0])
        self.said: Any = "Successful"
        world = self.play.world
        course = {5: "Running", 20: data.draw(st.sampled_from(COURSES), label="course")}
        world.settings = dataclasses.replace(world.settings, plugin=self._plugin, experiment=course)
        self.others = Others(world, self.play.proof)
        check, befall = world.after_turn, world.before_write

        def after_turn(_: Any) -> None:
            self.others.check()
            check(world)

        def before_write(what: str) -> None:
            self.others.look()
            befall(what)

        world.after_turn, world.before_write = after_turn, before_write

    def happen(self) -> None:
        """Something happens, here or outside."""
        self.said = self._draw(st.sampled_from(SAID), label="said")
        steps = self.play.world.rollout["spec"]["strategy"]["canary"]["steps"]
        kind = self._draw(st.sampled_from(["event", "event", "event", "end", "delete"]), label="kind")
        if kind == "event":
            happen(self.play, self._draw)
        elif self.play.world.experiments:
            name = self._draw(st.sampled_from(sorted(self.play.world.experiments)))
            if kind == "end":
                self.play.world.terminate_experiment(name)
            else:
                self.play.world.experiments.pop(name)
                self.play.words.told.clear()
        if self.play.world.rollout["spec"]["strategy"]["canary"]["steps"] != steps:
            self.others.forget()

    def rest(self, seconds: int) -> None:
        self.play.wait(seconds)
        self.others.rest()

    def _plugin(self, call: StepCall, asked: int) -> StepAnswer:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said and StepAnswer(phase=StepPhase(self.said))


@given(st.data())
def test_laws_hold_in_plays_with_strangers(data: st.DataObject) -> None:
    """Proof, aborts, capacity and truth; and what was begun with others is ended with them."""
    strangers = Strangers(data)
    strangers.rest(20)
    for _ in range(data.draw(st.integers(1, 7), label="events")):
        strangers.happen()
        strangers.play.troubles += data.draw(TROUBLE, label="troubles")
        strangers.play.laggards += data.draw(LATE, label="late")
        strangers.play.rest()
        strangers.rest(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))


@given(st.data())
def test_strangers_wedge_nothing(data: st.DataObject) -> None:
    """From any state, a good version, strangers who answer, people and time lead to it serving everything."""
    strangers = Strangers(data)
    strangers.rest(20)
    for _ in range(data.draw(st.integers(1, 4), label="events")):
        strangers.happen()
        strangers.play.troubles += data.draw(TROUBLE, label="troubles")
        strangers.rest(data.draw(st.sampled_from([0, 10, 45]), label="seconds"))
    strangers.said = "Successful"
    play, world = strangers.play, strangers.play.world
    world.settings = dataclasses.replace(world.settings, experiment={5: "Running", 20: "Successful"})
    play.troubles.clear()
    world.edit({"spec": {"paused": False}})
    world.set_image("last")
    for _ in range(len(world.rollout["spec"]["strategy"]["canary"]["steps"]) + 1):
        strangers.rest(120)
        play.pauses.forget()
        world.patch_status({"pauseConditions": None})
    strangers.rest(300)
    assert world.status["phase"] == "Healthy", world.status
    assert world.sizes()["last"] == world.rollout["spec"]["replicas"]
