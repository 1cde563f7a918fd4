"""Which schema a served resource has: one compiled `Schema` per resource, built-in or custom."""

from __future__ import annotations

import dataclasses
import functools

from rollouts.sandbox.resources import Resource
from rollouts.sandbox.schema.definitions import OBJECT_META, builtin_schema, compile_definition
from rollouts.sandbox.schema.model import Json, Schema, compile_custom

_SCHEMAS_KEPT_MAX = 1024  # versions of custom definitions; an old one is only compiled again


@functools.lru_cache(maxsize=_SCHEMAS_KEPT_MAX)
def schema_of(resource: Resource) -> Schema:
    """The schema by which objects of this resource are pruned, defaulted, validated, patched and owned.

    A resource is immutable and compares by identity, so what is compiled for it stays true as long as it lives.
    """
    if resource.custom is None:
        return builtin_schema(resource.group, resource.version, resource.kind)
    return compile_resource(resource.custom)


def compile_resource(version: Json) -> Schema:
    """The schema of one `spec.versions` entry; type and metadata are those of every object whatever it says."""
    declared = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    root = compile_custom(declared) if declared else Schema(type="object", preserve_unknown=True)
    own = {
        "apiVersion": Schema(type="string"),
        "kind": Schema(type="string"),
        "metadata": _metadata(root.properties.get("metadata")),
    }
    root.properties = {**root.properties, **own}
    root.status_apart = "status" in (version.get("subresources") or {})
    root.defaults = tuple(name for name in root.defaults if name not in own)
    return root


def _metadata(declared: Schema | None) -> Schema:
    """The metadata every object has; a definition may only restrict its name."""
    metadata = compile_definition(OBJECT_META)
    name = declared.properties.get("name") if declared else None
    return dataclasses.replace(metadata, properties={**metadata.properties, "name": name}) if name else metadata
