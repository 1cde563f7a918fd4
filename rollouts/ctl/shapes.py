"""Objects of other APIs in files: whether what is read of them has the shape that an API server would see to.

Only what a Rollout's rules look at; anything else is for the API server to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api.codec import join
from rollouts.api.findings import Finding, at

Shape = Mapping[str, Any] | list[Any] | type
"""A mapping: an object with these members. A list of one shape: a list of that. A type: a plain value of it."""

META: Shape = {"name": str, "namespace": str, "annotations": {}, "labels": {}}
_SERVICE: Shape = {"name": str}
_PATH: Shape = {"path": str, "pathType": str, "backend": {"service": _SERVICE}}
_TEMPLATE: Shape = {"metadata": {"labels": {}, "annotations": {}}, "spec": {"containers": [{}]}}
_WORKLOAD: Shape = {
    "metadata": META,
    "spec": {"replicas": int, "selector": {"matchLabels": {}}, "template": _TEMPLATE},
}

SHAPES: Mapping[str, Shape] = {
    "Service": {"metadata": META, "spec": {"selector": {}}},
    "Ingress": {"metadata": META, "spec": {"rules": [{"host": str, "http": {"paths": [_PATH]}}], "tls": [{}]}},
    "Deployment": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "PodTemplate": {"metadata": META, "template": _TEMPLATE},
}
"""By kind."""


def misshapen(raw: Mapping[str, Any]) -> Iterator[Finding]:
    """What cannot be read of an object of one of these kinds."""
    yield from _differing(raw, SHAPES[str(raw["kind"])], "")
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        yield at("metadata.name").required()


def _differing(value: Any, shape: Shape, path: str) -> Iterator[Finding]:
    if value is None:
        return
    if isinstance(shape, type):
        if not isinstance(value, shape) or isinstance(value, bool):
            yield at(path).invalid(value, f"must be {'a number' if shape is int else 'text'}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield at(path).invalid(value, "must be a list")
            return
        for index, item in enumerate(value):
            yield from _differing(item if item is not None else "", shape[0], f"{path}[{index}]")
    elif not isinstance(value, Mapping):
        yield at(path).invalid(value, "must be an object")
    else:
        for name, inner in shape.items():
            yield from _differing(value.get(name), inner, join(path, name))
