"""JSON to types and back, driven by the types themselves.

Reading is tolerant: a member that does not fit is reported as a Problem with its path and read as if it were absent, so
one bad leaf costs that leaf and nothing else. Unknown members are ignored, unless a `Rest` attribute keeps them.
Writing leaves out what is empty (None, "", False, empty lists and objects) and keeps every number.

What values mean together is validate's business.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from rollouts.api.fields import Doc, Inline, Rest, Seconds, Tagged, json_name
from rollouts.lib import durations, intstr, timestamps

T = TypeVar("T")

RAW = "raw"
"""The attribute that keeps the JSON an object was read from; never written."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a JSON path (`spec.strategy.canary.steps[0]`), in words for the user."""

    path: str
    message: str


Problems = list[Problem]
_ABSENT: Any = object()
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an API class as the codec and the schema see it."""

    name: str
    json: str
    type: Any
    doc: Doc
    seconds: Seconds | None
    tagged: Tagged | None
    is_rest: bool
    is_inline: bool


@cache
def _attributes(cls: Any) -> tuple[Attribute, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclasses.fields(cls) if field.name != RAW]
    return tuple(_attribute(name, hints[name]) for name in names)


def attributes(cls: Any) -> tuple[Attribute, ...]:
    """The JSON attributes of an API class, in order of declaration."""
    return _attributes(cls)


def _attribute(name: str, hint: Any) -> Attribute:
    kind: Any = hint
    marks: dict[type, Any] = {}
    if typing.get_origin(hint) is typing.Annotated:
        kind, marks = hint.__origin__, {type(mark): mark for mark in hint.__metadata__}
    doc = marks.get(Doc, Doc(""))
    return Attribute(
        name=name,
        json=doc.name or json_name(name),
        type=kind,
        doc=doc,
        seconds=marks.get(Seconds),
        tagged=marks.get(Tagged),
        is_rest=Rest in marks,
        is_inline=Inline in marks,
    )


def inline_attribute(cls: Any) -> Attribute | None:
    """The attribute whose value is the whole JSON of `cls` (SetWeight is a bare number), if it has one."""
    return next((attribute for attribute in attributes(cls) if attribute.is_inline), None)


@cache
def members(kind: Any) -> tuple[Any, ...]:
    """The types a union allows besides None; any other type alone."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return tuple(member for member in typing.get_args(kind) if member is not type(None))
    return (kind,)


# Reading


def decode(cls: type[T], json: object, problems: Problems, path: str = "") -> T:
    """Read an object as `cls`, adding a Problem for each member that cannot be read; null reads as an empty object."""
    if json is not None and not isinstance(json, Mapping):
        problems.append(Problem(path, f"must be an object, not {_shown(json)}"))
    value: Mapping[str, Any] = json if isinstance(json, Mapping) else {}
    known: dict[str, Any] = {}
    rest = dict(value)
    for attribute in attributes(cls):
        if not attribute.is_rest:
            rest.pop(attribute.json, None)
            read = _member(attribute, value, path, problems)
            if read is not _ABSENT:
                known[attribute.name] = read
    for attribute in attributes(cls):
        if attribute.is_rest:
            known[attribute.name] = rest
    if RAW in getattr(cls, "__slots__", ()):
        known[RAW] = value
    return cls(**known)


def read_kind(cls: type, value: Any) -> Any:
    """The value of one kind of a tagged union; None when it cannot be read."""
    read = decode_kind(cls, value, [], "")
    return None if read is _ABSENT else read


def decode_kind(cls: Any, value: Any, problems: Problems, path: str) -> Any:
    """The same, adding a Problem for each member that cannot be read."""
    inline = inline_attribute(cls)
    if inline is None:
        return _value(cls, value, path, problems)
    read = _attribute_value(inline, value, path, problems)
    return _ABSENT if read is _ABSENT else cls(**{inline.name: read})


def _member(attribute: Attribute, value: Mapping[str, Any], path: str, problems: Problems) -> Any:
    member = value.get(attribute.json)
    if member is None:
        return _ABSENT
    return _attribute_value(attribute, member, join(path, attribute.json), problems)


def _attribute_value(attribute: Attribute, value: Any, path: str, problems: Problems) -> Any:
    if attribute.seconds is not None:
        return _seconds(attribute.seconds, value, path, problems)
    if attribute.tagged is not None:
        return _tagged_value(attribute.tagged, attribute.type, value, path, problems)
    return _value(attribute.type, value, path, problems)


def _seconds(mark: Seconds, value: Any, path: str, problems: Problems) -> Any:
    if mark.numbers and _is_integer(value):
        return value
    if isinstance(value, str):
        is_number = mark.numbers and _DIGITS.fullmatch(value) is not None
        read = int(value) if is_number else durations.whole_seconds(value)
        if read is not None:
            return read if mark.shortest is None else max(read, mark.shortest)
        if "{{" in value:
            return _ABSENT  # a placeholder: read again once its argument is known
    problems.append(Problem(path, f"must be a duration such as 90s or 1h30m, not {_shown(value)}"))
    return _ABSENT if mark.fallback is None else mark.fallback


def _tagged_value(mark: Tagged, kind: Any, value: Any, path: str, problems: Problems) -> Any:
    if typing.get_origin(kind) is not tuple:
        return _tagged(mark, value, path, problems)
    if not _is_list(value):
        problems.append(Problem(path, f"must be a list, not {_kind_of(value)}"))
        return _ABSENT
    read = [_tagged(mark, item, f"{path}[{index}]", problems) for index, item in enumerate(value)]
    return tuple(mark.unreadable() if item is _ABSENT and mark.unreadable else item for item in read)


