"""The objects that the API's claims write: the smallest of their kind that a server accepts."""

from __future__ import annotations

from tests.sandbox.rest import Json


def config_map(name: str = "a", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", **spec: object) -> Json:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "demo:v1"}]}}
    selector = {"matchLabels": {"app": name}}
    meta = {"name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": 2, "selector": selector, "template": template, **spec},
    }
