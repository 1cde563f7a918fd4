"""Clusters as Argo Rollouts left them: the files of takeover/, as objects, as a picture and as a world that goes on.

Each file holds what an API server would give back: the Rollout with its status, its ReplicaSets with the defaults the
server filled in, and what stands around them. They were written to the contract, not taken from anybody's cluster.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from functools import cache
from pathlib import Path

import yaml

from rollouts.core.observed import Seen
from rollouts.kube.kinds import Key
from rollouts.runtime.routes import Roads
from rollouts.runtime.snapshot import NOTHING, Read
from tests.builders import Json
from tests.cluster import PlayedPod, Pods, Settings
from tests.shell.objects import entry
from tests.shell.pictures import a_cache, snapshots_of
from tests.world import World

FOLDER = Path(__file__).parent / "takeover"
STORIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"
NEVER_READY = ("deadline_exceeded",)
READY_AFTER = 40  # seconds
UNREADY_FOR = timedelta(seconds=30)


@cache
def _text(story: str) -> str:
    return (FOLDER / f"{story}.yaml").read_text()


def objects(story: str) -> list[Json]:
    """The objects of a file, the Rollout first."""
    return list(yaml.load_all(_text(story), Loader=yaml.CSafeLoader))


def of_kind(found: list[Json], kind: str) -> dict[str, Json]:
    """Those of a kind, by name."""
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def picture(story: str) -> tuple[Seen, Roads]:
    """What the controller's own snapshot shows of it, and its roads."""
    found = objects(story)
    workload = next(iter(of_kind(found, "Deployment").values()), None)
    read = NOTHING if workload is None else Read(workload=entry(workload))
    seen = snapshots_of(a_cache(*found)).rollout(Key("shop", "web"), read=read)
    assert seen is not None
    return seen


def world(story: str) -> World:
    """The same cluster, to be played on from noon; pods that are not ready in it have been coming for a while."""
    found = objects(story)
    settings = Settings(
        ready_after=lambda image: None if story in NEVER_READY and image.endswith(":2") else READY_AFTER,
        experiment={5: "Running", 600: "Successful"},
    )
    workload = next(iter(of_kind(found, "Deployment").values()), None)
    templates = of_kind(found, "AnalysisTemplate").values()
    made = World(found[0], templates=templates, settings=settings, workload=workload)
    made.replica_sets, made.runs = of_kind(found, "ReplicaSet"), of_kind(found, "AnalysisRun")
    made.experiments = of_kind(found, "Experiment")
    made.services |= of_kind(found, "Service")
    made.pods |= {name: _pods(raw, made) for name, raw in made.replica_sets.items()}
    for service in made.services.values():
        service["metadata"].setdefault("generation", 1)  # the world counts it for every kind
    for route in made.routes.values():
        route["spec"]["split"] = _split(found)
    made.sight.deliver()
    return made


def _pods(raw: Json, world: World) -> Pods:
    """As many as the record counts, of which those that are not available are young."""
    ready, pods = raw["status"].get("availableReplicas", 0), Pods()
    metadata = raw["spec"]["template"]["metadata"]
    for number in range(raw["status"]["replicas"]):
        made_at = world.now - (timedelta(hours=1) if number < ready else UNREADY_FOR)
        pods.each.append(PlayedPod(f"{raw['metadata']['name']}-{number}", made_at, copy.deepcopy(metadata)))
    pods.made = len(pods.each)
    return pods


def _split(found: list[Json]) -> Json:
    """What the routers have, by the Services that the roles lead through."""
    status = found[0]["status"]
    recorded = status["canary"]["weights"]["canary"]["weight"]
    ingress = next((each for each in of_kind(found, "Ingress").values() if "annotations" in each["metadata"]), None)
    weight = recorded if ingress is None else int(ingress["metadata"]["annotations"][WEIGHT])
    pair = ("web-canary", "web-stable")
    if "stablePingPong" in status["canary"]:
        pair = ("web-pong", "web-ping") if status["canary"]["stablePingPong"] == "ping" else ("web-ping", "web-pong")
    return {pair[0]: {"weight": weight}, pair[1]: {"weight": 100 - weight}}
