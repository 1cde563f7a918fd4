"""What an API server set to strict would refuse, and others would drop without a word: unknown and missing fields.

The controller is tolerant of both, so this is for lint. Sections that belong to plugins (routers, providers) are held
to the schemas that the CRDs carry for them, pod templates to the members Kubernetes knows.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api import codec
from rollouts.api.analysis import Metric
from rollouts.api.experiment import ExperimentTemplate
from rollouts.api.findings import Finding, Kind, Place
from rollouts.api.openapi import Schema, label_selector, mapping, obj
from rollouts.api.rollout import RolloutSpec, StepExperimentTemplate
from rollouts.api.schema_providers import providers
from rollouts.api.schema_routers import routers
from rollouts.api.traffic import TrafficRouting
from rollouts.lib import podlayout, quantity

_TEMPLATES = frozenset({(RolloutSpec, "template"), (ExperimentTemplate, "template")})
_SELECTORS = frozenset({RolloutSpec, ExperimentTemplate, StepExperimentTemplate})
_JSON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "array": list,
    "object": Mapping,
    "integer": int,
}


def fields(cls: type, value: Any, place: Place) -> Iterator[Finding]:
    """Unknown and missing fields of the JSON of an API class. What is no object is parse's business."""
    if not isinstance(value, Mapping):
        return
    inline = codec.inline_attribute(cls)
    if inline is not None:
        yield from _nested(cls, inline, value, place)
        return
    known = {attribute.json: attribute for attribute in codec.attributes(cls) if not attribute.is_rest}
    sections = routers() if cls is TrafficRouting else {}
    for name, member in value.items():
        here = place / str(name)
        if name in known:
            yield from _nested(cls, known[name], member, here)
        elif name in sections:
            yield from by_schema(sections[name], member, here)
        else:
            yield here.unknown([*known, *sections])
    for attribute in known.values():
        if attribute.doc.required and value.get(attribute.json) is None:
            yield (place / attribute.json).required()


def by_schema(schema: Schema, value: Any, place: Place) -> Iterator[Finding]:
    """What is wrong with JSON under an OpenAPI schema made of the words of openapi.py. A null is an absent member."""
    if value is None or "x-kubernetes-int-or-string" in schema or not isinstance(schema.get("type"), str):
        return
    kind = schema["type"]
    if not _is_of(kind, value):
        yield _mistyped(kind, place)
    elif kind == "array":
        for index, item in enumerate(value):
            yield from by_schema(schema["items"], item, place[index])
    elif kind == "object":
        yield from _members(schema, value, place)
    elif "enum" in schema and value not in schema["enum"]:
        yield place.unsupported(value, schema["enum"])


def _is_of(kind: str, value: Any) -> bool:
    return isinstance(value, _JSON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _members(schema: Schema, value: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name, member in value.items():
        if name in properties:
            yield from by_schema(properties[name], member, place / str(name))
        elif others is not None:
            yield from by_schema(others, member, place / str(name))
        elif "x-kubernetes-preserve-unknown-fields" not in schema:
            yield (place / str(name)).unknown(properties)
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield (place / name).required()


def _nested(cls: type, attribute: codec.Attribute, value: Any, place: Place) -> Iterator[Finding]:
    if (cls, attribute.name) in _TEMPLATES:
        yield from _template(value, place)
    elif attribute.name == "selector" and cls in _SELECTORS:
        yield from by_schema(label_selector(""), value, place)
    elif cls is Metric and attribute.name == "provider":
        yield from by_schema(providers(), value, place)
    elif attribute.tagged is not None:
        yield from _tagged(attribute.tagged.kinds, value, place)
    else:
        yield from _typed(codec.members(attribute.type)[0], value, place)


def _tagged(kinds: Mapping[str, type], value: Any, place: Place) -> Iterator[Finding]:
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        here = place[index] if isinstance(value, list) else place
        for name, payload in item.items() if isinstance(item, Mapping) else ():
            if name in kinds:
                yield from fields(kinds[name], payload, here / str(name))
            else:
                yield (here / str(name)).unknown(kinds)


def _typed(kind: Any, value: Any, place: Place) -> Iterator[Finding]:
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _typed(typing.get_args(kind)[0], item, place[index])
    elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield from fields(kind, value, place)


def _template(value: Any, place: Place) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        metadata = obj("", {"labels": mapping(), "annotations": mapping()})
        present = {name: member for name, member in value.items() if member is not None}
        if isinstance(present.get("metadata"), Mapping):
            written = {name: member for name, member in present["metadata"].items() if member is not None}
            yield from by_schema(metadata, written, place / "metadata")
        yield from _struct(podlayout.ROOT, {**present, "metadata": {}}, place)


def _struct(name: str, value: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    members = {member.name: member.type for member in podlayout.structs()[name]}
    for key, member in value.items():
        if key in members:
            yield from _pod_value(members[key], member, place / str(key))
        else:
            yield (place / str(key)).unknown(members)


_POD_WORDS: Mapping[str, str] = {"s": "string", "i": "integer", "b": "boolean"}


def _pod_value(kind: str, value: Any, place: Place) -> Iterator[Finding]:
    if value is None:
        return
    if kind.startswith("["):
        yield from _pod_list(kind[1:-1], value, place)
    elif kind in podlayout.structs():
        if isinstance(value, Mapping):
            yield from _struct(kind, value, place)
        else:
            yield _mistyped("object", place)
    elif kind.startswith("{"):
        yield from _pod_map(kind[1:-1], value, place)
    elif kind == "q" and quantity.parse(value) is None:
        yield _mistyped("quantity", place)
    elif kind in _POD_WORDS and not _is_of(_POD_WORDS[kind], value):
        yield _mistyped(_POD_WORDS[kind], place)


def _pod_list(kind: str, value: Any, place: Place) -> Iterator[Finding]:
    if not isinstance(value, list):
        yield _mistyped("array", place)
        return
    for index, item in enumerate(value):
        yield from _pod_value(kind, item, place[index])


def _pod_map(kind: str, value: Any, place: Place) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _mistyped("object", place)
        return
    for name, member in value.items():
        yield from _pod_value(kind, member, place / str(name))


def _mistyped(kind: str, place: Place) -> Finding:
    return Finding(path=place.path, field=place.field, kind=Kind.MALFORMED, message=f"must be of type {kind}")