def _tagged(mark: Tagged, value: Any, path: str, problems: Problems) -> Any:
    names = kinds_in(mark.kinds, value)
    leading = [name for name in mark.leading if name in names][:1]
    if len(names) > 1 and leading:
        names = leading
    if len(names) != 1:
        found = ", ".join(names) or "none"
        problems.append(Problem(path, f"must have exactly one of {', '.join(mark.kinds)}; found {found}"))
        return _ABSENT
    return decode_kind(mark.kinds[names[0]], value[names[0]], problems, join(path, names[0]))


def kinds_in(kinds: Mapping[str, type], value: object) -> list[str]:
    """The members of the JSON of a tagged union that name a kind."""
    return [name for name in kinds if isinstance(value, Mapping) and value.get(name) is not None]


def _value(kind: Any, value: Any, path: str, problems: Problems) -> Any:
    for member in members(kind):
        read = _reader(member)(value, path, problems)
        if read is not _ABSENT:
            return read
    problems.append(Problem(path, f"must be {_wanted(kind)}, not {_shown(value)}"))
    return _ABSENT


Reader = Callable[[Any, str, Problems], Any]


@cache
def _reader(kind: Any) -> Reader:
    """The reader of one type: the value read, or _ABSENT without a word when its kind does not fit."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _list_reader(typing.get_args(kind)[0])
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_reader(typing.get_args(kind)[1])
    if kind is Any:
        return lambda value, path, problems: value
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind is not intstr.IntOrPercent:
        return lambda value, path, problems: (
            decode(kind, value, problems, path) if isinstance(value, Mapping) else _ABSENT
        )
    return lambda value, path, problems: _scalar(kind, value)


def _list_reader(item_kind: Any) -> Reader:
    def read(value: Any, path: str, problems: Problems) -> Any:
        if not _is_list(value):
            return _ABSENT
        items = (_value(item_kind, item, f"{path}[{index}]", problems) for index, item in enumerate(value))
        return tuple(item for item in items if item is not _ABSENT)

    return read


def _mapping_reader(value_kind: Any) -> Reader:
    def read(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, Mapping):
            return _ABSENT
        if value_kind is Any:
            return value
        items = ((str(key), _value(value_kind, item, join(path, str(key)), problems)) for key, item in value.items())
        return {key: item for key, item in items if item is not _ABSENT}

    return read


def _scalar(kind: Any, value: Any) -> Any:
    if kind is bool or kind is str:
        return value if isinstance(value, kind) else _ABSENT
    if kind is int:
        return value if _is_integer(value) else _ABSENT
    if kind is intstr.IntOrPercent:
        return intstr.parse(value) or _ABSENT
    if kind is datetime:
        return (timestamps.parse(value) if isinstance(value, str) else None) or _ABSENT
    if issubclass(kind, Enum):
        return next((member for member in kind if member.value == value), _ABSENT)
    raise AssertionError(f"no reader for {kind}")


def _is_integer(value: Any) -> bool:
    """Whether Go could hold it in an int64."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def join(path: str, name: str) -> str:
    """The path of member `name` of the object at `path`."""
    if not name.isalnum() and not all(char.isalnum() or char in "_-" for char in name):
        return f"{path}['{name}']"
    return f"{path}.{name}" if path else name


_WANTED = {bool: "true or false", str: "a string", int: "an integer", datetime: "an RFC 3339 time"}


def _wanted(kind: Any) -> str:
    return " or ".join(_wanted_member(member) for member in members(kind))


def _wanted_member(kind: Any) -> str:
    if kind in _WANTED:
        return _WANTED[kind]
    if kind is intstr.IntOrPercent:
        return "an integer or a percentage"
    if typing.get_origin(kind) is tuple:
        return "a list"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    return "an object"


def _kind_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if _is_list(value) else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) or _is_list(value):
        return _kind_of(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# Writing


def encode(value: Any) -> dict[str, Any]:
    """The JSON object of an API value: empty members left out; numbers and what the schema requires always present."""
    written: dict[str, Any] = {}
    for attribute in attributes(type(value)):
        member = getattr(value, attribute.name)
        if attribute.is_rest:
            written.update(member)
            continue
        json = _json(member, attribute)
        if json is not None and (attribute.doc.required or not _is_empty(json, attribute)):
            written[attribute.json] = json
    return written


def _is_empty(json: Any, attribute: Attribute) -> bool:
    if json is False:
        return type(None) not in typing.get_args(attribute.type)
    return isinstance(json, (str, list, dict)) and not json


def _json(value: Any, attribute: Attribute) -> Any:
    if attribute.seconds is not None and value is not None:
        return value if attribute.seconds.numbers else durations.render(value)
    if attribute.tagged is not None:
        mark = attribute.tagged
        return [_tag(mark, item) for item in value] if isinstance(value, tuple) else _tag(mark, value)
    return _plain(value)


def _tag(mark: Tagged, value: Any) -> Any:
    return next(({name: _plain(value)} for name, kind in mark.kinds.items() if type(value) is kind), None)


def _plain(value: Any) -> Any:
    if isinstance(value, intstr.IntOrPercent):
        return value.value
    if dataclasses.is_dataclass(value):
        inline = inline_attribute(type(value))
        return _plain(getattr(value, inline.name)) if inline else encode(value)
    if isinstance(value, datetime):
        return timestamps.render(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
