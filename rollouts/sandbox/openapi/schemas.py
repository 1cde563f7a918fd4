"""Schemas of the served kinds in the dialects of OpenAPI 2 and 3.

Built-in definitions come as JSON schema, where optional fields may be null and every kind lists its names as enums;
OpenAPI wants one type each. A custom kind brings its schema with it and gets here what every kind has: `apiVersion`,
`kind` and the metadata. The dialects differ in where references point and in what a schema may say at all: version 2
knows neither `nullable` nor alternatives, so there such a schema says less.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema import definitions as builtin

Dialect = Literal["v2", "v3"]

GVK = "x-kubernetes-group-version-kind"
_REFS: dict[Dialect, str] = {"v2": "#/definitions/", "v3": "#/components/schemas/"}
_SOURCE_REF = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META, LIST_META = f"{_META}ObjectMeta", f"{_META}ListMeta"
STATUS, DELETE_OPTIONS, PATCH = f"{_META}Status", f"{_META}DeleteOptions", f"{_META}Patch"
_EXAMPLE = "io.k8s.api.core.v1.ConfigMap"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_NESTED_MAPS = ("properties",)
_NESTED_LISTS = ("allOf", "anyOf", "oneOf")
_NESTED = ("items", "additionalProperties", "not")
_NOT_IN_V2 = frozenset(
    {
        "anyOf",
        "default",
        "not",
        "nullable",
        "oneOf",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-validations",
    }
)
_LOOSE = ("nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")


def reference(name: str, dialect: Dialect) -> Json:
    """A schema that refers to a named one."""
    return {"$ref": _REFS[dialect] + name}


def gvk(group: str, version: str, kind: str) -> Json:
    """The extension by which a client finds the schema or the path of a kind."""
    return {"group": group, "version": version, "kind": kind}


def name_of(resource: Resource) -> str:
    """The name of the schema of a resource's objects."""
    return kind_name(resource.group, resource.version, resource.kind)


def kind_name(group: str, version: str, kind: str) -> str:
    """The name of the schema of a kind: that of its built-in definition, or one made from its reversed group."""
    known = builtin.definition_name(group, version, kind)
    return known or ".".join([*reversed(group.split(".")), version, kind])


def closure(names: Iterable[str], dialect: Dialect) -> dict[str, Json]:
    """The named built-in schemas and all that they refer to."""
    found: dict[str, Json] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name in builtin.definitions():
            found[name] = _builtin(name, dialect)
            waiting += [ref.removeprefix(_SOURCE_REF) for ref in _references(builtin.definitions()[name])]
    return dict(sorted(found.items()))


def custom(resource: Resource, dialect: Dialect) -> dict[str, Json]:
    """The schemas of a custom kind and of its list."""
    declared = ((resource.custom or {}).get("schema") or {}).get("openAPIV3Schema") or {}
    schema = _custom_root(declared, dialect)
    schema[GVK] = [gvk(resource.group, resource.version, resource.kind)]
    items = {"type": "array", "items": reference(name_of(resource), dialect)}
    listed = {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **_type_meta(),
            "metadata": _described(reference(LIST_META, dialect), _metadata_text(f"{_EXAMPLE}List"), dialect),
            "items": items,
        },
        GVK: [gvk(resource.group, resource.version, resource.list_kind)],
    }
    return {name_of(resource): schema, kind_name(resource.group, resource.version, resource.list_kind): listed}


def _custom_root(declared: Json, dialect: Dialect) -> Json:
    metadata = _described(reference(OBJECT_META, dialect), _metadata_text(_EXAMPLE), dialect)
    if dialect == "v2" and declared.get("x-kubernetes-preserve-unknown-fields"):
        return {key: value for key, value in declared.items() if key == "description"} | {"type": "object"}
    converted = convert(declared, dialect) if dialect == "v3" else loosen(convert(declared, dialect))
    own = {key: value for key, value in (converted.get("properties") or {}).items() if key != "metadata"}
    return {**converted, "type": "object", "properties": {**_type_meta(), "metadata": metadata} | own}


def _metadata_text(name: str) -> str:
    """What is said of metadata everywhere."""
    return str(builtin.definitions()[name]["properties"]["metadata"]["description"])


def _type_meta() -> Json:
    properties = builtin.definitions()[DELETE_OPTIONS]["properties"]
    return {name: {"type": "string", "description": properties[name]["description"]} for name in ("apiVersion", "kind")}


@functools.cache
def _builtin(name: str, dialect: Dialect) -> Json:
    if name == _QUANTITY:
        return _alternatives("string", "number", dialect=dialect)
    if name == _INT_OR_STRING:
        return _alternatives("integer", "string", dialect=dialect) | {"format": "int-or-string"}
    return convert(builtin.definitions()[name], dialect)


def _alternatives(*types: str, dialect: Dialect) -> Json:
    return {"type": "string"} if dialect == "v2" else {"oneOf": [{"type": each} for each in types]}


def convert(schema: Json, dialect: Dialect) -> Json:
    """One schema with everything below it, in the dialect."""
    if "$ref" in schema:
        target = reference(schema["$ref"].removeprefix(_SOURCE_REF), dialect)
        own = {key: value for key, value in schema.items() if key not in ("$ref", "description")}
        return {**_described(target, schema.get("description"), dialect), **own}
    result: Json = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, list):
            result[key] = value[0]
        elif key != "enum" or not _is_gvk_enum(schema):
            result[key] = _convert_value(key, value, dialect)
    return result


def _convert_value(key: str, value: Any, dialect: Dialect) -> Any:
    if key in _NESTED_MAPS:
        return {name: convert(part, dialect) for name, part in value.items()}
    if key in _NESTED_LISTS:
        return [convert(part, dialect) for part in value]
    if key in _NESTED and isinstance(value, dict):
        return convert(value, dialect)
    return value


def _described(target: Json, description: str | None, dialect: Dialect) -> Json:
    if description is None:
        return target
    # In version 3 nothing may stand beside a reference, so one with a description is wrapped.
    return (
        {"description": description, **target} if dialect == "v2" else {"description": description, "allOf": [target]}
    )


def _is_gvk_enum(schema: Json) -> bool:
    """Only the data writes a nullable enum; that of a custom kind is a rule to keep."""
    return isinstance(schema.get("type"), list)


def loosen(schema: Json) -> Json:
    """What version 2 can say of a custom schema: where it cannot say all, it must not say too much."""
    drop = set(_NOT_IN_V2)
    if any(schema.get(word) for word in _LOOSE):
        drop |= {"type", "items", "properties", "additionalProperties"}
    kept = {key: value for key, value in schema.items() if key not in drop}
    if "properties" in kept:
        kept["properties"] = {name: loosen(part) for name, part in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = loosen(kept[key])
    return kept


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
