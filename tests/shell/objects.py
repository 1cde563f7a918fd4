"""Small objects as the API server would hold them: only what a test is about is visible."""

from __future__ import annotations

import itertools
from typing import Any

from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    INGRESSES,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    WATCHED,
    Kind,
)
from rollouts.runtime.cache import Entry, entry_of
from rollouts.runtime.pump import Event

_VERSIONS = itertools.count(1)


def an_object(kind: Kind, name: str, *, namespace: str = "default", **members: Any) -> dict[str, Any]:
    """An object of a kind, newer than every one before; `metadata` adds to what every object has."""
    extra = members.pop("metadata", {})
    meta = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "resourceVersion": str(next(_VERSIONS)),
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **extra,
    }
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **members}


def a_rollout(name: str = "web", **members: Any) -> dict[str, Any]:
    """A Rollout with a valid canary."""
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        },
        "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
    }
    return an_object(ROLLOUTS, name, **{"spec": spec, **members})


def owned_by(name: str, *, kind: Kind = ROLLOUTS, uid: str = "") -> dict[str, Any]:
    """Metadata that says who controls an object."""
    owner = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": name,
        "uid": uid or f"uid-{name}",
        "controller": True,
    }
    return {"ownerReferences": [owner]}


def a_replica_set(name: str, *, metadata: dict[str, Any] | None = None, replicas: int = 1) -> dict[str, Any]:
    """A ReplicaSet of the app `web`."""
    labels = {"app": "web", "rollouts-pod-template-hash": name.rpartition("-")[2]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    return an_object(
        REPLICA_SETS,
        name,
        metadata={"labels": labels, **(metadata or {})},
        spec={"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        status={"replicas": replicas},
    )


def a_run(name: str, *, metadata: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """An AnalysisRun with one metric."""
    spec = {"metrics": [{"name": "errors", "provider": {"fake": {"query": "q"}}}]}
    return an_object(ANALYSIS_RUNS, name, **{"metadata": metadata or {}, "spec": spec, **members})


def a_template(name: str, **spec: Any) -> dict[str, Any]:
    """An AnalysisTemplate."""
    return an_object(ANALYSIS_TEMPLATES, name, spec={"metrics": [], **spec})


def kind_of(stored: dict[str, Any]) -> Kind:
    """The kind of one of these objects."""
    return next(kind for kind in WATCHED if kind.name == stored["kind"])


def entry(stored: dict[str, Any]) -> Entry:
    """The object as the cache keeps it."""
    return entry_of(kind_of(stored), stored)


def event(stored: dict[str, Any], type: str | None = "MODIFIED") -> Event:
    """The object as a watch tells of it."""
    return Event(type, entry(stored))


def a_routed_rollout(name: str = "web", **section: Any) -> dict[str, Any]:
    """A Rollout whose traffic Ingress-NGINX splits, between the Services `<name>-canary` and `<name>-stable`."""
    rollout = a_rollout(name)
    rollout["spec"]["strategy"]["canary"] |= {
        "canaryService": f"{name}-canary",
        "stableService": f"{name}-stable",
        "trafficRouting": {"nginx": {"stableIngress": name, **section}},
    }
    return rollout


def a_service(name: str, *, version: str = "") -> dict[str, Any]:
    """A Service of the app `web`, leading to one version if one is named."""
    selector = {"app": "web", **({"rollouts-pod-template-hash": version} if version else {})}
    ports = [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    return an_object(SERVICES, name, spec={"selector": selector, "ports": ports})


def an_ingress(name: str = "web", *, service: str = "", **members: Any) -> dict[str, Any]:
    """An Ingress that leads to a Service, `<name>-stable` unless another is named."""
    backend = {"service": {"name": service or f"{name}-stable", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec = {"ingressClassName": "nginx", "rules": [{"host": "web.example.com", "http": {"paths": paths}}]}
    return an_object(INGRESSES, name, **{"spec": spec, **members})


def a_deployment(name: str = "web", *, image: str = "app:1", replicas: int = 3, **members: Any) -> dict[str, Any]:
    """A Deployment of the app `web`."""
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return an_object(DEPLOYMENTS, name, **{"spec": spec, **members})


def a_referring_rollout(name: str = "web", *, kind: Kind = DEPLOYMENTS, workload: str = "web") -> dict[str, Any]:
    """A Rollout that takes its pod template from a workload."""
    rollout = a_rollout(name)
    del rollout["spec"]["template"], rollout["spec"]["selector"]
    rollout["spec"]["workloadRef"] = {"apiVersion": kind.api_version, "kind": kind.name, "name": workload}
    return rollout
