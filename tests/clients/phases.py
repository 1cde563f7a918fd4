"""Rollouts of every strategy in every phase in which people steer them: v2 on top of v1, played to that phase."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, analysis, blue_green, canary, pause
from tests.cluster import Settings
from tests.world import World

REPLICAS = 4
STEPS: tuple[int | Json, ...] = (25, pause(), analysis("smoke"), 50, pause())
ROUTED: Json = {
    "canaryService": "web-canary",
    "stableService": "web-stable",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
}
STRATEGIES: Mapping[str, Json] = {
    "canary": canary(*STEPS),
    "routed": canary(*STEPS, **ROUTED),
    "dynamic": canary(*STEPS, dynamicStableScale=True, **ROUTED),
    "blue-green": blue_green(
        autoPromotionEnabled=False,
        prePromotionAnalysis=an_analysis("smoke"),
        postPromotionAnalysis=an_analysis("smoke"),
    ),
}
SMOKE = a_template(
    "smoke", a_metric("smoke", count=3, interval="10s", failureCondition="result[0] < 0.5", inconclusiveLimit=0)
)
GOOD, UNCLEAR = [1.0], [0.8]

Play = Callable[[World], None]


def begun(strategy: str, *, answers: list[Any] | None = None) -> World:
    """A Rollout in its first second; the last of `answers` is what is read."""
    said = [GOOD] if answers is None else answers
    settings = Settings(ready_after=lambda image: None if image == "broken" else 5, reading=lambda *_: said[-1])
    return World(a_rollout(STRATEGIES[strategy], replicas=REPLICAS), templates=[SMOKE], settings=settings)


def _first(world: World) -> None:
    world.settle()


def _healthy(world: World) -> None:
    world.run(60)


def _moving(world: World) -> None:
    _healthy(world)
    world.set_image("v2")
    world.settle()


def _held(world: World) -> None:
    """At the first place that waits for people: the pause step, or the pause before the switch."""
    _moving(world)
    world.run(60)


def _measured(world: World) -> None:
    """While an analysis runs: that of a step, or that before the switch."""
    _moving(world)
    if "canary" in world.rollout["spec"]["strategy"]:
        world.run(60)
        world.patch_status({"pauseConditions": None})
        world.run(2)
    else:
        world.run(6)


def _unclear(world: World) -> None:
    _measured(world)
    world.run(120)


def _by_hand(world: World) -> None:
    _held(world)
    world.edit({"spec": {"paused": True}})
    world.settle()


def _aborted(world: World) -> None:
    _held(world)
    world.patch_status({"abort": True})
    world.run(60)


def _stuck(world: World) -> None:
    """At a version whose pods never come up."""
    _healthy(world)
    world.set_image("broken")
    world.run(60)


def _retrying(world: World) -> None:
    _aborted(world)
    world.patch_status({"abort": False})
    world.settle()


def _late(world: World) -> None:
    """At the last place that waits: the pause after the last weight, or the analysis after the switch."""
    _held(world)
    world.patch_status({"pauseConditions": None})
    world.run(60 if "canary" in world.rollout["spec"]["strategy"] else 2)


def _finished(world: World) -> None:
    _held(world)
    world.patch_status({"promoteFull": True})
    world.run(120)


PLAYS: Mapping[str, Play] = {
    "first deploy": _first,
    "healthy": _healthy,
    "moving": _moving,
    "paused": _held,
    "measured": _measured,
    "inconclusive": _unclear,
    "paused by hand": _by_hand,
    "late": _late,
    "stuck": _stuck,
    "aborted": _aborted,
    "retrying": _retrying,
    "finished": _finished,
}
UNDER_WAY = ("moving", "paused", "measured", "inconclusive", "paused by hand", "late", "stuck", "retrying")
"""Phases in which there is an update to steer."""
PHASES = [(strategy, phase) for strategy in STRATEGIES for phase in PLAYS]
STEERABLE = [(strategy, phase) for strategy, phase in PHASES if strategy != "dynamic"]
every_phase = pytest.mark.parametrize(("strategy", "phase"), PHASES, ids=lambda word: str(word).replace(" ", "-"))
every_steerable = pytest.mark.parametrize(
    ("strategy", "phase"), STEERABLE, ids=lambda word: str(word).replace(" ", "-")
)
"""Where it makes no difference whether stable shrinks with the canary's growth."""


def a_world(strategy: str, phase: str) -> World:
    """A Rollout of this strategy in this phase; played once, copied for everyone."""
    return copy.deepcopy(_played(strategy, phase))


@cache
def _played(strategy: str, phase: str) -> World:
    answers: list[Any] = [UNCLEAR if phase == "inconclusive" else GOOD]
    world = begun(strategy, answers=answers)
    PLAYS[phase](world)
    answers.append(GOOD)
    return world
