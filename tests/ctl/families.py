"""Families for tests of people's commands: a played world as the commands would read it from an API server."""

from __future__ import annotations

import copy
import dataclasses
import io
from datetime import timedelta
from typing import Any

from rich.console import Console, RenderableType

from rollouts.core.roads import Routers, roads
from rollouts.ctl.family import Family
from rollouts.ctl.lint import Controller
from rollouts.lib import timestamps
from rollouts.ports import Destination, TrafficIntent
from rollouts.routers.nginx import Nginx
from tests.builders import Json, a_metric, a_rollout, a_template, analysis, blue_green, canary, pause
from tests.cluster import Settings
from tests.world import World

ROUTERS: Routers = {"nginx": Nginx()}
"""The routers that commands are handed."""

CONTROLLER = Controller(routers=ROUTERS, step_plugins=("change",))
"""What lint is told of the controller."""

WORDS = "the controller's own words, which began at 2026-01-01T12:01:00Z"
"""What the Ready condition says in these tests; the core's words have tests of their own."""

EVENTS = tuple(
    {
        "metadata": {"name": f"event-{number}"},
        "reason": reason,
        "message": f"{reason} and so on",
        "lastTimestamp": "2026-01-01T12:00:30Z",
    }
    for number, reason in enumerate(("RolloutUpdated", "RolloutStepCompleted"))
)


def routed(*steps: Any, **more: Any) -> Json:
    """A canary whose traffic an Ingress splits."""
    routing = {"nginx": {"stableIngress": "web"}}
    return canary(*steps, canaryService="web-canary", stableService="web-stable", trafficRouting=routing, **more)


def a_road() -> tuple[Json, Json, Json]:
    """The two Services and the Ingress of a routed canary, as a user has them in a file."""
    backend = {"service": {"name": "web-stable", "port": {"number": 80}}}
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return (
        a_service("web-canary"),
        a_service("web-stable"),
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"rules": [rule]},
        },
    )


def a_service(name: str) -> Json:
    """A Service as a user has it in a file."""
    meta = {"name": name, "namespace": "shop"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }


def family_of(world: World, *, words: str = WORDS, ingresses: tuple[Json, ...] | None = None) -> Family:
    """The Rollout, its ReplicaSets, pods and runs, what is around them, and two Events. `words` empty: the core's."""
    sets = tuple(copy.deepcopy(world.replica_sets[name]) for name in sorted(world.replica_sets))
    rollout = copy.deepcopy(world.rollout)
    for condition in rollout["status"]["conditions"]:
        if words and condition["type"] in ("Ready", "Reconciling", "Stalled"):
            condition["message"] = words
    return Family(
        rollout=rollout,
        objects={
            "replicasets": sets,
            "pods": tuple(pod for owner in sets for pod in _pods(world, owner)),
            "analysisruns": tuple(copy.deepcopy(world.runs[name]) for name in sorted(world.runs)),
            "analysistemplates": tuple(copy.deepcopy(each) for each in world.templates.values()),
            "experiments": tuple(copy.deepcopy(each) for each in world.experiments.values()),
            "services": tuple(copy.deepcopy(each) for each in world.services.values()),
            "ingresses": _ingresses(world) if ingresses is None else ingresses,
        },
        workload=copy.deepcopy(next(iter(world.workloads.values()), None)),
        events=EVENTS,
    )


def with_experiment(family: Family) -> Family:
    """The family with an experiment of its second revision that runs one template."""
    meta = {"namespace": "shop", "creationTimestamp": "2026-01-01T12:01:30Z"}
    experiment = {
        "metadata": {
            **meta,
            "name": "web-exp",
            "uid": "uid-web-exp",
            "ownerReferences": [{"uid": family.rollout["metadata"]["uid"]}],
            "annotations": {"rollout.argoproj.io/revision": "2"},
        },
        "status": {"phase": "Running"},
    }
    version = {
        "metadata": {
            **meta,
            "name": "web-exp-baseline",
            "uid": "uid-web-exp-baseline",
            "ownerReferences": [{"uid": "uid-web-exp"}],
            "annotations": {"experiment.argoproj.io/template-name": "baseline"},
        },
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": "v1"}]}}},
        "status": {"replicas": 1, "availableReplicas": 1},
    }
    sets = (*family.objects["replicasets"], version)
    return dataclasses.replace(family, objects={**family.objects, "replicasets": sets, "experiments": (experiment,)})


