"""The pod template in our CRDs, taken from the published Kubernetes schemas when the CRDs are generated.

Members, types, list keys and required members are Kubernetes'; descriptions are left out, since three kinds of
containers would repeat them past the size the API server and kubectl accept. Differences, on purpose:

- Defaults are only those without which list keys or hashes would be incomplete; the others come with the ReplicaSet.
- Quantities under `resources` are kept as written, whatever they are: a bad one is reported by the controller, and one
  malformed Rollout must not make a list of Rollouts unreadable.
- Metadata keeps labels and annotations, the only parts of it that a template passes on.

Needs the development dependency kubernetes-validate, and only here.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from rollouts.api import openapi
from rollouts.api.openapi import Schema

_RELEASE = "v1.37.0-local"
_CORE = "io.k8s.api.core.v1."
_KEPT = ("format", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "required")
_DEFAULTS: dict[tuple[str, str], Any] = {
    ("ContainerPort", "protocol"): "TCP",
    ("GRPCAction", "service"): "",
    ("FileKeySelector", "optional"): False,
    ("LocalObjectReference", "name"): "",
    ("ConfigMapEnvSource", "name"): "",
    ("SecretEnvSource", "name"): "",
    ("ConfigMapKeySelector", "name"): "",
    ("SecretKeySelector", "name"): "",
}


def pod_template(description: str) -> Schema:
    """The schema of a PodTemplateSpec."""
    return openapi.obj(description, {"metadata": _metadata(), "spec": _definition(f"{_CORE}PodSpec")})


def _metadata() -> Schema:
    return openapi.obj("", {"annotations": openapi.mapping(), "labels": openapi.mapping()})


@cache
def _definitions() -> dict[str, Any]:
    package = resources.files("kubernetes_validate")
    text = (package / "kubernetes-json-schema" / _RELEASE / "_definitions.json").read_text(encoding="utf-8")
    definitions: dict[str, Any] = json.loads(text)["$defs"]
    return definitions


def _definition(name: str) -> Schema:
    if name.endswith(".Quantity") or name.endswith(".IntOrString"):
        return openapi.int_or_text()
    if name.endswith(".ObjectMeta"):
        return _metadata()
    schema = _schema(_definitions()[name])
    kind = name.removeprefix(_CORE)
    if kind == "ResourceRequirements":
        for amounts in ("limits", "requests"):
            schema["properties"][amounts] = openapi.opaque()
    for (owner, member), default in _DEFAULTS.items():
        if owner == kind:
            schema["properties"][member]["default"] = default
    return schema


def _schema(source: dict[str, Any]) -> Schema:
    if "$ref" in source:
        return _definition(source["$ref"].rpartition("/")[2])
    schema: Schema = {"type": _type(source["type"])}
    schema.update({key: source[key] for key in _KEPT if key in source})
    if "properties" in source:
        schema["properties"] = {name: _schema(member) for name, member in source["properties"].items()}
    for nested in ("items", "additionalProperties"):
        if isinstance(source.get(nested), dict):
            schema[nested] = _schema(source[nested])
    return schema


def _type(kinds: str | list[str]) -> str:
    return kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")
