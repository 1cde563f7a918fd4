"""Defaults and rules of the built-in kinds: one table from kind to the functions that know it."""

from __future__ import annotations

from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema import kind_defaults
from rollouts.sandbox.schema.crd import validate_definition
from rollouts.sandbox.schema.violations import Violation


def apply_defaults(resource: Resource, obj: Json, old: Json | None) -> None:
    """Fill in what the server fills in, in place."""
    kind = (resource.group, resource.kind)
    for table in (kind_defaults.ALWAYS, kind_defaults.ON_CREATE if old is None else {}):
        fill = table.get(kind)
        if fill is not None:
            fill(obj)


def validate(resource: Resource, obj: Json, old: Json | None, found: list[Violation], *, subresource: str) -> None:
    """Append to `found` what is wrong with the object."""
    if resource.kind == "CustomResourceDefinition":
        validate_definition(obj, old, found)
