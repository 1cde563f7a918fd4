"""Defaulting a custom resource: missing fields get the defaults of their schema, at every depth."""

from __future__ import annotations

import copy
from typing import Any

from rollouts.sandbox.schema.model import Schema


def apply_defaults(value: Any, schema: Schema) -> None:
    """Fill in missing fields, in place; a missing object is only made when it has a default of its own."""
    if type(value) is dict:
        _default_object(value, schema)
    elif type(value) is list and schema.items is not None:
        for part in value:
            apply_defaults(part, schema.items)


def _default_object(value: dict[str, Any], schema: Schema) -> None:
    properties, additional = schema.properties, schema.additional
    for name in schema.defaults:
        if name not in value:
            value[name] = copy.deepcopy(properties[name].default)
    for name, part in value.items():
        if type(part) is dict or type(part) is list:
            below = properties.get(name, additional)
            if below is not None:
                apply_defaults(part, below)
