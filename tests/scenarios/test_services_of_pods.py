"""Services of a canary whose traffic is split by pods alone: none of them is ever left without pods that were there."""

from __future__ import annotations

import pytest

from rollouts.core import naming
from tests import roads
from tests.builders import Json, a_rollout, canary, pause
from tests.world import World

PAIR = {"canaryService": "web-canary", "stableService": "web-stable"}
SPECS: list[tuple[int, Json]] = [
    (10, {}),
    (10, {"maxSurge": 0, "maxUnavailable": 1}),
    (10, {"maxSurge": 1, "maxUnavailable": 0}),
    (2, {"maxSurge": 0, "maxUnavailable": 1}),
    (1, {"maxSurge": 1, "maxUnavailable": 0}),
]
by_spec = pytest.mark.parametrize(("replicas", "bounds"), SPECS)


def begun(replicas: int, bounds: Json, *steps: int | Json) -> World:
    """A world in which the first version runs, and which fails where a Service loses the last pod it leads to."""
    world = World(a_rollout(canary(*(steps or (50, pause())), **PAIR, **bounds), replicas=replicas))

    def before_scale(name: str, size: int) -> None:
        raw = world.replica_sets[name]
        version = raw["metadata"]["labels"][naming.POD_HASH_LABEL]
        left = [service for service in world.services if roads.hash_of(world.services, service) == version]
        had = any(world.is_ready(raw, made) for made in world.pods_of(name))
        assert size or not had or not left, f"law 9: {name} goes to 0 while {left} lead to it"

    world.before_scale = before_scale
    world.run(30)
    return world


def led_to(world: World) -> set[str]:
    """The versions that Services lead to, by image."""
    images = {
        raw["metadata"]["labels"][naming.POD_HASH_LABEL]: raw["spec"]["template"]["spec"]["containers"][0]["image"]
        for raw in world.replica_sets.values()
    }
    return {images[roads.hash_of(world.services, name)] for name in world.services}


@by_spec
def test_a_promotion(replicas: int, bounds: Json) -> None:
    """Stable's Service turns to the new version before the last pod of the old one goes."""
    world = begun(replicas, bounds)
    world.set_image("v2")
    world.run(60)
    world.annotate("promote", "step")
    world.run(120)
    assert (world.status["phase"], led_to(world)) == ("Healthy", {"v2"})


@by_spec
def test_all_traffic_before_the_last_pause(replicas: int, bounds: Json) -> None:
    """At 100 % stable has no pods, so that no Service leads to it; an abort brings both back."""
    world = begun(replicas, bounds, 50, 100, pause())
    world.set_image("v2")
    world.run(120)
    assert (world.status["message"], led_to(world)) == ("CanaryPauseStep", {"v2"})
    world.annotate("abort", "abort")
    world.run(120)
    assert led_to(world) == {"v1"}
    assert world.sizes() == {"v1": replicas, "v2": 0}


@by_spec
def test_a_third_version(replicas: int, bounds: Json) -> None:
    """The canary's Service leaves the second version before its last pod goes, and finds the third."""
    world = begun(replicas, bounds)
    world.set_image("v2")
    world.run(60)
    world.set_image("v3")
    world.run(60)
    assert world.status["message"] == "CanaryPauseStep"
    world.annotate("promote", "full")
    world.run(120)
    assert (world.status["phase"], led_to(world)) == ("Healthy", {"v3"})


def test_a_single_pod_makes_room() -> None:
    """Where one pod is all that may be there, the Service is without it for the moment that its user allows."""
    world = World(a_rollout(canary(maxSurge=0, maxUnavailable=1, **PAIR), replicas=1))
    world.run(30)
    world.set_image("v2")
    world.run(60)
    assert (world.status["phase"], led_to(world)) == ("Healthy", {"v2"})
