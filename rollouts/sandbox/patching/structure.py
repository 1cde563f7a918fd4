"""Walking objects by their schema, for ownership: which fields a value has, what changed, how two values merge.

Objects are granular unless the schema says atomic; lists are atomic unless the schema says they are sets or maps.
Where no schema says anything, objects are granular and lists atomic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rollouts.sandbox.patching.fields import FieldPath, FieldSet, field_element, key_element, value_element
from rollouts.sandbox.schema.model import ANYTHING, NO_DEFAULT, Json, Schema


@dataclass(slots=True)
class Changes:
    """The fields that differ between two values."""

    added: set[FieldPath] = field(default_factory=set)
    modified: set[FieldPath] = field(default_factory=set)
    removed: set[FieldPath] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.removed)


def _granular(value: Any, schema: Schema) -> bool:
    """Whether parts of this value can have owners of their own."""
    if type(value) is dict:
        return schema.map_type != "atomic"
    return type(value) is list and schema.list_type in ("set", "map")


def _parts(value: Any, schema: Schema) -> dict[str, tuple[Any, Schema]]:
    """The parts of a granular value by path element, in order. Of several equal list items the last one counts."""
    if type(value) is dict:
        return {field_element(name): (part, schema.child(name) or ANYTHING) for name, part in value.items()}
    items = schema.items or ANYTHING
    return {item_element(part, schema): (part, items) for part in value}


def item_element(item: Any, schema: Schema) -> str:
    """The path element of an item of a set or of a list of maps."""
    if schema.list_type == "map" and type(item) is dict:
        return key_element(_keys(item, schema))
    return value_element(item)


def _keys(item: Json, schema: Schema) -> Json:
    """The values of an item's keys; a key that is missing counts as its default, or else not at all."""
    keys = {}
    for name in schema.map_keys:
        key_schema = schema.items.properties.get(name) if schema.items else None
        value = item.get(name, key_schema.default if key_schema else NO_DEFAULT)
        if value is not NO_DEFAULT:
            keys[name] = value
    return keys


def field_set(value: Any, schema: Schema) -> FieldSet:
    """The fields that an applied configuration claims: its leaves, and each item of its keyed lists."""
    found: set[FieldPath] = set()
    _claim(value, schema, (), found)
    return frozenset(found)


def _claim(value: Any, schema: Schema, path: FieldPath, found: set[FieldPath]) -> None:
    if not _granular(value, schema) or value == {}:
        if path:
            found.add(path)
        return
    is_list = type(value) is list
    for element, (part, below) in _parts(value, schema).items():
        inner = (*path, element)
        if is_list or element[2:] not in schema.properties:
            found.add(inner)
        if not (is_list and schema.list_type == "set"):
            _claim(part, below, inner, found)


def compare(old: Any, new: Any, schema: Schema) -> Changes:
    """What changed from one object to another; a part that is new counts itself and everything in it."""
    changes = Changes()
    _compare(old, new, schema, (), changes)
    return changes


def _compare(old: Any, new: Any, schema: Schema, path: FieldPath, changes: Changes) -> None:
    if old == new and type(old) is type(new):
        return
    if not (_granular(old, schema) and _granular(new, schema) and type(old) is type(new)) or not (old or new):
        _note_replaced(old, new, schema, path, changes)
        return
    before, after = _parts(old, schema), _parts(new, schema)
    for element, (part, below) in after.items():
        inner = (*path, element)
        if element in before:
            _compare(before[element][0], part, below, inner, changes)
        else:
            _note_all(part, below, inner, changes.added)
    for element, (part, below) in before.items():
        if element not in after:
            _note_all(part, below, (*path, element), changes.removed)


def _note_replaced(old: Any, new: Any, schema: Schema, path: FieldPath, changes: Changes) -> None:
    """A leaf changed, or a value became another kind of value."""
    changes.modified.add(path)
    for value, noted in ((old, changes.removed), (new, changes.added)):
        if value and _granular(value, schema):
            noted.update(_below(value, schema, path))


def _below(value: Any, schema: Schema, path: FieldPath) -> set[FieldPath]:
    found: set[FieldPath] = set()
    _note_all(value, schema, path, found)
    return found - {path}


def _note_all(value: Any, schema: Schema, path: FieldPath, found: set[FieldPath]) -> None:
    found.add(path)
    if value and _granular(value, schema) and not (type(value) is list and schema.list_type == "set"):
        for element, (part, below) in _parts(value, schema).items():
            _note_all(part, below, (*path, element), found)
    elif value and type(value) is list and schema.list_type == "set":
        found.update((*path, value_element(part)) for part in value)


def merge(live: Any, applied: Any, schema: Schema) -> Any:
    """The live value with an applied configuration laid over it. Neither argument is changed."""
    if not (_granular(live, schema) and _granular(applied, schema) and type(live) is type(applied)):
        return applied
    if type(live) is dict:
        merged = dict(live)
        for name, part in applied.items():
            merged[name] = merge(live[name], part, schema.child(name) or ANYTHING) if name in live else part
        return merged
    return _merge_lists(live, applied, schema)


def _merge_lists(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    """Items of both lists: shared ones in the applied order, those only live stay where they stood among them."""
    before, after = _parts(live, schema), _parts(applied, schema)
    order, merged, position = list(before), [], 0
    for element, (part, below) in after.items():
        while position < len(order) and order[position] not in after:
            merged.append(before[order[position]][0])
            position += 1
        if element in before:
            position += 1
            part = merge(before[element][0], part, below)
        merged.append(part)
    merged.extend(before[element][0] for element in order[position:] if element not in after)
    return merged


def remove(value: Any, removed: FieldSet, schema: Schema) -> Any:
    """The value without the removed fields; an object that loses its last field that way goes as well."""
    return _remove(value, _as_tree(removed), schema)


def _as_tree(paths: FieldSet) -> Json:
    """The paths as a tree; None ends a path, and hides whatever lies below it."""
    root: Json = {}
    for path in sorted(paths):
        node: Json | None = root
        for element in path[:-1]:
            node = node.setdefault(element, {}) if node is not None else None
        if node is not None:
            node[path[-1]] = None
    return root


def _remove(value: Any, tree: Json, schema: Schema) -> Any:
    if not _granular(value, schema):
        return value
    kept: list[tuple[str, Any]] = []
    for element, (part, below) in _parts(value, schema).items():
        if element not in tree:
            kept.append((element, part))
        elif tree[element] is not None:
            kept.append((element, _remove(part, tree[element], below)))
    if type(value) is dict:
        return {element[2:]: part for element, part in kept}
    return [part for _, part in kept]
