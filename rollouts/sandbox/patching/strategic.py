"""Strategic merge patch: like a merge patch, but lists that the schema keys merge item by item.

Directives inside the patch say what data alone cannot: `$patch` (replace, delete), `$retainKeys`,
`$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>`. Only built-in kinds have the schema for this.
"""

from __future__ import annotations

from typing import Any

from rollouts.sandbox import errors
from rollouts.sandbox.patching.typed import go_text
from rollouts.sandbox.schema.model import ANYTHING, Json, Schema

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"


def strategic_merge(target: Json, patch: Json, schema: Schema) -> Json:
    """The target with the patch merged in; neither argument is changed.

    Raises errors.ApiError: 400 for a directive that makes no sense, 500 (as a real server does) for an unknown one and
    for an item without its merge key.
    """
    return _merge_object(target, patch, schema)


def _merge_object(target: Any, patch: Json, schema: Schema) -> Json:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {name: _clean(value) for name, value in patch.items() if name != _PATCH}
    if directive == "delete":
        return {}
    if directive is not None:
        raise errors.broken(f"unknown patch type: {directive} in map: {go_text(patch)}")
    result = dict(target) if isinstance(target, dict) else {}
    _retain_keys(result, patch)
    for name in _patched_names(patch):
        _patch_field(result, name, patch, schema.child(name) or ANYTHING)
    return result


def _patched_names(patch: Json) -> list[str]:
    """The fields that a patch touches, whether by data or by a directive about a list, each once."""
    names = [
        name.removeprefix(_ORDER).removeprefix(_DELETE_PRIMITIVES)
        for name in patch
        if name not in (_PATCH, _RETAIN_KEYS)
    ]
    return list(dict.fromkeys(names))


def _retain_keys(result: Json, patch: Json) -> None:
    retained = patch.get(_RETAIN_KEYS)
    if retained is None:
        return
    stated = {name for name in patch if not name.startswith("$")}
    if not isinstance(retained, list) or not stated - {n for n in stated if patch[n] is None} <= set(retained):
        raise errors.bad_request("invalid patch format of retainKeys")
    for name in [name for name in result if name not in retained]:
        del result[name]


def _patch_field(result: Json, name: str, patch: Json, schema: Schema) -> None:
    is_stated, value = name in patch, patch.get(name)
    order, gone = patch.get(_ORDER + name), patch.get(_DELETE_PRIMITIVES + name)
    if is_stated and value is None:
        result.pop(name, None)
    elif isinstance(value, dict):
        if value.get(_PATCH) == "delete":
            result.pop(name, None)
        elif "replace" in schema.patch_strategy and _PATCH not in value:
            result[name] = _clean(value)
        else:
            result[name] = _merge_object(result.get(name), value, schema)
    elif "merge" in schema.patch_strategy and (isinstance(value, list) or not is_stated):
        current = result.get(name)
        if current is not None or value is not None:
            result[name] = _merge_list(current or [], value or [], schema, order=order, gone=gone)
    elif is_stated:
        result[name] = value


def _merge_list(live: list[Any], patch: list[Any], schema: Schema, *, order: Any, gone: Any) -> list[Any]:
    if schema.merge_key:
        merged = _merge_items(live, patch, schema)
        order = order if order is not None else patch
        identity = [_identity(item, schema.merge_key) for item in merged]
        wanted = [_identity(item, schema.merge_key) for item in order if schema.merge_key in item]
        before = [_identity(item, schema.merge_key) for item in live]
    else:
        merged = [item for item in live if item not in (gone or ())]
        merged += [item for item in dict.fromkeys(patch) if item not in merged]
        identity, wanted, before = merged, list(order if order is not None else patch), live
    by_identity = dict(zip(identity, merged, strict=True))
    return [by_identity[one] for one in _ordered(identity, wanted, before)]


def _ordered(present: list[Any], wanted: list[Any], before: list[Any]) -> list[Any]:
    """Items in the wanted order; those the patch did not know stay where they stood relative to the others."""
    stated = [one for one in wanted if one in present]
    unstated = [one for one in present if one not in wanted]
    position = {one: index for index, one in enumerate(before)}
    result: list[Any] = []
    for one in stated:
        while unstated and position.get(unstated[0], len(before)) < position.get(one, -1):
            result.append(unstated.pop(0))
        result.append(one)
    return result + unstated


def _merge_items(live: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    key, items = schema.merge_key, schema.items or ANYTHING
    if any(isinstance(item, dict) and item.get(_PATCH) == "replace" and key not in item for item in patch):
        return [_clean(item) for item in patch if item != {_PATCH: "replace"}]
    merged = {_identity(item, key): item for item in live}
    for item in patch:
        identity = _identity(item, key)
        directive = item.get(_PATCH)
        if directive == "delete":
            merged.pop(identity, None)
        else:
            merged[identity] = _merge_object(merged.get(identity), item, items)
    return list(merged.values())


def _identity(item: Any, key: str) -> Any:
    if not isinstance(item, dict) or key not in item:
        raise errors.broken(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return item[key]


def _clean(value: Any) -> Any:
    """A replacing value without the directives and nulls in it."""
    if isinstance(value, dict):
        return {name: _clean(part) for name, part in value.items() if not name.startswith("$") and part is not None}
    return [_clean(part) for part in value] if isinstance(value, list) else value
