"""The OpenAPI documents as they are served: one of version 2 for everything, one of version 3 per group and version.

Documents are written once and kept until what they describe changes; those of built-in groups never do. The index of
version 3 names each document together with a hash of its content, which lets a client keep it.
"""

from __future__ import annotations

import hashlib
import json

from rollouts.sandbox.openapi import paths, schemas
from rollouts.sandbox.openapi.schemas import Dialect
from rollouts.sandbox.resources import SUBRESOURCES, Json, Registry, Resource

_INFO = {"title": "Kubernetes", "version": "unversioned"}
_ALWAYS = (schemas.OBJECT_META, schemas.LIST_META, schemas.STATUS, schemas.DELETE_OPTIONS, schemas.PATCH)


class Documents:
    """The documents of one registry, as bytes of JSON."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._written: dict[tuple[Resource, ...], bytes] = {}

    def index(self) -> Json:
        """`/openapi/v3`: where the document of each group and version is."""
        self._forget_old()
        return {
            "paths": {
                name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={_hash(self._write(resources))}"}
                for name, resources in sorted(self._by_group_version().items())
            }
        }

    def group_version(self, name: str) -> bytes | None:
        """The document called `api/v1` or `apis/apps/v1`; None when nothing of the kind is served."""
        resources = self._by_group_version().get(name)
        return None if resources is None else self._write(resources)

    def swagger(self) -> Json:
        """`/openapi/v2`: the one document for everything."""
        resources = tuple(self._registry.all())
        return {
            "swagger": "2.0",
            "info": _INFO,
            "paths": _paths(resources, "v2"),
            "definitions": _schemas(resources, "v2"),
        }

    def _by_group_version(self) -> dict[str, tuple[Resource, ...]]:
        grouped: dict[str, tuple[Resource, ...]] = {}
        for resource in self._registry.all():
            name = resource.api_path.removeprefix("/")
            grouped[name] = (*grouped.get(name, ()), resource)
        return grouped

    def _write(self, resources: tuple[Resource, ...]) -> bytes:
        if resources not in self._written:
            document = {
                "openapi": "3.0.0",
                "info": _INFO,
                "paths": _paths(resources, "v3"),
                "components": {"schemas": _schemas(resources, "v3")},
            }
            self._written[resources] = json.dumps(document, separators=(",", ":")).encode()
        return self._written[resources]

    def _forget_old(self) -> None:
        current = set(self._by_group_version().values())
        self._written = {resources: body for resources, body in self._written.items() if resources in current}


def _paths(resources: tuple[Resource, ...], dialect: Dialect) -> Json:
    return dict(sorted(item for resource in resources for item in paths.path_items(resource, dialect)))


def _schemas(resources: tuple[Resource, ...], dialect: Dialect) -> Json:
    names = list(_ALWAYS)
    own: dict[str, Json] = {}
    for resource in resources:
        subs = [SUBRESOURCES[name] for name in resource.subresources]
        names += [schemas.kind_name(sub.group, sub.version, sub.kind) for sub in subs if sub.kind]
        if resource.custom is None:
            names += [
                schemas.kind_name(resource.group, resource.version, k) for k in (resource.kind, resource.list_kind)
            ]
        else:
            own |= schemas.custom(resource, dialect)
    return dict(sorted({**schemas.closure(names, dialect), **own}.items()))


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32].upper()
