"""Whether an applied configuration fits its schema at all: known fields, right types, items that can be told apart.

This is what makes a merge by schema possible, so it comes before the merge; rules about values come after it. A server
words these mistakes in a way of its own, as failures (500), not as invalid fields.
"""

from __future__ import annotations

from typing import Any

from rollouts.sandbox import errors
from rollouts.sandbox.patching.fields import FieldPath, field_element, path_text
from rollouts.sandbox.patching.structure import item_element
from rollouts.sandbox.schema.model import Json, Schema


def check_fits(applied: Json, schema: Schema) -> None:
    """Raise errors.ApiError with every place where the configuration does not fit the schema."""
    found: list[str] = []
    _check(applied, schema, (), found)
    if not found:
        return
    listed = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
    meta, version = applied.get("metadata") or {}, str(applied.get("apiVersion"))
    kind = f"{version if '/' in version else f'/{version}'}, Kind={applied.get('kind')}"
    what = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {kind}"
    raise errors.broken(f"failed to create typed patch object ({what}): {listed}")


def _check(value: Any, schema: Schema, path: FieldPath, found: list[str]) -> None:
    kind = schema.type
    if value is None or schema.int_or_string or schema.normalise is not None:
        return
    if kind == "object":
        _check_object(value, schema, path, found)
    elif kind == "array":
        _check_list(value, schema, path, found)
    elif kind == "string" and type(value) is not str:
        found.append(f"{path_text(path)}: expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}")
    elif kind == "boolean" and type(value) is not bool:
        found.append(f"{path_text(path)}: expected boolean, got &{{{go_text(value)}}}")
    elif kind in ("integer", "number") and type(value) not in (int, float):
        found.append(f"{path_text(path)}: expected numeric (int or float), got {_go_type(value)}")


def _check_object(value: Any, schema: Schema, path: FieldPath, found: list[str]) -> None:
    if type(value) is not dict:
        found.append(f"{path_text(path)}: expected map, got &{{{go_text(value)}}}")
        return
    for name, part in value.items():
        below, inner = schema.child(name), (*path, field_element(name))
        if below is not None:
            _check(part, below, inner, found)
        elif not schema.preserve_unknown and (schema.properties or not schema.embedded):
            found.append(f"{path_text(inner)}: field not declared in schema")


def _check_list(value: Any, schema: Schema, path: FieldPath, found: list[str]) -> None:
    if type(value) is not list:
        found.append(f"{path_text(path)}: expected list, got &{{{go_text(value)}}}")
        return
    seen: set[str] = set()
    for index, part in enumerate(value):
        problem = _item_problem(part, index, schema)
        if problem:
            found.append(f"{path_text(path)}: {problem}")
            continue
        keyed = schema.list_type in ("map", "set")
        element = item_element(part, schema) if keyed else f"i:{index}"
        if element in seen:
            found.append(f"{path_text(path)}: duplicate entries for key {path_text((element,))}")
        seen.add(element)
        if schema.items is not None:
            _check(part, schema.items, (*path, element), found)


def _item_problem(item: Any, index: int, schema: Schema) -> str:
    if schema.list_type != "map":
        return ""
    if type(item) is not dict:
        return f"element {index}: associative list with keys may not have non-map elements"
    if item_element(item, schema) == "k:{}":
        keys = " ".join(f'"{key}"' for key in schema.map_keys)
        head = f"element {index}: associative list with keys has an element that omits all key fields [{keys}]"
        return f"{head} (and doesn't have default values for any key fields)"
    return ""


def go_text(value: Any) -> str:
    """A JSON value as Go prints it: `map[a:1]`, `[1 2]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{go_text(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_text(part) for part in value)}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def go_syntax(value: Any) -> str:
    """A JSON value as Go source would write it."""
    if isinstance(value, dict):
        parts = ", ".join(f'"{name}":{go_syntax(value[name])}' for name in sorted(value))
        return f"map[string]interface {{}}{{{parts}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(go_syntax(part) for part in value)}}}"
    return f'"{value}"' if isinstance(value, str) else go_text(value)


def _go_type(value: Any) -> str:
    names: dict[type, str] = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
    return names[type(value)]
