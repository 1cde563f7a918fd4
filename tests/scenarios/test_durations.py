"""How long an update took and how it ended, for every way to end: `status.duration`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import Json, a_rollout, blue_green, canary, pause
from tests.world import World


def updating(strategy: Json | None = None, **spec: Any) -> World:
    """A world in which v2 waits in its pause, 30 seconds after it was asked for."""
    world = World(a_rollout(strategy or canary(50, pause(), 75), replicas=4, **spec))
    world.run(60)
    world.set_image("v2")
    world.run(30)
    return world


def resume(world: World) -> None:
    """A person goes on from the pause."""
    world.patch_status({"pauseConditions": None})


def hurry(world: World) -> None:
    """A person promotes in full."""
    world.patch_status({"promoteFull": True})


def give_up(world: World) -> None:
    """A person aborts."""
    world.patch_status({"abort": True})


def go_back(world: World) -> None:
    """The stable template comes back."""
    world.set_image("v1")


@pytest.mark.parametrize(
    ("way", "outcome"),
    [(resume, "Promoted"), (hurry, "FastPromoted"), (give_up, "Aborted"), (go_back, "FastRolledBack")],
)
@pytest.mark.parametrize("strategy", [canary(50, pause(), 75), blue_green(autoPromotionEnabled=False)])
def test_every_end_has_its_name(strategy: Json, way: Callable[[World], None], outcome: str) -> None:
    """The clock of the update that ends so, from the moment it was asked for."""
    world = updating(strategy)
    way(world)
    world.run(120)
    duration = world.status["duration"]
    assert duration["completionStatus"] == outcome
    assert duration["rolloutStartedAt"] == "2026-01-01T12:01:00Z"
    assert duration["finishedAt"] > "2026-01-01T12:01:29Z"


def test_a_first_deploy_is_promoted() -> None:
    """When it is whole, not when its pods are asked for."""
    world = World(a_rollout(canary(50), replicas=4))
    world.run(60)
    duration = world.status["duration"]
    assert (duration["completionStatus"], duration["finishedAt"]) == ("Promoted", "2026-01-01T12:00:05Z")


def test_a_return_to_an_older_version_ends_the_update_on_its_clock() -> None:
    """From v3 in mid-update to v1, which takes the steps: RolledBack, from the beginning of v3."""
    world = updating(canary(50, pause(5), 75))
    world.run(60)
    world.set_image("v3")
    world.run(6)
    world.set_image("v1")
    world.run(120)
    duration = world.status["duration"]
    assert duration["completionStatus"] == "RolledBack"
    assert duration["rolloutStartedAt"] == "2026-01-01T12:02:30Z"


def test_the_next_version_has_a_clock_of_its_own() -> None:
    """What it replaces is superseded: told by a metric, since the status has room for one clock."""
    world = updating()
    world.set_image("v3")
    world.run(10)
    duration = world.status["duration"]
    assert duration["rolloutStartedAt"] == "2026-01-01T12:01:30Z"
    assert "completionStatus" not in duration


def test_new_steps_start_the_clock_anew() -> None:
    """They start the version anew."""
    world = updating()
    world.edit({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}}})
    world.run(10)
    assert world.status["duration"]["rolloutStartedAt"] == "2026-01-01T12:01:30Z"


def test_new_steps_of_a_finished_rollout_start_no_clock() -> None:
    """Nothing is under way."""
    world = updating(canary(50))
    world.run(60)
    before = world.status["duration"]
    world.edit({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 25}]}}}})
    world.run(10)
    assert world.status["duration"] == before


def test_a_retry_starts_the_clock_anew() -> None:
    """What was given up keeps its end until somebody tries again."""
    world = updating()
    give_up(world)
    world.run(30)
    world.patch_status({"abort": False})
    world.run(10)
    duration = world.status["duration"]
    assert duration["rolloutStartedAt"] == "2026-01-01T12:02:00Z"
    assert "finishedAt" not in duration


@pytest.mark.parametrize(
    ("strategy", "seconds"),
    [
        (canary(50, pause(), 75), 55),
        (canary(50, pause(30), 75), 0),
        (blue_green(autoPromotionEnabled=False), 55),
        (blue_green(autoPromotionSeconds=30), 0),
    ],
)
def test_time_spent_waiting_for_people_is_counted_apart(strategy: Json, seconds: int) -> None:
    """A slow rollout can be told from a slow reviewer; a pause that ends by itself is nobody's."""
    world = updating(strategy)
    world.run(30)
    resume(world)
    world.run(60)
    assert world.status["duration"].get("totalManualPauseDurationSeconds", 0) == seconds
    assert "manualPauseStartedAt" not in world.status["duration"]
