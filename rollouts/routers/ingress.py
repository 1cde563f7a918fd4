"""Ingresses, as routers read and repeat them: whose they are, and which of their routes lead to a Service.

What a dialect says in annotations does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.lib.members import mapping_at
from rollouts.ports import Manifest, ObjectRef

API_VERSION, KIND = "networking.k8s.io/v1", "Ingress"

Route = tuple[str, str, str]
"""Host, path and path type."""


def ref(namespace: str, name: str) -> ObjectRef:
    """The Ingress of this name."""
    return ObjectRef(api_version=API_VERSION, kind=KIND, namespace=namespace, name=name)


def annotations_of(ingress: Manifest) -> Mapping[str, str]:
    """Its annotations; none where there is no such member."""
    return mapping_at(ingress["metadata"], "annotations")


def spec_of(ingress: Manifest) -> Mapping[str, Any]:
    """Its spec; empty where there is no such member."""
    return mapping_at(ingress, "spec")


def is_controlled(ingress: Manifest, *, owner: Manifest) -> bool:
    """Whether the object of this owner reference, and not a namesake, controls it."""
    references = ingress["metadata"].get("ownerReferences") or ()
    return any(each.get("controller") and each["uid"] == owner["uid"] for each in references)


def routes(ingress: Manifest, service: str) -> frozenset[Route]:
    """The routes that lead to a Service. A default backend is none."""
    return frozenset(
        (rule.get("host", ""), path.get("path", ""), path.get("pathType", ""))
        for rule in _rules(ingress)
        for path in _paths(rule)
        if _service(path) == service
    )


def turned(ingress: Manifest, *, service: str, to: str) -> list[Manifest]:
    """Its rules that have a path to a Service, with these paths leading to another; the rest of them is as it was."""
    return [
        {**rule, "http": {**rule["http"], "paths": [_turned(path, service, to) for path in _paths(rule)]}}
        for rule in _rules(ingress)
        if any(_service(path) == service for path in _paths(rule))
    ]


def _turned(path: Manifest, service: str, to: str) -> Manifest:
    if _service(path) != service:
        return path
    backend = path["backend"]
    return {**path, "backend": {**backend, "service": {**backend["service"], "name": to}}}


def _rules(ingress: Manifest) -> Iterator[Manifest]:
    return iter(spec_of(ingress).get("rules") or ())


def _paths(rule: Manifest) -> Iterator[Manifest]:
    return iter(mapping_at(rule, "http").get("paths") or ())


def _service(path: Manifest) -> str | None:
    return mapping_at(path, "backend", "service").get("name")
