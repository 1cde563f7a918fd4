"""Rollouts for the stories: of played pods where only decisions matter, of real programs where requests are counted."""

from __future__ import annotations

from typing import Any

from rollouts.sandbox.kinds import Json
from tests.e2e.stage import NAME

PORT = 80
DRAIN_SECONDS = 3  # a pod that leaves goes on serving for so long, and asks its clients to come back elsewhere


def a_rollout(*steps: Json, image: str = "web:1", replicas: int = 4, **canary: Any) -> Json:
    """A Rollout of played pods, which are ready at once; `canary` are more fields of the strategy."""
    template = {"metadata": {"labels": {"app": NAME}}, "spec": {"containers": [{"name": NAME, "image": image}]}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": NAME}},
            "strategy": {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": list(steps), **canary}},
            "template": template,
        },
    }


def annotated(rollout: Json, verb: str, value: str) -> Json:
    """The Rollout with a verb in its manifest, as Git would hold it."""
    metadata = rollout["metadata"] | {"annotations": {f"rollouts.io/{verb}": value}}
    return rollout | {"metadata": metadata}


def serving(rollout: Json, *, error_rate: float = 0.0) -> Json:
    """The Rollout with pods that run the demo application; the version that they answer is their image."""
    template = rollout["spec"]["template"]
    settings = {"VERSION": _image(rollout), "ERROR_RATE": str(error_rate), "DRAIN": str(DRAIN_SECONDS)}
    container = {
        "name": NAME,
        "image": _image(rollout),
        "env": [{"name": name, "value": value} for name, value in settings.items()],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    }
    served = {
        "metadata": template["metadata"] | {"annotations": {"sandbox.rollouts.io/program": "app"}},
        "spec": {"terminationGracePeriodSeconds": 2 * DRAIN_SECONDS, "containers": [container]},
    }
    return rollout | {"spec": rollout["spec"] | {"template": served}}


def a_service() -> Json:
    """All pods of the application, whatever their version."""
    ports = [{"name": "http", "port": PORT, "targetPort": "http"}]
    spec = {"selector": {"app": NAME}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec}


def weight(percent: int) -> Json:
    """A step."""
    return {"setWeight": percent}


def pause(duration: str | None = None) -> Json:
    """A step."""
    return {"pause": {"duration": duration} if duration else {}}


def _image(rollout: Json) -> str:
    return str(rollout["spec"]["template"]["spec"]["containers"][0]["image"])
