"""Reading a built-in object as a typed API server reads it: known fields only, of the right JSON type, no nulls.

A real server decodes into Go structs. What follows from that is visible to clients and imitated here: unknown fields
vanish (and are reported, if asked), nulls mean "not set", and a value of the wrong type is not a validation failure
but a request that cannot be read at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollouts.sandbox.schema.model import Schema
from rollouts.sandbox.schema.paths import Path, dotted, names_only

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_RESTORED_KINDS: dict[type, str] = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    dict: "map",
    list: "slice",
}
_RESTORED_SHAPES = {"[]": "slice", "map[": "map"}
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)


class UnreadableError(Exception):
    """The object cannot be read as its kind; the text is what a JSON decoder says.

    `restored` is what is said instead where no JSON is decoded: of an object that a strategic merge patch has changed.
    """

    def __init__(self, sentence: str, *, restored: str = "") -> None:
        super().__init__(sentence)
        self.restored = restored or sentence


def decode(value: Any, schema: Schema, unknown: list[str], path: Path = None) -> Any:
    """The value with unknown fields and nulls left out; the paths of unknown fields are appended to `unknown`.

    The argument is not changed; parts that need no change are shared. Raises UnreadableError for a wrong JSON type.
    """
    try:
        return _decode(value, schema, unknown, path)
    except _MismatchError as mismatch:
        raise UnreadableError(mismatch.sentence("", path), restored=mismatch.restored()) from None


class _MismatchError(Exception):
    """A value of the wrong type; the struct around it is the one that the sentence names."""

    def __init__(self, value: Any, go_type: str) -> None:
        super().__init__()
        self._value, self._go_type = value, go_type

    def sentence(self, struct: str, path: Path) -> str:
        where = f"Go struct field {struct}.{names_only(path)}" if struct else "Go value"
        return f"json: cannot unmarshal {_go_kind(self._value)} into {where} of type {self._go_type}"

    def restored(self) -> str:
        """What a server says that takes the value from a tree in memory."""
        value, go_type = _RESTORED_KINDS.get(type(self._value), "nil"), self._go_type
        for start, shape in _RESTORED_SHAPES.items():
            if go_type.startswith(start):
                return f"cannot restore {shape} from {value}"
        if "." in go_type:
            return f"cannot restore struct from: {value}"
        is_number = type(self._value) in (int, float)
        is_converted = (go_type == "string" and is_number) or (go_type.startswith("int") and value == "float64")
        return f"cannot convert {value} to {go_type}" if is_converted else f"unrecognized type: {go_type}"


def _decode(value: Any, schema: Schema, unknown: list[str], path: Path) -> Any:
    kind = schema.type
    if kind == "object":
        return _decode_object(value, schema, unknown, path)
    if kind == "array":
        return _decode_list(value, schema, unknown, path)
    if kind:
        return _decode_scalar(value, schema)
    if schema.normalise is not None:
        return _normalised(value, schema.normalise)
    if schema.int_or_string and type(value) not in (int, str):
        raise _MismatchError(value, "intstr.IntOrString")
    return value


def _decode_object(value: Any, schema: Schema, unknown: list[str], path: Path) -> Any:
    if type(value) is not dict:
        raise _MismatchError(value, schema.go_type)
    if schema.properties:
        return _decode_struct(value, schema, unknown, path)
    additional = schema.additional
    if additional is None:
        return value
    return {name: _decode(part, additional, unknown, (path, name)) for name, part in value.items() if part is not None}


def _decode_struct(value: dict[str, Any], schema: Schema, unknown: list[str], path: Path) -> dict[str, Any]:
    properties = schema.properties
    result = {}
    for name, part in value.items():
        below = properties.get(name)
        if below is None:
            unknown.append(dotted((path, name)))
        elif part is not None:
            try:
                decoded = _decode(part, below, unknown, (path, name))
            except _MismatchError as mismatch:
                struct = schema.go_type.rpartition(".")[2]
                raise UnreadableError(mismatch.sentence(struct, (path, name)), restored=mismatch.restored()) from None
            if decoded or not below.omits_zero:
                result[name] = decoded
    return result


def _decode_list(value: Any, schema: Schema, unknown: list[str], path: Path) -> Any:
    if type(value) is not list:
        raise _MismatchError(value, schema.go_type)
    items = schema.items
    if items is None:
        return value
    return [_decode(part, items, unknown, (path, index)) for index, part in enumerate(value)]


def _decode_scalar(value: Any, schema: Schema) -> Any:
    kind = schema.type
    if type(value) not in _SCALARS[kind]:
        raise _MismatchError(value, schema.go_type)
    if kind == "integer" and value not in (_INT32 if schema.go_type == "int32" else _INT64):
        raise _MismatchError(value, schema.go_type)
    return value if schema.normalise is None else _normalised(value, schema.normalise)


def _normalised(value: Any, normalise: Callable[[Any], Any]) -> Any:
    try:
        return normalise(value)
    except ValueError as why:
        raise UnreadableError(str(why)) from None


def _go_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if isinstance(value, float) or value not in _INT32 else "number"
    kinds: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")
