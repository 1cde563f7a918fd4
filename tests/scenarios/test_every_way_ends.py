"""Law 21: every pair of steps and options ends, with the version that was asked for, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import pytest

from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, analysis, canary, pause
from tests.cluster import Settings
from tests.world import World

PAIR: Json = {"canaryService": "web-canary", "stableService": "web-stable"}
NGINX: Json = {**PAIR, "trafficRouting": {"nginx": {"stableIngress": "web"}}}
PING_PONG: Json = {
    "pingPong": {"pingService": "web-ping", "pongService": "web-pong"},
    "trafficRouting": {"istio": {"virtualService": {"name": "web"}}},
}


def scale(**what: int | bool) -> Json:
    """A setCanaryScale step."""
    return {"setCanaryScale": what}


STEPS: Mapping[str, tuple[int | Json, ...]] = {
    "none": (),
    "half": (50,),
    "all of it, and back": (100, pause(5), 20),
    "none, then a tenth": (0, 10),
    "up, down to none, and up": (50, 0, 30),
    "pause first": (pause(3), 1),
    "analysis first": (analysis("short"), 40),
    "analysis at none": (0, analysis("short")),
    "analysis in the middle": (40, analysis("short"), 60),
}
ROUTED_STEPS: Mapping[str, tuple[int | Json, ...]] = {
    **STEPS,
    "a fixed number": (scale(replicas=1), 50, scale(matchTrafficWeight=True)),
    "no pods for a weight": (scale(replicas=0), 20),
    "weight, then fewer pods than it needs": (90, scale(replicas=1), 20, scale(replicas=0)),
    "a share of pods": (scale(weight=30), analysis("short"), 90),
    "more pods than there are": (scale(replicas=20), 10),
}
STRATEGIES: Mapping[str, Json] = {
    "pods alone": {},
    "no surge": {**PAIR, "maxSurge": 0, "maxUnavailable": 1},
    "no unavailability": {"stableService": "web-stable", "maxSurge": 1, "maxUnavailable": 0},
    "any pod may lack": {**PAIR, "maxSurge": 0, "maxUnavailable": "100%"},
    "threshold": {"replicaProgressThreshold": {"type": "Pods", "value": 3}, "analysis": an_analysis("long")},
}
ROUTED: Mapping[str, Json] = {
    "router": NGINX,
    "dynamic": {**NGINX, "dynamicStableScale": True, "analysis": an_analysis("long")},
    "dynamic, none may lack": {**NGINX, "dynamicStableScale": True, "maxUnavailable": 0, "minPodsPerReplicaSet": 2},
    "no delays": {**NGINX, "scaleDownDelaySeconds": 0, "abortScaleDownDelaySeconds": 0},
    "ping-pong": {**PING_PONG, "dynamicStableScale": True, "maxSurge": "100%"},
    "no Services": {"trafficRouting": {"plugins": {"acme/mesh": {}}}, "replicaProgressThreshold": {"value": 60}},
}


def nothing(world: World) -> str:
    """Nobody interferes."""
    return "v2"


def third(world: World) -> str:
    """A third version comes."""
    world.set_image("v3")
    return "v3"


def back(world: World) -> str:
    """The stable version is wanted again."""
    world.set_image("v1")
    return "v1"


def retried(world: World) -> str:
    """Given up, and tried again."""
    world.patch_status({"abort": True})
    world.run(4)
    world.patch_status({"abort": False})
    return "v2"


def hurried(world: World) -> str:
    """Promoted in full."""
    world.patch_status({"promoteFull": True})
    return "v2"


def scaled(world: World) -> str:
    """To no pods, and back."""
    replicas = world.rollout["spec"]["replicas"]
    world.edit({"spec": {"replicas": 0}})
    world.run(10)
    world.edit({"spec": {"replicas": replicas}})
    return "v2"


EVENTS: tuple[Callable[[World], str], ...] = (nothing, third, back, retried, hurried, scaled)
SIZES, MOMENTS = (1, 2, 3, 5, 10), (0, 3, 6, 12)
ALL = [
    *product(STRATEGIES.items(), STEPS.items()),
    *product(ROUTED.items(), ROUTED_STEPS.items()),
]
CASES = [
    pytest.param(
        canary(*steps, **fields),
        SIZES[number % len(SIZES)],
        EVENTS[number % len(EVENTS)],
        MOMENTS[number % len(MOMENTS)],
        id=f"{strategy}: {way}",
    )
    for number, ((strategy, fields), (way, steps)) in enumerate(ALL)
]


@pytest.mark.parametrize(("strategy", "replicas", "event", "seconds"), CASES)
def test_every_way_ends(strategy: Json, replicas: int, event: Callable[[World], str], seconds: int) -> None:
    """After a while all is well, and only of that version, or the words say what is kept and until when."""
    short = a_metric("short", count=2, interval="3s")
    long = a_metric("long", interval="5s", failureCondition="result[0] < 0.1")
    templates = [a_template(metric["name"], metric) for metric in (short, long)]
    world = World(a_rollout(strategy, replicas=replicas), templates=templates, settings=Settings(pods_per_second=2))
    world.run(60)
    assert world.status["phase"] == "Healthy", world.status["message"]
    world.set_image("v2")
    world.run(seconds)
    wanted = event(world)
    world.run(400)
    words = next(each["message"] for each in world.status["conditions"] if each["type"] == "Ready")
    assert world.status["phase"] == "Healthy", words
    assert {image for image, size in world.sizes().items() if size} == {wanted}
