"""The moment of promotion, as claims: what has to be on record before what follows from it."""

from __future__ import annotations

from tests.builders import a_rollout, canary, pause
from tests.world import World


def test_no_version_is_forgotten_before_its_successor_is_on_record() -> None:
    """Law 8: a crash after the deletion of the old ReplicaSet must not find it named as the stable one."""
    world = World(a_rollout(canary(100, pause(10)), revisionHistoryLimit=0))
    world.run(60)
    old = world.status["stableRS"]
    named: list[str] = []

    def watch(what: str) -> None:
        if what == f"delete web-{old}":
            named.append(world.status["stableRS"])

    world.before_write = watch
    world.set_image("v2")
    world.run(120)
    assert named == [world.status["stableRS"]]
    assert named != [old]


def test_the_steps_of_a_new_list_are_told_anew() -> None:
    """Law 37: the same number in another list is another step, so its event is another one."""
    world = World(a_rollout(canary(20, pause())))
    world.run(60)
    world.set_image("v2")
    world.run(60)
    world.edit({"spec": {"strategy": canary(40, pause())}})
    world.run(60)
    keys = [note.key for _, note in world.story if note.reason == "RolloutStepCompleted"]
    assert len(keys) == len(set(keys)) == 2


def test_a_pause_of_a_new_list_is_told_anew() -> None:
    """Law 37: also when it begins in the same second as the one at its place in the old list."""
    world = World(a_rollout(canary(pause(30), 20)))
    world.run(60)
    world.set_image("v2")
    world.settle()
    world.edit({"spec": {"strategy": canary(pause(30), 40)}})
    world.settle()
    keys = [note.key for _, note in world.story if note.reason == "RolloutPaused"]
    assert len(keys) == len(set(keys)) == 2
