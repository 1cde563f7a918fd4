"""Random plays: a random Rollout, random events, and a controller that loses writes, crashes, and sees late.

One number (hypothesis' choice sequence) decides everything, so a failing play is replayed by its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis
from tests.cluster import Crash, Settings, Unreachable
from tests.laws.watch import Aborts, Capacity, Pauses, Proof, Truth
from tests.world import World

READY_AFTER: Mapping[str, int | None] = {"v1": 5, "v2": 5, "slow": 90, "broken": None, "v3": 1, "last": 5}
ANSWERS: tuple[Any, ...] = ([1.0], [1.0], [1.0], [0.9], [0.5], [], [float("nan")], "nonsense", RuntimeError("refused"))

Draw = Callable[[st.SearchStrategy[Any]], Any]

counts = st.integers(0, 12)
amounts = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))
STEPS = st.one_of(
    st.integers(0, 100).map(lambda weight: {"setWeight": weight}),
    st.sampled_from([{"pause": {}}, {"pause": {"duration": 30}}, {"pause": {"duration": "1m"}}]),
    st.sampled_from(["once", "thrice"]).map(lambda name: {"analysis": an_analysis(name)}),
)


@st.composite
def strategies(draw: st.DrawFn) -> Json:
    """A valid canary without traffic routing."""
    canary: Json = {"steps": draw(st.lists(STEPS, max_size=5))}
    surge, unavailable = draw(amounts), draw(amounts)
    if str(surge).rstrip("%") != "0" or str(unavailable).rstrip("%") != "0":
        canary |= {"maxSurge": surge, "maxUnavailable": unavailable}
    if draw(st.booleans()):
        canary["analysis"] = an_analysis("endless")
        if canary["steps"] and draw(st.booleans()):
            canary["analysis"]["startingStep"] = draw(st.integers(0, len(canary["steps"]) + 2))
    return {"canary": canary}


@st.composite
def rollouts(draw: st.DrawFn) -> Json:
    """A valid Rollout."""
    spec: Json = {"progressDeadlineSeconds": draw(st.sampled_from([20, 60, 600]))}
    if draw(st.booleans()):
        spec["progressDeadlineAbort"] = draw(st.booleans())
    if draw(st.booleans()):
        spec["rollbackWindow"] = {"revisions": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        spec["revisionHistoryLimit"] = draw(st.integers(0, 2))
    return a_rollout(draw(strategies()), image="v1", replicas=draw(counts), **spec)


TEMPLATES = (
    a_template("once", a_metric("once", success="result[0] >= 0.95", failureCondition="result[0] < 0.8")),
    a_template("thrice", a_metric("thrice", count=3, interval="10s")),
    a_template("endless", a_metric("endless", interval="20s", failureLimit=1)),
)


@dataclass
class Play:
    """A world with watchers in it and trouble on its way."""

    world: World
    troubles: list[str] = field(default_factory=list)
    """What befalls the next writes, in order: "", "lost", "crash"."""
    laggards: list[tuple[str, ...]] = field(default_factory=list)
    """Which caches stay behind in the next turns."""

    def __post_init__(self) -> None:
        self.capacity, self.proof = Capacity(self.world), Proof(self.world)
        self.pauses, self.aborts, self.truth = Pauses(self.world), Aborts(self.world), Truth(self.world)
        self.world.before_scale = self._before_scale
        self.world.before_write = self._before_write
        self.world.after_turn = self._after_turn

    def _before_scale(self, name: str, replicas: int) -> None:
        self.capacity.check(name, replicas)
        self.aborts.check(name, replicas)

    def _before_write(self, what: str) -> None:
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "lost":
            raise Unreachable(what)
        if trouble == "crash":
            raise Crash(what)

    def _after_turn(self, world: World) -> None:
        self.proof.check()
        self.pauses.check()

    def rest(self) -> None:
        """Let the controller come to rest, however often it dies on the way."""
        while True:
            try:
                self.world.settle(late=self.laggards)
            except Crash:
                self.world.forget_memory()
                continue
            break
        self.truth.check()

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        while True:
            try:
                self.world.run(seconds)
            except Crash:
                self.world.forget_memory()
                continue
            break
        self.rest()


def begin(rollout: Json, answer: Callable[[str, datetime], Any]) -> Play:
    """A play that is about to start."""
    settings = Settings(ready_after=lambda image: READY_AFTER[image], reading=answer)
    return Play(World(rollout, templates=TEMPLATES, settings=settings))


VERBS = {
    "promote": ("step", "full"),
    "abort": ("abort",),
    "retry": ("retry",),
    "pause": ("pause",),
    "resume": ("resume",),
    "restart": ("restart",),
}


def happen(play: Play, draw: Draw) -> None:
    """One random event from outside."""
    kind = draw(st.sampled_from(["image", "replicas", "verb", "applied", "patch", "spec", "touch", "delete", "wait"]))
    play.pauses.forget()
    match kind:
        case "image":
            play.world.set_image(draw(st.sampled_from(["v1", "v2", "slow", "broken", "v3"])))
        case "replicas":
            play.world.edit({"spec": {"replicas": draw(counts)}})
        case "verb":
            _verb(play, draw)
        case "applied":
            _applied(play, draw)
        case "patch":
            _patch(play, draw)
        case "spec":
            _spec(play, draw)
        case "touch":
            play.world.edit({"metadata": {"labels": {"touched": str(draw(st.integers(0, 3)))}}})
        case "delete":
            _delete(play, draw)
        case _:
            pass


def _verb(play: Play, draw: Draw) -> None:
    verb = draw(st.sampled_from(sorted(VERBS)))
    keyword = draw(st.sampled_from(VERBS[verb]))
    _waive(play, keyword)
    play.world.annotate(verb, keyword)


def _applied(play: Play, draw: Draw) -> None:
    """What Git sends: with a guard, without one, and again."""
    status = play.world.status
    verb, keyword = draw(st.sampled_from([("abort", "abort"), ("promote", "full"), ("promote", "step")]))
    meant = status.get("currentStepIndex" if keyword == "step" else "currentPodHash", "")
    guard = draw(st.sampled_from(["", "@", f"@{meant}", "@other"]))
    if guard not in ("", "@", "@other"):
        _waive(play, keyword)
    play.world.annotate(verb, keyword + guard, is_applied=True)


def _spec(play: Play, draw: Draw) -> None:
    """Other changes of the spec in mid-update."""
    change: Json = draw(st.sampled_from([{"paused": True}, {"paused": False}, {"minReadySeconds": 3}, {"steps": True}]))
    if "steps" in change:
        change = {"strategy": {"canary": {"steps": draw(st.lists(STEPS, max_size=4))}}}
        play.proof.forget(play.world.status.get("currentPodHash", ""))
    play.world.edit({"spec": change})


def _patch(play: Play, draw: Draw) -> None:
    """What the public kubectl plugin sends."""
    index = play.world.status.get("currentStepIndex")
    patches: list[Json] = [{"abort": True}, {"abort": False}, {"promoteFull": True}, {"pauseConditions": None}]
    if index is not None:
        patches.append({"pauseConditions": None, "currentStepIndex": index + 1})
    patch = draw(st.sampled_from(patches))
    _waive(play, "full" if "promoteFull" in patch else "step" if "currentStepIndex" in patch else "")
    play.world.patch_status(patch)


def _waive(play: Play, keyword: str) -> None:
    if keyword == "full":
        play.proof.waive()
    if keyword == "step":
        play.proof.skip()


def _delete(play: Play, draw: Draw) -> None:
    if not play.world.runs:
        return
    name = draw(st.sampled_from(sorted(play.world.runs)))
    if draw(st.booleans()):
        play.world.terminate(name)
    else:
        play.world.runs.pop(name)
