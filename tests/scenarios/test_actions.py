"""The patches that Argo CD's actions and the public kubectl plugin send, in every state of an update.

A change of status and spec arrives as two writes, status first, with a turn in between.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import pytest

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, canary, pause
from tests.cluster import Settings
from tests.world import World

ACTIONS: Mapping[str, tuple[Json, Json]] = {
    "abort": ({"abort": True}, {}),
    "retry of Argo CD": ({"abort": None}, {}),
    "retry of the plugin": ({"abort": False}, {}),
    "pause": ({}, {"paused": True}),
    "resume": ({"pauseConditions": None}, {"paused": False}),
    "promote full": ({"promoteFull": True}, {"paused": False}),
    "restart": ({}, {"restartAt": "2026-01-01T12:02:00Z"}),
}


def healthy(world: World) -> None:
    """v1 serves."""


def at_weight(world: World) -> None:
    """v2's pods are on their way."""
    world.set_image("v2")
    world.run(1)


def at_pause(world: World) -> None:
    """v2 waits for a person."""
    world.set_image("v2")
    world.run(30)


def paused_by_hand(world: World) -> None:
    """v2 waits for a person, and spec.paused is set."""
    at_pause(world)
    world.edit({"spec": {"paused": True}})
    world.run(1)


def aborted(world: World) -> None:
    """v2 was given up."""
    at_pause(world)
    world.patch_status({"abort": True})
    world.run(30)


def inconclusive(world: World) -> None:
    """v2's background analysis proved nothing."""
    world.settings = Settings(reading=lambda metric, now: [0.9])
    at_pause(world)


STATES: tuple[Callable[[World], None], ...] = (healthy, at_weight, at_pause, paused_by_hand, aborted, inconclusive)


def a_world(state: Callable[[World], None]) -> World:
    """A world in this state."""
    metric = a_metric("rate", interval="20s", failureCondition="result[0] < 0.5")
    strategy = canary(20, pause(), 50, pause(), analysis=an_analysis("rate"))
    world = World(a_rollout(strategy), templates=[a_template("rate", metric)])
    world.run(60)
    state(world)
    return world


def act(world: World, action: str) -> None:
    """Send an action's writes."""
    status, spec = ACTIONS[action]
    if status:
        world.patch_status(copy.deepcopy(status))
        world.settle()
    if spec:
        world.edit({"spec": copy.deepcopy(spec)})
    world.run(5)


def where(world: World) -> Json:
    """Where an update stands."""
    status = world.status
    kept = ("phase", "currentStepIndex", "abort", "promoteFull", "controllerPause", "stableRS", "restartedAt")
    pauses = [each["reason"] for each in status.get("pauseConditions", [])]
    return {"pauses": pauses, "sizes": world.sizes(), **{key: status.get(key) for key in kept}}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_double_click_is_a_click(state: Callable[[World], None], action: str) -> None:
    """Every action, sent once more at once, leads where sending it once leads."""
    once, twice = a_world(state), a_world(state)
    status, _ = ACTIONS[action]
    if status:
        twice.patch_status(copy.deepcopy(status))
    act(once, action)
    act(twice, action)
    assert where(once) == where(twice)


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        (healthy, "abort", {"phase": "Healthy", "abort": None}),
        (healthy, "promote full", {"phase": "Healthy", "promoteFull": None}),
        (healthy, "resume", {"phase": "Healthy"}),
        (healthy, "pause", {"phase": "Paused"}),
        (at_weight, "abort", {"phase": "Degraded", "currentStepIndex": 0}),
        (at_weight, "pause", {"phase": "Paused", "currentStepIndex": 0}),
        (at_weight, "promote full", {"currentStepIndex": 4}),
        (at_pause, "abort", {"phase": "Degraded", "pauses": [], "controllerPause": None}),
        (at_pause, "resume", {"phase": "Paused", "currentStepIndex": 3}),
        (at_pause, "pause", {"phase": "Paused", "currentStepIndex": 1, "pauses": ["CanaryPauseStep"]}),
        (at_pause, "retry of the plugin", {"phase": "Paused", "currentStepIndex": 1}),
        (paused_by_hand, "resume", {"phase": "Paused", "currentStepIndex": 3}),
        (paused_by_hand, "abort", {"phase": "Degraded", "pauses": [], "sizes": {"v1": 10, "v2": 0}}),
        (aborted, "abort", {"phase": "Degraded", "currentStepIndex": 0}),
        (aborted, "retry of Argo CD", {"phase": "Paused", "currentStepIndex": 1, "abort": None}),
        (aborted, "retry of the plugin", {"phase": "Paused", "currentStepIndex": 1, "abort": None}),
        (aborted, "promote full", {"currentStepIndex": 4, "abort": None}),
        (aborted, "resume", {"phase": "Degraded", "currentStepIndex": 0}),
        (inconclusive, "abort", {"phase": "Degraded", "pauses": []}),
        (inconclusive, "promote full", {"currentStepIndex": 4, "pauses": []}),
    ],
)
def test_what_an_action_leads_to(state: Callable[[World], None], action: str, expected: Json) -> None:
    """The table that clients rely on."""
    world = a_world(state)
    act(world, action)
    assert {key: where(world)[key] for key in expected} == expected


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_restart_is_completed_in_every_state(state: Callable[[World], None]) -> None:
    """Old pods are evicted wherever the update stands; no version changes by it, and its end is on record."""
    world = a_world(state)
    before = where(world)["stableRS"], world.status["currentPodHash"]
    world.edit({"spec": {"restartAt": "2026-01-01T12:02:00Z"}})
    world.run(600)
    assert world.status["restartedAt"] == "2026-01-01T12:02:00Z"
    assert (where(world)["stableRS"], world.status["currentPodHash"]) == before


def test_skipping_the_last_step_completes_the_update() -> None:
    """The index that the skip action sends may be the number of steps."""
    world = a_world(at_pause)
    world.patch_status({"currentStepIndex": 4, "pauseConditions": None})
    world.run(60)
    assert world.status["phase"] == "Healthy"
    assert world.sizes() == {"v1": 0, "v2": 10}


def test_what_people_add_to_a_status_breaks_nothing() -> None:
    """Unknown members, reasons and malformed conditions are no reason to stop."""
    world = a_world(at_pause)
    lunch = {"reason": "Lunch", "startTime": "2026-01-01T12:00:00Z"}
    world.patch_status({"note": {"to": "self"}, "conditions": [{"reason": "typo"}], "pauseConditions": [lunch]})
    world.run(60)
    assert world.status["phase"] == "Paused"
