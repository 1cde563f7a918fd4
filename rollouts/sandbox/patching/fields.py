"""Sets of fields: what one manager owns, as FieldsV1 in an object's metadata and as paths in memory.

A path is a tuple of elements in their FieldsV1 spelling: `f:spec` is a field, `k:{"name":"web"}` an item of a list of
maps, `v:"x"` an item of a set, `i:0` one of an atomic list (only in messages). A field set is a frozenset of paths.
Walking objects is not done here (structure.py).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import Any

FieldPath = tuple[str, ...]
FieldSet = frozenset[FieldPath]
Json = dict[str, Any]

EMPTY: FieldSet = frozenset()
_MEMBER = "."


def field_element(name: str) -> str:
    """The element of a named field."""
    return f"f:{name}"


def key_element(keys: Json) -> str:
    """The element of an item of a list of maps, by the values of its keys."""
    return "k:" + json.dumps(keys, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def value_element(value: Any) -> str:
    """The element of an item of a set."""
    return "v:" + json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def to_fields_v1(fields: Iterable[FieldPath]) -> Json:
    """The set as nested FieldsV1: an empty object is a member, `.` marks a member that has members below it."""
    root: Json = {}
    for path in sorted(fields):
        node = root
        for element in path[:-1]:
            below = node.get(element)
            if below is None:
                below = node[element] = {}
            elif not below:
                below[_MEMBER] = {}
            node = below
        node.setdefault(path[-1], {})
    return root


def from_fields_v1(fields: Json) -> FieldSet:
    """The set that nested FieldsV1 stand for."""
    found: list[FieldPath] = []
    _collect(fields, (), found)
    return frozenset(found)


def _collect(node: Json, path: FieldPath, found: list[FieldPath]) -> None:
    for element, below in node.items():
        if element == _MEMBER:
            found.append(path)
        elif below:
            _collect(below, (*path, element), found)
        else:
            found.append((*path, element))


def with_named_parents(fields: FieldSet) -> FieldSet:
    """The set and every named field on the way to its members; list items on the way are not added."""
    parents = {path[:end] for path in fields for end in range(1, len(path)) if path[end - 1].startswith("f:")}
    return fields | parents


def without_below(fields: FieldSet, removed: FieldSet) -> FieldSet:
    """The set without the removed paths and everything below them."""
    if not removed:
        return fields
    return frozenset(path for path in fields if not any(path[:end] in removed for end in range(1, len(path) + 1)))


def path_text(path: FieldPath) -> str:
    """The path as conflict messages write it: `.spec.containers[name="web"].image`."""
    return "".join(_element_text(element) for element in path)


@functools.lru_cache(maxsize=4096)
def _element_text(element: str) -> str:
    kind, rest = element[:2], element[2:]
    if kind == "k:":
        keys = json.loads(rest)
        return "[" + ",".join(f"{name}={json.dumps(keys[name])}" for name in sorted(keys)) + "]"
    if kind == "v:":
        return f"[={rest}]"
    if kind == "i:":
        return f"[{rest}]"
    return f".{rest}"
