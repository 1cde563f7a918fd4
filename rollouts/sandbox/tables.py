"""Objects as clients that only show them want them: as a `Table`, or with nothing but their metadata.

A server renders tables, so that `kubectl get` needs to know no kind. Built-in kinds have their `columns`; a custom kind
brings its own as `additionalPrinterColumns`, each a JSONPath into the object. All functions are pure: the age in a row
is measured from the `now` that the caller gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from rollouts.sandbox import ages, jsonpath
from rollouts.sandbox.columns import cluster, networking, pods, workloads
from rollouts.sandbox.columns.column import AGE, NAME, Cells, Column, Printer, age_of, name_of
from rollouts.sandbox.resources import Json, Resource

META_GROUP_VERSION = "meta.k8s.io/v1"
IncludeObject = Literal["None", "Metadata", "Object"]

_DESCRIBED = "Custom resource definition column (in JSONPath format):"
_PRINTERS = {**pods.PRINTERS, **workloads.PRINTERS, **networking.PRINTERS, **cluster.PRINTERS}


def render(
    resource: Resource,
    objects: Sequence[Json],
    *,
    list_meta: Json,
    now: datetime,
    include_object: IncludeObject = "Metadata",
    headers: bool = True,
) -> Json:
    """A `Table` of these objects.

    `list_meta` becomes its metadata: the list's, or for a single object just its resourceVersion. A watch sends the
    `headers` with its first event only.
    """
    printer = printer_of(resource)
    carried = _carried(include_object)
    rows: list[Json] = []
    for obj in objects:
        row: Json = {"cells": printer.cells(obj, now)}
        if resource.kind == "Pod" and resource.custom is None and (conditions := pods.row_conditions(obj)):
            row["conditions"] = conditions
        row["object"] = carried(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": META_GROUP_VERSION,
        "metadata": list_meta,
        "columnDefinitions": [column.header() for column in printer.columns] if headers else None,
        "rows": rows,
    }


def partial(obj: Json) -> Json:
    """An object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": META_GROUP_VERSION, "metadata": obj.get("metadata", {})}


def partial_list(objects: Sequence[Json], *, list_meta: Json) -> Json:
    """The metadata of every object of a list."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": META_GROUP_VERSION,
        "metadata": list_meta,
        "items": [partial(obj) for obj in objects],
    }


def printer_of(resource: Resource) -> Printer:
    """How objects of this resource become rows."""
    if resource.custom is None:
        return _PRINTERS.get((resource.group, resource.kind), cluster.CREATED_AT)
    declared = resource.custom.get("additionalPrinterColumns")
    if not declared:
        return Printer((NAME, AGE), lambda obj, now: [name_of(obj), age_of(obj, now)])
    return Printer((NAME, *(_custom_column(each) for each in declared)), _custom_cells(declared))


def _carried(include_object: IncludeObject) -> Callable[[Json], Json | None]:
    if include_object == "Object":
        return lambda obj: obj
    if include_object == "None":
        return lambda _obj: None
    return partial


def _custom_column(declared: Json) -> Column:
    return Column(
        name=declared["name"],
        type=declared["type"],
        format=declared.get("format", ""),
        priority=declared.get("priority", 0),
        description=declared.get("description") or f"{_DESCRIBED} {declared['jsonPath']}",
    )


def _custom_cells(declared: Sequence[Json]) -> Cells:
    def cells(obj: Json, now: datetime) -> list[Any]:
        return [name_of(obj), *(_custom_cell(column, obj, now) for column in declared)]

    return cells


def _custom_cell(column: Json, obj: Json, now: datetime) -> Any:
    """The first value at the column's path, if it has the column's type; None leaves the cell empty."""
    found = jsonpath.find(column["jsonPath"], obj)
    value = found[0] if found else None
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match column["type"]:
        case "string":
            return _text(value)
        case "date":
            return _date(value, now) if isinstance(value, str) else None
        case "integer":
            return int(value) if is_number else None
        case "number":
            return float(value) if is_number else None
        case _:
            return value if isinstance(value, bool) else None


def _date(value: str, now: datetime) -> str:
    try:
        return ages.since(value, now)
    except ValueError:
        return ages.INVALID


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
