"""The objects that the kubectl claims are made with: the smallest of their kind that a server accepts."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

TOYS: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "toys.play.example.com"},
    "spec": {
        "group": "play.example.com",
        "scope": "Namespaced",
        "names": {
            "kind": "Toy",
            "listKind": "ToyList",
            "plural": "toys",
            "singular": "toy",
            "shortNames": ["ty"],
            "categories": ["all"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas",
                        "labelSelectorPath": ".status.selector",
                    },
                },
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "string", "jsonPath": ".spec.size"},
                    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
                    {"name": "Pieces", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "description": "Toy is something to play with.",
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "description": "What the toy should be.",
                                "type": "object",
                                "properties": {
                                    "size": {
                                        "description": "How big it is.",
                                        "type": "string",
                                        "enum": ["small", "large"],
                                        "default": "small",
                                    },
                                    "replicas": {"type": "integer", "minimum": 0, "default": 1},
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {
                                                "name": {"type": "string"},
                                                "color": {"type": "string"},
                                            },
                                        },
                                    },
                                },
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}


def config_map(name: str, **data: str) -> Json:
    """A ConfigMap with this data."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def toy(name: str, **spec: Any) -> Json:
    """A custom object with this spec."""
    return {"apiVersion": "play.example.com/v1", "kind": "Toy", "metadata": {"name": name}, "spec": spec}


def pod_spec(**more: Any) -> Json:
    """A pod spec of one container."""
    return {"containers": [{"name": "web", "image": "demo:v1", **more}]}


def pod(name: str, **labels: str) -> Json:
    """A Pod that no node will run."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": pod_spec()}


def deployment(name: str, *, replicas: int = 2, image: str = "demo:v1") -> Json:
    """A Deployment of one container."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(image=image)},
        },
    }


def service(name: str) -> Json:
    """A Service of one port."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}}
