"""Turns for tables: a Rollout, its ReplicaSets by version, and a moment. Only what a test is about has to be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rollouts.core import naming
from rollouts.core.observed import ReplicaSet, Seen, Service, VerbOwner
from rollouts.core.turn import Turn, turn
from rollouts.lib import hashing
from tests.builders import NOON, Json, a_pod_template, a_rollout, canary, parsed_rollout


def pod_hash(image: str) -> str:
    """The hash of the version that runs this image."""
    return hashing.pod_template_hash(a_pod_template(image))


V1, V2 = pod_hash("v1"), pod_hash("v2")


def a_replica_set(image: str, wanted: int = 0, available: int | None = None, **fields: Any) -> ReplicaSet:
    """A ReplicaSet of this Rollout; `age` seconds old, its revision the number in its image."""
    age, annotations = fields.pop("age", 0), fields.pop("annotations", {})
    ready = wanted if available is None else available
    values: dict[str, Any] = {
        "name": f"web-{pod_hash(image)}",
        "uid": f"uid-{image}",
        "resource_version": "1",
        "created_at": NOON - timedelta(seconds=age),
        "is_deleting": False,
        "is_owned": True,
        "is_selected": True,
        "labels": {naming.POD_HASH_LABEL: pod_hash(image)},
        "annotations": {naming.REVISION: image.removeprefix("v"), naming.DESIRED_REPLICAS: "10", **annotations},
        "template": a_pod_template(image),
        "generation": 1,
        "observed_generation": 1,
        "min_ready_seconds": 0,
        "wanted": wanted,
        "current": wanted,
        "ready": ready,
        "available": ready,
        "failure": None,
    }
    return ReplicaSet(**{**values, **fields})


def a_turn(
    *replica_sets: ReplicaSet,
    status: Json | None = None,
    strategy: Json | None = None,
    image: str = "v2",
    now: datetime = NOON,
    services: Mapping[str, str] | None = None,
    **spec: Any,
) -> Turn:
    """A turn on the way from v1, which is stable, to `image`; `services` by name lead to these versions."""
    raw = a_rollout(strategy or canary(20, {"pause": {}}, 50), image=image, **spec)
    annotations = raw["spec"].pop("annotations", {})
    raw["metadata"]["annotations"] = annotations
    raw["status"] = {"stableRS": V1, "currentPodHash": pod_hash(image), "currentStepIndex": 0, **(status or {})}
    rollout = parsed_rollout(raw)
    seen = Seen(
        rollout=rollout,
        problems=(),
        replica_sets=replica_sets,
        verb_owners=_owners(annotations),
        services={name: a_service(name, version) for name, version in (services or {}).items()},
    )
    assert rollout.spec.strategy is not None
    return turn(seen, strategy=rollout.spec.strategy, now=now)


def a_service(name: str, version: str = "", **fields: Any) -> Service:
    """A Service of this Rollout that leads to a version, or to all."""
    values: dict[str, Any] = {
        "resource_version": "1",
        "selector": {"app": "web", **({naming.POD_HASH_LABEL: version} if version else {})},
        "annotations": {naming.MANAGED_BY: "web"},
    }
    return Service(name=name, **{**values, **fields})


def _owners(annotations: Json) -> dict[str, VerbOwner]:
    return {key: VerbOwner(manager="ann", at=NOON, is_applied=False) for key in annotations}