def _ingresses(world: World) -> tuple[Json, ...]:
    """What the played router has in force, as the nginx router writes it."""
    ingress = a_road()[2]
    if "web-stable" not in world.services or not world.routes:
        return ()
    (road,) = roads(world.seen().rollout, ROUTERS, lambda ref: ingress if ref.name == "web" else None).served
    split = world.routes["nginx"]["spec"]["split"]
    canary, stable = (
        Destination(service=name, pod_hash="", weight=split.get(name, {}).get("weight", default))
        for name, default in (("web-canary", 0), ("web-stable", 100))
    )
    intent = TrafficIntent(canary=canary, stable=stable)
    return ingress, *(dict(each) for each in road.router.render(road.config, intent, road.objects))


def _pods(world: World, owner: Json) -> list[Json]:
    name = owner["metadata"]["name"]
    return [_pod(world, owner, f"{name}-{ordinal}", made) for ordinal, made in enumerate(world.pods_of(name))]


def _pod(world: World, owner: Json, name: str, made: Any) -> Json:
    is_ready = world.is_ready(owner, made)
    state = {"running": {}} if is_ready else {"waiting": {"reason": "ContainerCreating"}}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": timestamps.render(made),
            "ownerReferences": [{"uid": owner["metadata"]["uid"]}],
        },
        "spec": {"containers": [{"name": "web"}]},
        "status": {
            "phase": "Running" if is_ready else "Pending",
            "containerStatuses": [{"name": "web", "ready": is_ready, "restartCount": 0, "state": state}],
        },
    }


def a_world(reading: float = 0.99, **spec: Any) -> World:
    """Five pods of v1; steps: 20 %, a pause for a person, an analysis of three measurements, 60 %, 5 minutes."""
    steps = canary(20, pause(), analysis("success-rate"), 60, pause("5m"))
    metric = {
        "name": "success-rate",
        "interval": "1m",
        "count": 3,
        "successCondition": "result[0] >= 0.95",
        "failureLimit": 1,
        "provider": {"prometheus": {"address": "http://prometheus:9090", "query": "rate"}},
    }
    settings = Settings(reading=lambda metric, now: [reading])
    world = World(
        a_rollout(steps, replicas=5, **spec), templates=[a_template("success-rate", metric)], settings=settings
    )
    world.run(60)
    return world


def a_routed_world(*steps: Any, **strategy: Any) -> World:
    """Ten pods of v1 behind an Ingress."""
    world = World(a_rollout(routed(*steps, **strategy), replicas=10))
    world.run(60)
    return world


def a_ping_pong_world(*steps: Any, **strategy: Any) -> World:
    """Three pods of v1 in a mesh, and two Services that take turns."""
    routing = {"istio": {"virtualService": {"name": "web"}}}
    pair = {"pingService": "web-ping", "pongService": "web-pong"}
    world = World(a_rollout(canary(*steps, pingPong=pair, trafficRouting=routing, **strategy), replicas=3))
    world.run(60)
    return world


def a_blue_green_world(**strategy: Any) -> World:
    """Four pods of v1 that users reach, and an analysis of two minutes."""
    metric = a_metric(interval="1m", count=3)
    world = World(a_rollout(blue_green(**strategy), replicas=4), templates=[a_template("success-rate", metric)])
    world.run(60)
    return world


def an_experimenting_world() -> World:
    """Two pods of v1; the first step is an experiment with its new version, which takes half a minute."""
    versions = [{"name": "baseline", "specRef": "stable"}, {"name": "candidate", "specRef": "canary"}]
    world = World(a_rollout(canary({"experiment": {"templates": versions}}, 50), replicas=2))
    world.run(60)
    world.set_image("v2")
    world.run(10)
    return world


def an_update(world: World) -> World:
    """The world with v2 at the pause for a person, two minutes on."""
    world.set_image("v2")
    world.run(120)
    return world


def at_the_analysis(world: World, seconds: float = 70) -> World:
    """The world with v2 at its analysis, so many seconds after a person went on."""
    an_update(world)
    world.patch_status({"pauseConditions": None})
    world.run(seconds)
    return world


def drawn(picture: RenderableType, *, width: int = 120) -> str:
    """What is printed on a terminal of this width, less its colors."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(picture)
    return out.getvalue()


LATER = timedelta(seconds=5)
