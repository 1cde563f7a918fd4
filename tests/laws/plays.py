"""Random plays: a random Rollout, random events, and a controller that loses writes, crashes, and sees late.

One number (hypothesis' choice sequence) decides everything, so a failing play is replayed by its seed. What the laws
say is in watch.py (before a write), moves.py (after a turn) and ends.py (at rest).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis
from tests.cluster import Crash, Settings, Unreachable
from tests.laws.carrying import Carrying
from tests.laws.ends import Deadline, Rest, Truth
from tests.laws.moves import Moves, Words
from tests.laws.watch import Aborts, Capacity, Deletions, Holds, Pauses, Proof, Runs
from tests.world import World

READY_AFTER: Mapping[str, int | None] = {"v1": 5, "v2": 5, "slow": 90, "broken": None, "v3": 1, "last": 5}
ANSWERS: tuple[Any, ...] = ([1.0], [1.0], [1.0], [0.9], [0.5], [], [float("nan")], "nonsense", RuntimeError("refused"))

TROUBLES = ("", "", "lost", "crash", "done, then lost", "done, then crash")
OFF_THE_SECOND = 400  # milliseconds; stored times are whole seconds, the world's are not

Draw = Callable[[st.SearchStrategy[Any]], Any]

counts = st.integers(0, 12)
AMOUNT = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))
TOGETHER_NONE = st.sampled_from([(0, "10%"), (0, "25%"), ("0%", "10%")])
"""maxSurge and maxUnavailable that leave no room by themselves when there are few pods."""
LIMITS = st.one_of(st.tuples(AMOUNT, AMOUNT), st.tuples(AMOUNT, AMOUNT), TOGETHER_NONE)
STEPS = st.one_of(
    st.integers(0, 100).map(lambda weight: {"setWeight": weight}),
    st.sampled_from([{"pause": {}}, {"pause": {"duration": 30}}, {"pause": {"duration": "1m"}}]),
    st.sampled_from(["once", "thrice"]).map(lambda name: {"analysis": an_analysis(name)}),
)


@st.composite
def strategies(draw: st.DrawFn) -> Json:
    """A valid canary without traffic routing."""
    canary: Json = {"steps": draw(st.lists(STEPS, max_size=5))}
    surge, unavailable = draw(LIMITS)
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
    """What befalls the next writes, in order: one of TROUBLES."""
    laggards: list[tuple[str, ...]] = field(default_factory=list)
    """Which caches stay behind in the next turns."""

    def __post_init__(self) -> None:
        world = self.world
        self.capacity = Carrying(world) if world.routes else Capacity(world)
        self.holds, self.deletions = Holds(world), Deletions(world)
        self.proof, self.pauses, self.aborts, self.runs = Proof(world), Pauses(world), Aborts(world), Runs(world)
        self.moves, self.words = Moves(world, self.proof), Words(world)
        self.deadline, self.truth, self.over = Deadline(world), Truth(world), Rest(world)
        self._unanswered = ""
        world.before_scale = self._before_scale
        world.before_traffic = self._before_traffic
        world.before_write = self._before_write
        world.after_write = self._after_write
        world.after_turn = self._after_turn

    def _before_scale(self, name: str, replicas: int) -> None:
        self.capacity.check(name, replicas)
        self.aborts.check(name, replicas)
        self.holds.check(name, replicas)

    def _before_traffic(self, services: Mapping[str, Json], routes: Mapping[str, Json]) -> None:
        if isinstance(self.capacity, Carrying):
            self.capacity.before_traffic(services, routes)

    def _before_write(self, what: str) -> None:
        kind, _, name = what.partition(" ")
        if kind == "delete":
            self.deletions.check(name)
        if kind == "evict":
            self.capacity.evict()
        self.befall(what)

    def befall(self, what: str) -> None:
        """The next trouble comes to this write."""
        trouble = self.troubles.pop(0) if self.troubles else ""
        self._unanswered = trouble if trouble.startswith("done") else ""
        if trouble == "lost":
            raise Unreachable(what)
        if trouble == "crash":
            raise Crash(what)

    def _after_write(self, what: str) -> None:
        if self._unanswered == "done, then lost":
            raise Unreachable(what)
        if self._unanswered == "done, then crash":
            raise Crash(what)

    def _after_turn(self, world: World) -> None:
        self.proof.check()
        self.moves.check()
        self.words.check()
        self.pauses.check()
        self.runs.check()
        self.deadline.look()

    def rest(self) -> None:
        """Let the controller come to rest, however often it dies on the way."""
        self._survive(lambda: self.world.settle(late=self.laggards))
        self.truth.check()
        self.over.check()
        self.capacity.rest()
        self.holds.settle()

    def wait(self, seconds: int) -> None:
        """Let time pass; after that, laws 12 and 22: a turn that nothing asked for has nothing to do."""
        end = self.world.now + timedelta(seconds=seconds)
        self._survive(lambda: self.world.run((end - self.world.now).total_seconds()))
        writes = self.world.writes
        self.rest()
        assert self.world.writes == writes, f"law 12: nothing asked for a turn at {self.world.now}"
        self.deadline.check()

    def _survive(self, go: Callable[[], None]) -> None:
        """Start a new controller whenever the old one dies."""
        while True:
            try:
                return go()
            except Crash:
                self.moves.check()
                self.words.told.clear()
                self.world.forget_memory()
            except AssertionError:
                note(self.world.told())
                raise


def begin(
    rollout: Json,
    answer: Callable[[str, datetime], Any],
    *,
    workload: Json | None = None,
    is_real: bool = False,
) -> Play:
    """A play that is about to start; `is_real`: its router is Ingress-NGINX', its routes are Ingresses."""
    settings = Settings(ready_after=lambda image: READY_AFTER[image], reading=answer)
    play = Play(World(rollout, templates=TEMPLATES, settings=settings, workload=workload, has_ingresses=is_real))
    play.world.now += timedelta(milliseconds=OFF_THE_SECOND)
    return play


VERBS = {
    "promote": ("step", "full"),
    "abort": ("abort",),
    "retry": ("retry",),
    "pause": ("pause",),
    "resume": ("resume",),
    "restart": ("restart",),
}


KINDS = ("image", "image", "replicas", "verb", "verb", "applied", "patch", "spec", "touch", "delete", "squat", "wait")


def happen(play: Play, draw: Draw) -> None:
    """One random event from outside."""
    kind = draw(st.sampled_from(KINDS))
    play.pauses.forget()
    match kind:
        case "image":
            play.world.set_image(draw(st.sampled_from(["v1", "v2", "slow", "broken", "v3"])))
        case "replicas":
            play.holds.resize()
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
        case "squat":
            _squat(play, draw)
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
    play.words.told.clear()  # a run that is made again is told of again
    if draw(st.booleans()):
        play.world.terminate(name)
    else:
        play.world.runs.pop(name)


def _squat(play: Play, draw: Draw) -> None:
    """A run of somebody else holds a name that this Rollout may want: it was deleted and made again, say."""
    version, number = play.world.status.get("currentPodHash", ""), len(play.world.replica_sets)
    gate = draw(st.sampled_from(["", "-0", "-1", ".1"]))
    phase = draw(st.sampled_from(["Successful", "Failed", "Running"]))
    play.world.put_run(f"web-{version}-{number}{gate}", phase=phase)
