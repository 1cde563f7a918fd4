"""Events and what they say, in the order in which existing clients and their tests wait for them.

`RolloutAddedToInformer`, which comes before all of these, is the shell's: tests/e2e has it.
"""

from __future__ import annotations

from tests.builders import Json, a_rollout, blue_green, canary, pause
from tests.world import World

V1, V2 = "ddf64cb59", "569858f45d"


def told(world: World) -> list[str]:
    """Reason and words of every Event so far; then the world has forgotten them."""
    found = [f"{note.reason}: {note.message}" for _, note in world.story if note.is_event]
    world.story.clear()
    return found


def deployed(strategy: Json) -> tuple[World, list[str]]:
    """A world in which v1 serves, and how it came to that."""
    world = World(a_rollout(strategy, replicas=2))
    world.run(60)
    return world, told(world)


def test_a_first_deploy_is_told_in_order() -> None:
    """The order that clients' tests wait for: its update, its ReplicaSet, the start, its pods, and the end of it."""
    _, events = deployed(canary(50, pause()))
    assert events == [
        "RolloutUpdated: Rollout updated to revision 1",
        f"NewReplicaSetCreated: Created ReplicaSet web-{V1} (revision 1)",
        f"RolloutNotCompleted: Rollout not completed, started update to revision 1 ({V1})",
        f"ScalingReplicaSet: Scaled up ReplicaSet web-{V1} (revision 1) from 0 to 2",
        f"RolloutCompleted: Rollout completed update to revision 1 ({V1}): Initial deploy",
    ]


def test_a_canary_update_is_told_in_order() -> None:
    """Its steps have their number and words, its pauses their reason, its end the way that led there."""
    world, _ = deployed(canary(50, pause()))
    world.set_image("v2")
    world.run(60)
    assert told(world) == [
        "RolloutUpdated: Rollout updated to revision 2",
        f"NewReplicaSetCreated: Created ReplicaSet web-{V2} (revision 2)",
        f"RolloutNotCompleted: Rollout not completed, started update to revision 2 ({V2})",
        f"ScalingReplicaSet: Scaled up ReplicaSet web-{V2} (revision 2) from 0 to 1",
        f"ScalingReplicaSet: Scaled down ReplicaSet web-{V1} (revision 1) from 2 to 1",
        "RolloutStepCompleted: Rollout step 1/2 completed (setWeight: 50)",
        "RolloutPaused: Rollout is paused (CanaryPauseStep)",
    ]
    world.patch_status({"pauseConditions": None})
    world.run(60)
    assert told(world) == [
        "RolloutStepCompleted: Rollout step 2/2 completed (pause)",
        "RolloutResumed: Rollout is resumed",
        f"ScalingReplicaSet: Scaled up ReplicaSet web-{V2} (revision 2) from 1 to 2",
        f"ScalingReplicaSet: Scaled down ReplicaSet web-{V1} (revision 1) from 1 to 0",
        f"RolloutCompleted: Rollout completed update to revision 2 ({V2}): Completed all 2 canary steps",
    ]


def test_an_abort_and_a_retry_are_told_in_order() -> None:
    """The abort is a warning and no resume; a retry starts with pods again."""
    world, _ = deployed(canary(50, pause()))
    world.set_image("v2")
    world.run(60)
    told(world)
    world.patch_status({"abort": True})
    world.settle()
    types = [note.type for _, note in world.story if note.is_event]
    world.run(60)
    assert types[0] == "Warning"
    assert told(world) == [
        "RolloutAborted: Rollout aborted update to revision 2",
        f"ScalingReplicaSet: Scaled up ReplicaSet web-{V1} (revision 1) from 1 to 2",
        f"ScalingReplicaSet: Scaled down ReplicaSet web-{V2} (revision 2) from 1 to 0",
    ]
    world.patch_status({"abort": False})
    world.run(60)
    assert told(world)[0] == f"ScalingReplicaSet: Scaled up ReplicaSet web-{V2} (revision 2) from 0 to 1"


def test_a_blue_green_update_is_told_in_order() -> None:
    """Preview first, then pods, the pause, the switch, and the end of it."""
    world, events = deployed(blue_green(autoPromotionEnabled=False))
    assert [event.split(":")[0] for event in events] == [
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "SwitchService",
        "ScalingReplicaSet",
        "RolloutCompleted",
        "SwitchService",
    ]
    world.set_image("v2")
    world.run(60)
    assert told(world) == [
        "RolloutUpdated: Rollout updated to revision 2",
        f"NewReplicaSetCreated: Created ReplicaSet web-{V2} (revision 2)",
        f"RolloutNotCompleted: Rollout not completed, started update to revision 2 ({V2})",
        f"SwitchService: Switched selector for service 'web-preview' from '{V1}' to '{V2}'",
        f"ScalingReplicaSet: Scaled up ReplicaSet web-{V2} (revision 2) from 0 to 2",
        "RolloutPaused: Rollout is paused (BlueGreenPause)",
    ]
    world.patch_status({"pauseConditions": None})
    world.run(60)
    assert told(world) == [
        f"SwitchService: Switched selector for service 'web-active' from '{V1}' to '{V2}'",
        f"RolloutCompleted: Rollout completed update to revision 2 ({V2}): Completed blue-green update",
        "RolloutResumed: Rollout is resumed",
        f"ScalingReplicaSet: Scaled down ReplicaSet web-{V1} (revision 1) from 2 to 0",
    ]


def test_a_return_to_stable_is_told_in_order() -> None:
    """That steps are skipped is said, and why."""
    world, _ = deployed(canary(50, pause()))
    world.set_image("v2")
    world.run(60)
    told(world)
    world.set_image("v1")
    world.run(60)
    assert told(world)[:2] == [
        "RolloutUpdated: Rollout updated to revision 3",
        "SkipSteps: Rollback to stable ReplicaSets",
    ]
