"""What must have come of a verb, told from the world's objects as anyone could."""

from __future__ import annotations

from typing import Any

from tests import roads
from tests.builders import Json
from tests.clients.phases import REPLICAS
from tests.world import World

HASH = "rollouts-pod-template-hash"
FINAL = ("Successful", "Failed", "Error", "Inconclusive")

BLUE_GREEN_PROMOTED = {
    "first deploy": "",
    "healthy": "",
    "moving": "BlueGreenPause",
    "paused": "",
    "measured": "BlueGreenPause",
    "inconclusive": "BlueGreenPause",
    "paused by hand": "",
    "late": "",
    "stuck": "updated replicas are still becoming available",
    "aborted": "RolloutAborted: Rollout aborted update to revision 2",
    "retrying": "BlueGreenPause",
    "finished": "",
}
"""What a blue-green Rollout says a minute after `promote` or `resume`."""


def is_canary(world: World) -> bool:
    """Whether it has steps."""
    return "canary" in world.rollout["spec"]["strategy"]


def condition(world: World, kind: str) -> Json:
    """The condition of this type; empty when there is none."""
    return next((each for each in world.status.get("conditions", []) if each["type"] == kind), {})


def served(world: World) -> dict[str, float]:
    """The share of traffic that each image really gets, where Services or routes decide that; empty: pods do."""
    shares: dict[str, Any] = {}
    if world.routes:
        for route in world.routes.values():
            shares = roads.shares(world.services, route)
    elif "web-active" in world.services:
        shares = {roads.hash_of(world.services, "web-active"): 1}
    images = {raw["metadata"]["labels"][HASH]: image(raw) for raw in world.replica_sets.values()}
    return {images.get(pod_hash, "any"): float(share) for pod_hash, share in shares.items() if share}


def image(raw: Json) -> str:
    """Of the pods of a ReplicaSet, or of a Rollout."""
    found: str = raw["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def new_image(world: World) -> str:
    """Of the version that is wanted."""
    return image(world.rollout)


def phases(world: World) -> list[str]:
    """The phases of its runs, in the order of their names."""
    return [world.runs[name].get("status", {}).get("phase", "") for name in sorted(world.runs)]


def is_given_up(world: World, *, new: str) -> None:
    """Abort: told at once, no pause left, back at the first step, everything measured is ended; then stable serves all
    and nothing of the new version is left."""
    seen = world.status
    assert (seen["abort"], seen["phase"]) == (True, "Degraded")
    assert seen["abortedAt"]
    assert seen["message"].startswith("RolloutAborted: Rollout aborted update to revision 2")
    said = condition(world, "Progressing")
    assert (said["status"], said["reason"]) == ("False", "RolloutAborted")
    assert "pauseConditions" not in seen
    assert "controllerPause" not in seen
    assert seen.get("currentStepIndex", 0) == 0
    assert all(phase in FINAL for phase in phases(world))
    world.run(120)
    assert world.sizes() == {"v1": REPLICAS, new: 0}
    assert served(world) in ({}, {"v1": 1})
    assert world.status["phase"] == "Degraded"


def is_done(world: World, new: str) -> None:
    """Everything runs the new version, nothing is left of the wishes that led there."""
    seen = world.status
    assert (seen["phase"], seen.get("message", "")) == ("Healthy", "")
    assert seen["stableRS"] == seen["currentPodHash"]
    assert not {"abort", "abortedAt", "promoteFull", "pauseConditions", "controllerPause"} & set(seen)
    assert {each: size for each, size in world.sizes().items() if size} == {new: REPLICAS}
    assert served(world) in ({}, {new: 1})


def is_held(world: World, reason: str) -> None:
    """It waits for a person, for this reason."""
    assert (world.status["phase"], world.status["message"]) == ("Paused", reason)
