"""Validating a custom resource against its structural schema, with the API server's words for every mistake.

Pruning and defaulting have happened before. On an update, mistakes in a part that did not change are not reported
again: an object that was valid when it was written can still be changed elsewhere. What CEL rules say is checked in
cel.py, and only for objects that pass here.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.correlation import by_key, item_key, same
from rollouts.sandbox.schema.formats import matches_format
from rollouts.sandbox.schema.model import Junctors, Limits, Schema, integer_range
from rollouts.sandbox.schema.object_meta import check_annotations, check_labels
from rollouts.sandbox.schema.paths import Path, dotted
from rollouts.sandbox.schema.violations import Violation

_ABSENT: Any = object()
_NOT_A_FIELD = "<nil>"
_JSON_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


def validate_update(value: Any, old: Any, schema: Schema, found: list[Violation]) -> None:
    """Append to `found` everything that is wrong with the value and was not already so in the old one."""
    wrong: list[Violation] = []
    validate(value, schema, wrong)
    if wrong:
        _validate_changed(value, old, schema, found, None)


def validate(value: Any, schema: Schema, found: list[Violation], path: Path = None) -> None:
    """Append to `found` everything that is wrong with the value."""
    if value is None and schema.nullable:
        return
    _validate_here(value, schema, found, path)
    if type(value) is dict:
        properties, additional = schema.properties, schema.additional
        for name, part in value.items():
            below = properties.get(name, additional)
            if below is not None:
                validate(part, below, found, (path, name))
        _check_required(value, schema, found, path)
    elif type(value) is list and schema.items is not None:
        items = schema.items
        for index, part in enumerate(value):
            validate(part, items, found, (path, index))


def _validate_changed(value: Any, old: Any, schema: Schema, found: list[Violation], path: Path) -> None:
    """Like validate, but silent about whatever equals its old value."""
    if (value is None and schema.nullable) or same(value, old):
        return
    _validate_here(value, schema, found, path)
    if type(value) is dict:
        for name, part in value.items():
            below = schema.child(name)
            if below is not None:
                before = old.get(name, _ABSENT) if type(old) is dict else _ABSENT
                _validate_changed(part, before, below, found, (path, name))
        _check_required(value, schema, found, path)
    elif type(value) is list and schema.items is not None:
        before = by_key(old, schema)
        for index, part in enumerate(value):
            _validate_changed(part, before.get(item_key(part, schema), _ABSENT), schema.items, found, (path, index))


def _check_required(value: dict[str, Any], schema: Schema, found: list[Violation], path: Path) -> None:
    absent = [name for name in schema.required if name not in value]
    if schema.embedded:
        absent += [name for name in ("apiVersion", "kind") if not value.get(name)]
    found.extend(say.required(dotted((path, name))) for name in absent)


def _validate_here(value: Any, schema: Schema, found: list[Violation], path: Path) -> None:
    """What is wrong with the value itself, its parts aside."""
    if not _has_right_type(value, schema):
        _note_wrong_type(value, schema, found, path)
        return
    if schema.limits is not None:
        _check_limits(value, schema, schema.limits, found, path)
    if schema.embedded:
        _check_embedded(value, found, path)
    if schema.junctors is not None:
        _check_junctors(value, schema.junctors, found, path)
    if type(value) is list and schema.list_type != "atomic" and len(value) > 1:
        _check_unique(value, schema, found, path)


def _check_embedded(value: dict[str, Any], found: list[Violation], path: Path) -> None:
    """An object within an object has labels and annotations like any other."""
    meta = value.get("metadata")
    if type(meta) is dict:
        check_labels(meta.get("labels") or {}, dotted(((path, "metadata"), "labels")), found)
        check_annotations(meta.get("annotations") or {}, dotted(((path, "metadata"), "annotations")), found)


def _has_right_type(value: Any, schema: Schema) -> bool:
    kind = schema.type
    if schema.int_or_string:
        return type(value) in (int, str) or (type(value) is float and value.is_integer())
    if not kind:
        return True
    actual = _JSON_TYPES[type(value)]
    if actual == kind:
        return True
    if kind == "number":
        return actual == "integer"
    return kind == "integer" and actual == "number" and bool(value.is_integer())


def _note_wrong_type(value: Any, schema: Schema, found: list[Violation], path: Path) -> None:
    where, actual = dotted(path), _JSON_TYPES[type(value)]
    expected = "integer,string" if schema.int_or_string else schema.type
    bounds = integer_range(schema.limits.format) if schema.limits and type(value) is float else None
    if bounds and schema.limits:
        expected, actual = schema.limits.format, "float64"
    found.append(say.type_invalid(where, actual, f'{where} in body must be of type {expected}: "{actual}"'))
    if bounds:
        found.append(_out_of_range(expected, where))


def _out_of_range(format_name: str, where: str) -> Violation:
    return say.invalid(_NOT_A_FIELD, "", f"Checked value must be of type integer with format {format_name} in {where}")


def _check_unique(value: list[Any], schema: Schema, found: list[Violation], path: Path) -> None:
    """Sets hold each value once; maps hold each combination of their keys once."""
    seen: Counter[str] = Counter()
    for index, part in enumerate(value):
        shown = part
        if schema.list_type == "map" and isinstance(part, dict):
            shown = {key: part[key] for key in schema.map_keys if key in part}
        identity = json.dumps(shown, sort_keys=True)
        seen[identity] += 1
        if seen[identity] == 2:  # a value is reported once, however often it occurs
            found.append(say.duplicate(dotted((path, index)), shown))


def _check_limits(value: Any, schema: Schema, limits: Limits, found: list[Violation], path: Path) -> None:
    if limits.enum is not None and not _is_one_of(value, limits.enum):
        listed = [text if isinstance(text, str) else json.dumps(text) for text in limits.enum]
        found.append(say.unsupported(dotted(path), value, listed))
    if isinstance(value, str):
        _check_text(value, limits, found, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(value, schema, limits, found, path)
    elif isinstance(value, list):
        _check_size(len(value), (limits.min_items, limits.max_items), "items", found, path)
        if limits.unique_items and len({json.dumps(part, sort_keys=True) for part in value}) < len(value):
            found.append(say.invalid(dotted(path), value, f"{dotted(path)} in body shouldn't contain duplicates"))
    elif isinstance(value, dict):
        _check_size(len(value), (limits.min_properties, limits.max_properties), "properties", found, path)


def _is_one_of(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Membership as JSON sees it, where true is not 1."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed)


def _check_text(value: str, limits: Limits, found: list[Violation], path: Path) -> None:
    where = dotted(path)
    if limits.max_length is not None and len(value) > limits.max_length:
        found.append(say.too_long(where, limits.max_length))
    if limits.min_length is not None and len(value) < limits.min_length:
        found.append(say.invalid(where, value, f"{where} in body should be at least {limits.min_length} chars long"))
    if limits.pattern is not None and not limits.pattern.search(value):
        found.append(say.invalid(where, value, f"{where} in body should match '{limits.pattern_text}'"))
    if limits.format and not matches_format(limits.format, value):
        detail = f"{where} in body must be of type {limits.format}: {say.shown(value)}"
        found.append(say.type_invalid(where, value, detail))


def _check_number(value: float, schema: Schema, limits: Limits, found: list[Violation], path: Path) -> None:
    where = dotted(path)
    bounds = integer_range(limits.format) if schema.type == "integer" else None
    if bounds and not bounds[0] <= value <= bounds[1]:
        found.append(_out_of_range(limits.format, where))
    for text in _number_problems(value, limits):
        found.append(say.invalid(where, value, f"{where} in body should be {text}"))


def _number_problems(value: float, limits: Limits) -> list[str]:
    low, high, step = limits.minimum, limits.maximum, limits.multiple_of
    problems = []
    if high is not None and (value > high or (limits.exclusive_maximum and value == high)):
        problems.append(f"less than {'' if limits.exclusive_maximum else 'or equal to '}{_number(high)}")
    if low is not None and (value < low or (limits.exclusive_minimum and value == low)):
        problems.append(f"greater than {'' if limits.exclusive_minimum else 'or equal to '}{_number(low)}")
    if step is not None and value % step:
        problems.append(f"a multiple of {_number(step)}")
    return problems


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _check_size(
    size: int, limits: tuple[int | None, int | None], noun: str, found: list[Violation], path: Path
) -> None:
    low, high = limits
    if high is not None and size > high:
        found.append(say.too_many(dotted(path), size, high))
    if low is not None and size < low:
        found.append(say.invalid(dotted(path), size, f"{dotted(path)} in body should have at least {low} {noun}"))


def _mistakes(value: Any, schema: Schema, path: Path) -> list[Violation]:
    found: list[Violation] = []
    validate(value, schema, found, path)
    return found


def _check_junctors(value: Any, junctors: Junctors, found: list[Violation], path: Path) -> None:
    where = dotted(path)
    if junctors.any_of:
        _check_any(value, junctors.any_of, found, path)
    if junctors.one_of:
        _check_one(value, junctors.one_of, found, path)
    if junctors.all_of:
        wrong = [mistakes for part in junctors.all_of if (mistakes := _mistakes(value, part, path))]
        found.extend(one for mistakes in wrong for one in mistakes)
        if wrong:
            outcome = ". None validated" if len(wrong) == len(junctors.all_of) else ""
            found.append(_logic(where, f"must validate all the schemas (allOf){outcome}"))
    if junctors.none_of is not None and not _mistakes(value, junctors.none_of, path):
        found.append(_logic(where, "must not validate the schema (not)"))


def _check_any(value: Any, branches: tuple[Schema, ...], found: list[Violation], path: Path) -> None:
    mistakes = [_mistakes(value, part, path) for part in branches]
    if all(mistakes):
        found.append(_logic(dotted(path), "must validate at least one schema (anyOf)"))
        found.extend(_nearest(mistakes))


def _check_one(value: Any, branches: tuple[Schema, ...], found: list[Violation], path: Path) -> None:
    mistakes = [_mistakes(value, part, path) for part in branches]
    matching = mistakes.count([])
    if matching != 1:
        outcome = f"Found {matching} valid alternatives" if matching else "Found none valid"
        found.append(_logic(dotted(path), f"must validate one and only one schema (oneOf). {outcome}"))
        found.extend(_nearest(mistakes))


def _nearest(mistakes: list[list[Violation]]) -> list[Violation]:
    """What is wrong by the branch that comes nearest."""
    return min(mistakes, key=lambda wrong: len(wrong))


def _logic(where: str, problem: str) -> Violation:
    return say.invalid(_NOT_A_FIELD, "", f'"{where}" {problem}')
