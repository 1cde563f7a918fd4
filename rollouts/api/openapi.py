"""Small words for OpenAPI schemas, so that a hand-written piece of a CRD reads like a list of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}


def text(description: str = "", **facets: Any) -> Schema:
    """A string."""
    return _described({"type": "string", **facets}, description)


def number(description: str = "", *, bits: int = 32, **facets: Any) -> Schema:
    """An integer."""
    return _described({"type": "integer", "format": f"int{bits}", **facets}, description)


def flag(description: str = "") -> Schema:
    """A boolean."""
    return _described({"type": "boolean"}, description)


def int_or_text(description: str = "") -> Schema:
    """An integer or a string."""
    return _described(INT_OR_STRING, description)


def moment(description: str = "") -> Schema:
    """A time."""
    return _described({"type": "string", "format": "date-time"}, description)


def array(items: Schema, description: str = "") -> Schema:
    """A list."""
    return _described({"type": "array", "items": items}, description)


def texts(description: str = "") -> Schema:
    """A list of strings."""
    return array(text(), description)


def mapping(description: str = "", values: Schema | None = None) -> Schema:
    """An object with names of the user's choice; strings unless `values` says otherwise."""
    return _described({"type": "object", "additionalProperties": values or {"type": "string"}}, description)


def obj(description: str, properties: Mapping[str, Schema], *, required: Sequence[str] = ()) -> Schema:
    """An object with these members only."""
    # A server drops an empty `properties`, and kubectl would apply it again for ever.
    members = {"properties": dict(properties)} if properties else {}
    schema = _described({"type": "object", **members}, description)
    return {**schema, "required": list(required)} if required else schema


def opaque(description: str = "", *, is_object: bool = True) -> Schema:
    """Anything, kept as it is: what another program understands."""
    kind = {"type": "object"} if is_object else {}
    return _described({**kind, "x-kubernetes-preserve-unknown-fields": True}, description)


def label_selector(description: str) -> Schema:
    """Kubernetes' LabelSelector."""
    requirement = obj(
        "One condition on a label.",
        {
            "key": text("The label."),
            "operator": text("In, NotIn, Exists or DoesNotExist."),
            "values": texts("The values, for In and NotIn."),
        },
        required=["key", "operator"],
    )
    members = {
        "matchExpressions": array(requirement, "Conditions; all must hold."),
        "matchLabels": mapping("Labels and the values they must have."),
    }
    return {**obj(description, members), "x-kubernetes-map-type": "atomic"}


def _described(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema} if description else dict(schema)
