"""Pruning a custom resource: fields that its schema does not name are dropped, and nulls that it does not allow."""

from __future__ import annotations

from typing import Any

from rollouts.sandbox.schema.decoding import decode
from rollouts.sandbox.schema.definitions import OBJECT_META, compile_definition
from rollouts.sandbox.schema.model import Schema
from rollouts.sandbox.schema.paths import Path, dotted

_TYPE_META = ("apiVersion", "kind", "metadata")


def prune_root(obj: dict[str, Any], schema: Schema, unknown: list[str]) -> dict[str, Any]:
    """The whole object pruned; its metadata is read as every object's is (raising decoding.UnreadableError)."""
    metadata = _read_metadata(obj, unknown, "metadata")
    missed: list[str] = []
    pruned = _prune_object(obj, schema, missed, None, skip=_TYPE_META)
    unknown.extend(sorted(missed))
    return pruned if metadata is None else {**pruned, "metadata": metadata}


def _read_metadata(obj: dict[str, Any], unknown: list[str], where: str) -> dict[str, Any] | None:
    """The metadata of an object, read on its own as a server reads it; None when there is none to read."""
    if not isinstance(obj.get("metadata"), dict):
        return None
    missed: list[str] = []
    metadata: dict[str, Any] = decode(obj["metadata"], compile_definition(OBJECT_META), missed)
    unknown.extend(f"{where}.{path}" for path in missed)
    return metadata


def prune(value: Any, schema: Schema, unknown: list[str], path: Path = None) -> Any:
    """The value without what its schema does not name; paths of dropped fields are appended to `unknown`.

    The argument is not changed. A value of the wrong type is left as it is, for validation to complain about. Below
    `x-kubernetes-preserve-unknown-fields` unnamed fields stay, but named ones are pruned by their own schema.
    """
    if type(value) is dict:
        if schema.embedded:
            return _prune_embedded(value, schema, unknown, path)
        return _prune_object(value, schema, unknown, path)
    if type(value) is list and schema.items is not None:
        items = schema.items
        return [prune(part, items, unknown, (path, index)) for index, part in enumerate(value)]
    if type(value) is float and value.is_integer():
        return int(value)  # JSON knows one kind of number, and the server writes a whole one without a fraction
    return value


def _prune_embedded(value: dict[str, Any], schema: Schema, unknown: list[str], path: Path) -> dict[str, Any]:
    metadata = _read_metadata(value, unknown, dotted((path, "metadata")))
    pruned = _prune_object(value, schema, unknown, path, skip=_TYPE_META)
    return pruned if metadata is None else {**pruned, "metadata": metadata}


def _prune_object(
    value: dict[str, Any], schema: Schema, unknown: list[str], path: Path, *, skip: tuple[str, ...] = ()
) -> dict[str, Any]:
    properties, additional = schema.properties, schema.additional
    result = {}
    for name, part in value.items():
        if name in skip:
            result[name] = part
            continue
        below = properties.get(name, additional)
        if below is None:
            if schema.preserve_unknown:
                result[name] = part
            else:
                unknown.append(dotted((path, name)))
        elif part is not None or below.nullable:
            result[name] = prune(part, below, unknown, (path, name))
    return result
