"""What may happen to any Rollout from outside, drawn from dice: people, the spec, pods, Services, routers and writes.

The play is any of a canary or of blue-green; whoever throws the dice decides everything, so that the same dice tell the
same story.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests import junctions
from tests.builders import Json
from tests.laws.plays import ANSWERS, TROUBLES, VERBS, Play
from tests.laws.switch_plays import SwitchPlay
from tests.world import World

T = TypeVar("T")
Dice = random.Random

AnyPlay = Play | SwitchPlay
LATE: Sequence[tuple[str, ...]] = (
    (),
    (),
    (),
    ("rollout",),
    ("replica_sets",),
    ("services",),
    ("routes",),
    ("runs",),
    ("pods",),
    ("services", "routes"),
)
INVALID: Json = {"minReadySeconds": 90}


@dataclass
class Outside:
    """One play, the dice, and what its metrics answer from now on."""

    play: AnyPlay
    answers: list[Any]
    dice: Dice

    @property
    def world(self) -> World:
        """The world of the play."""
        return self.play.world

    @property
    def canary_play(self) -> Play:
        """The play that holds the troubles, and the watchers that every strategy has."""
        return self.play.play if isinstance(self.play, SwitchPlay) else self.play

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return self.dice.choice(options)

    def happen(self) -> str:
        """One event, and what befalls the writes and caches after it; returns what it was."""
        self.answers.append(self.pick(ANSWERS))
        self.canary_play.pauses.forget()
        self.canary_play.words.told.clear()
        kind = self.pick(sorted(EVENTS))
        late = [self.pick(LATE) for _ in range(self.dice.randrange(12))]
        troubles = [self.pick(TROUBLES) for _ in range(self.dice.randrange(12))]
        EVENTS[kind](self)
        self.canary_play.troubles += troubles
        if kind not in BY_HAND:  # nobody can guard against what was changed a moment ago and is not seen yet
            self.canary_play.laggards += late
        return kind

    def calm(self) -> None:
        """Nothing fails any more, nobody holds anything, and what was broken by hand is as its users want it."""
        world = self.world
        self.answers.append([1.0])
        self.canary_play.troubles.clear()
        self.canary_play.laggards.clear()
        world.edit({"spec": {"paused": False, "minReadySeconds": None}})
        for route in world.routes.values():
            world.alter(route, {"unknown": None})
        for name in self.names:
            if name not in world.services:
                world.new_service(name)

    @property
    def names(self) -> list[str]:
        """The Services of the strategy."""
        (strategy,) = self.world.rollout["spec"]["strategy"].values()
        members = ("canaryService", "stableService", "activeService", "previewService")
        return sorted(
            [strategy[name] for name in members if name in strategy] + [*strategy.get("pingPong", {}).values()]
        )

    def waive(self, keyword: str) -> None:
        """A person takes what is not proven upon themselves."""
        if isinstance(self.play, SwitchPlay):
            if keyword == "full":
                self.play.way.waive()
            self.play.way.resume()
        elif keyword == "full":
            self.play.proof.waive()
        elif keyword == "step":
            self.play.proof.skip()


def _verb(out: Outside) -> None:
    verb = out.pick(sorted(VERBS))
    keyword = out.pick(VERBS[verb])
    if verb in ("promote", "resume"):
        out.waive(keyword)
    out.world.annotate(verb, keyword)


def _patch(out: Outside) -> None:
    """What the public kubectl plugin sends."""
    patches: list[Json] = [{"abort": True}, {"abort": False}, {"promoteFull": True}, {"pauseConditions": None}]
    patch = out.pick(patches)
    if "promoteFull" in patch or "pauseConditions" in patch:
        out.waive("full" if "promoteFull" in patch else "")
    out.world.patch_status(patch)


def _scale(out: Outside) -> None:
    out.canary_play.holds.resize()
    out.world.edit({"spec": {"replicas": out.pick((0, 1, 2, 3, 7, 12))}})


def _lead_astray(out: Outside) -> None:
    """Somebody applies a Service as it is in Git, points it elsewhere, or deletes it."""
    if not out.world.services:
        return
    name = out.pick(sorted(out.world.services))
    versions = [raw["metadata"]["labels"]["rollouts-pod-template-hash"] for raw in out.world.replica_sets.values()]
    change = out.pick(("git", "git", "turn", "delete"))
    if change == "delete":
        del out.world.services[name]
    else:
        out.world.apply_service(name, out.pick(versions) if change == "turn" else None)


def _reweigh(out: Outside) -> None:
    """Somebody writes another weight, or what is none, into a router's object."""
    for route in out.world.routes.values():
        split, most = route["spec"].get("split"), route["spec"].get("max")
        weight = out.pick((0, 5, 10))
        if junctions.is_junction(route):
            text = out.pick((str(weight), "junk"))
            annotations = {f"{junctions.PREFIX}canary-weight": text}
            for name in [name for name in route["spec"]["ingresses"] if name.endswith("-canary")]:
                out.world.alter(route, {"ingresses": {name: {"metadata": {"annotations": annotations}}}})
        elif split and len(split) == 2:
            one, other = sorted(split)
            part = min(weight, most)
            out.world.alter(route, {"split": {one: {"weight": part}, other: {"weight": most - part}}})


def _hide(out: Outside) -> None:
    """A router can be read no more, or again."""
    for name in out.world.routes:
        out.world.alter(out.world.routes[name], {"unknown": out.pick(("it is away", None))})


def _lose_pods(out: Outside) -> None:
    out.world.lose_pods(out.pick(sorted(out.world.replica_sets)))


def _image(out: Outside) -> None:
    out.world.set_image(out.pick(("v1", "v2", "slow", "broken", "v3")))


def _hold(out: Outside) -> None:
    out.world.edit({"spec": {"paused": out.pick((True, False))}})


def _invalidate(out: Outside) -> None:
    """An edit that makes no sense, or its correction."""
    out.world.edit({"spec": out.pick((INVALID, {"minReadySeconds": 3}, {"minReadySeconds": None}))})


def _end_runs(out: Outside) -> None:
    if out.world.runs:
        name = out.pick(sorted(out.world.runs))
        out.world.terminate(name) if out.pick((True, False)) else out.world.runs.pop(name)


def _nothing(out: Outside) -> None:
    """Time passes."""


EVENTS: Mapping[str, Callable[[Outside], None]] = {
    "image": _image,
    "another image": _image,
    "scale": _scale,
    "verb": _verb,
    "another verb": _verb,
    "patch": _patch,
    "hold": _hold,
    "invalid": _invalidate,
    "pods": _lose_pods,
    "services": _lead_astray,
    "weights": _reweigh,
    "unknown": _hide,
    "runs": _end_runs,
    "nothing": _nothing,
}
BY_HAND = frozenset({"services", "weights"})
