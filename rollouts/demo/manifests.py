"""What the demo puts into the cluster: a Service, an AnalysisTemplate, and a Rollout in one of its versions.

The same story, in files to read and to change, is examples/canary-with-analysis. The pods run the sandbox's demo
application; its version and error rate are all that a version of the Rollout differs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.api import schema

Manifest = dict[str, Any]

NAMESPACE = "demo"
NAME = "shop"
MANAGER = "demo"  # who the demo is to the cluster, as a field manager
PORT = 80
REPLICAS = 4
SUCCESS_RATE_MIN = 0.95
FIRST_SCRAPES = "8s"  # Prometheus takes up new targets every 5 s, and a rate needs two scrapes
PAUSE_AT_75 = "10s"
DRAIN_SECONDS = 3  # a pod that leaves goes on serving for so long, and asks its clients to come back elsewhere

STEPS: tuple[Manifest, ...] = (
    {"setWeight": 25},
    {
        "analysis": {
            "templates": [{"templateName": "success-rate"}],
            "args": [{"name": "pods", "valueFrom": {"podTemplateHashValue": "Latest"}}],
        }
    },
    {"setWeight": 50},
    {"pause": {}},
    {"setWeight": 75},
    {"pause": {"duration": PAUSE_AT_75}},
)

_OF_THE_CANARY = 'rollouts_pod_template_hash="{{args.pods}}"'
QUERY = (
    f'sum(rate(http_requests_total{{{_OF_THE_CANARY},code!~"5.."}}[5s]))\n/\n'
    f"sum(rate(http_requests_total{{{_OF_THE_CANARY}}}[5s]))"
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the application."""

    name: str
    error_rate: float = 0.0
    """Of 1; the part of the requests that it answers with status 500."""


V1, V2, V3 = Version("v1"), Version("v2"), Version("v3", error_rate=0.2)


def definitions() -> list[Manifest]:
    """The CRDs."""
    return [schema.crd(resource) for resource in schema.RESOURCES]


def namespace() -> Manifest:
    """The namespace of everything below."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def service() -> Manifest:
    """All pods of the application, whatever their version."""
    ports = [{"name": "http", "port": PORT, "targetPort": "http"}]
    return _named("v1", "Service", NAME, {"selector": {"app": NAME}, "ports": ports})


def analysis_template(prometheus: str) -> Manifest:
    """Of the canary's requests in the last seconds, enough were answered without an error; one may fall short."""
    metric = {
        "name": "success-rate",
        "initialDelay": FIRST_SCRAPES,
        "interval": "2s",
        "count": 3,
        "failureLimit": 1,
        "successCondition": f"result[0] >= {SUCCESS_RATE_MIN}",
        "provider": {"prometheus": {"address": prometheus, "query": QUERY}},
    }
    spec = {"args": [{"name": "pods"}], "metrics": [metric]}
    return _named("argoproj.io/v1alpha1", "AnalysisTemplate", "success-rate", spec)


def rollout(version: Version) -> Manifest:
    """The Rollout, wanting this version."""
    spec = {
        "replicas": REPLICAS,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": {"app": NAME}},
        "strategy": {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": list(STEPS)}},
        "template": {
            "metadata": {"labels": {"app": NAME}, "annotations": {"sandbox.rollouts.io/program": "app"}},
            "spec": {"terminationGracePeriodSeconds": 2 * DRAIN_SECONDS, "containers": [_container(version)]},
        },
    }
    return _named("argoproj.io/v1alpha1", "Rollout", NAME, spec)


def version_in(template: Mapping[str, Any]) -> str:
    """The version that a pod template asks for; empty when it is not one of the demo's."""
    for container in template.get("spec", {}).get("containers") or ():
        for variable in container.get("env") or ():
            if variable["name"] == "VERSION":
                return str(variable.get("value", ""))
    return ""


def _container(version: Version) -> Manifest:
    settings = {"VERSION": version.name, "ERROR_RATE": str(version.error_rate), "DRAIN": str(DRAIN_SECONDS)}
    return {
        "name": NAME,
        "image": f"{NAME}:{version.name}",
        "env": [{"name": name, "value": value} for name, value in settings.items()],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    }


def _named(api_version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
