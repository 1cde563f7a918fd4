"""Kubernetes' protobuf encoding of a built-in object, read into the JSON object that it stands for.

Go programs built on client-go 1.32 or newer send bodies of built-in kinds this way unless told otherwise, so an API
that only read JSON would refuse `kubectl create namespace`. Responses stay JSON: those clients accept both.

A body is an envelope that names the kind, around a message whose fields are numbered. The numbers are data
(`messages.txt`); what a field holds follows from its JSON schema. Go writes a field that is no pointer even when it is
empty and its JSON leaves it out, so such a field is left out here too. Fields without a known number are skipped.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources as package_data
from typing import Any

from rollouts.sandbox.resources import Json
from rollouts.sandbox.schema import definitions as builtin

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_REF = "#/$defs/"
_TOKEN = re.compile(r"(?P<open>\d+)\(|(?P<close>\))|(?P<name>[^\s=]+)=(?P<number>\d+)(?P<pointer>\*?)")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Wire = int | float | bytes
Reader = Callable[[Any], Any]


class ProtobufError(ValueError):
    """The body is not what its media type says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """How one numbered field becomes part of the JSON object."""

    name: str
    read: Reader
    is_list: bool = False
    is_map: bool = False
    keeps_zero: bool = False


@dataclass(slots=True)
class _Message:
    """The fields of a message by number; `inline` are messages whose fields belong to this one."""

    fields: dict[int, _Field] = field(default_factory=dict)
    inline: dict[int, _Message] = field(default_factory=dict)


def decode(body: bytes) -> Json:
    """The object in a body. Raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not begin as a Kubernetes protobuf message does")
    try:
        envelope = dict(_wire(body[len(_MAGIC) :]))
        names = dict(_wire(_bytes(envelope.get(1, b""))))
        api_version, kind = _text(names.get(1, b"")), _text(names.get(2, b""))
        group, _, version = api_version.rpartition("/")
        name = builtin.definition_name(group, version, kind)
        if name is None:
            raise ProtobufError(f"no kind {kind!r} is registered for version {api_version!r}")
        return {"kind": kind, "apiVersion": api_version, **_object(name, _bytes(envelope.get(2, b"")))}
    except (IndexError, struct.error, UnicodeDecodeError, json.JSONDecodeError) as broken:
        raise ProtobufError(f"the body is cut off or malformed: {broken}") from broken


def _wire(data: bytes) -> Iterator[tuple[int, Wire]]:
    """The numbered values of a message, as they stand on the wire."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif wire_type == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise IndexError("a field is longer than its message")
            yield number, data[at : at + length]
            at += length
        elif wire_type in (_FIXED64, _FIXED32):
            form, size = ("<d", 8) if wire_type == _FIXED64 else ("<f", 4)
            yield number, struct.unpack_from(form, data, at)[0]
            at += size
        else:
            raise ProtobufError(f"unknown wire type {wire_type}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _object(name: str, data: bytes) -> Json:
    return _filled(_message(name), data)


def _filled(message: _Message, data: bytes) -> Json:
    result: Json = {}
    for number, value in _wire(data):
        if number in message.inline:
            result |= _filled(message.inline[number], _bytes(value))
        elif number in message.fields:
            _put(result, message.fields[number], value)
    return result


def _put(result: Json, known: _Field, value: Wire) -> None:
    if known.is_map:
        entry = dict(_wire(_bytes(value)))
        key = _text(entry.get(1, b""))
        result.setdefault(known.name, {})[key] = known.read(entry.get(2, b""))
    elif known.is_list:
        result.setdefault(known.name, []).append(known.read(value))
    else:
        found = known.read(value)
        is_zero = found is None or (found in ("", 0, False) and not isinstance(found, dict))
        if known.keeps_zero or not is_zero:
            result[known.name] = found


@functools.cache
def _numbers() -> dict[str, str]:
    """The line of each message."""
    text = (package_data.files(__package__) / "messages.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}


@functools.cache
def _message(name: str) -> _Message:
    definition = builtin.definitions()[name]
    required = set(definition.get("required") or ())
    properties = definition.get("properties") or {}
    outer = _Message()
    open_messages = [outer]
    for token in _TOKEN.finditer(_numbers().get(name, "")):
        if token["open"]:
            inner = open_messages[-1].inline[int(token["open"])] = _Message()
            open_messages.append(inner)
        elif token["close"]:
            open_messages.pop()
        else:
            schema = properties.get(token["name"])
            if schema is not None:
                keeps_zero = bool(token["pointer"]) or token["name"] in required
                known = _field(token["name"], schema, keeps_zero=keeps_zero)
                open_messages[-1].fields[int(token["number"])] = known
    return outer


def _field(name: str, schema: Json, *, keeps_zero: bool) -> _Field:
    kind = _type(schema)
    if kind == "array":
        return _Field(name=name, read=_reader(schema["items"]), is_list=True)
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return _Field(name=name, read=_reader(schema["additionalProperties"]), is_map=True)
    return _Field(name=name, read=_reader(schema), keeps_zero=keeps_zero)


def _reader(schema: Json) -> Reader:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return _SPECIAL.get(name.rpartition(".")[2]) or functools.partial(_object, name)
    kind = _type(schema)
    if kind == "string":
        return _base64 if schema.get("format") == "byte" else _text
    if kind == "array":  # only as the value of a map, where a message of its own wraps the items
        return functools.partial(_wrapped_list, _reader(schema["items"]))
    return _SCALARS.get(kind, _raw_json)


def _type(schema: Json) -> str:
    types = schema.get("type", "")
    return str(types[0] if isinstance(types, list) else types)


def _bytes(value: Wire) -> bytes:
    if not isinstance(value, bytes):
        raise ProtobufError("a message is expected where a number stands")
    return value


def _text(value: Wire) -> str:
    return _bytes(value).decode()


def _base64(value: Wire) -> str:
    return base64.b64encode(_bytes(value)).decode()


def _integer(value: Wire) -> int:
    number = int(value)
    return number - (1 << 64) if number >= 1 << 63 else number


def _number(value: Wire) -> int | float:
    """A number as JSON writes it: a whole one has no fraction."""
    number = float(value)
    return int(number) if number.is_integer() else number


def _wrapped_list(read: Reader, value: Wire) -> list[Any]:
    return [read(item) for _, item in _wire(_bytes(value))]


def _raw_json(value: Wire) -> Any:
    """A message with one field that holds JSON text."""
    text = dict(_wire(_bytes(value))).get(1)
    return json.loads(_bytes(text)) if text else None


def _time(value: Wire, *, digits: int) -> str | None:
    """A moment in RFC 3339; None for the zero time, which Go writes as an empty message."""
    parts = dict(_wire(_bytes(value)))
    if not parts:
        return None
    moment = _EPOCH + timedelta(seconds=_integer(parts.get(1, 0)), microseconds=_integer(parts.get(2, 0)) // 1000)
    fraction = f".{moment.microsecond:06d}" if digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _quantity(value: Wire) -> str:
    return _text(dict(_wire(_bytes(value))).get(1, b"0"))


def _int_or_string(value: Wire) -> int | str:
    parts = dict(_wire(_bytes(value)))
    return _text(parts.get(3, b"")) if parts.get(1) else _integer(parts.get(2, 0))


def _schema_or(value: Wire, other: Callable[[list[tuple[int, Wire]]], Any]) -> Any:
    """A JSON schema (field 1 or 2, a message), or what else may stand in its place."""
    parts = list(_wire(_bytes(value)))
    schemas = [part for number, part in parts if number == 1 and isinstance(part, bytes)]
    return _object(_JSON_SCHEMA, schemas[0]) if schemas else other(parts)


def _schema_or_array(value: Wire) -> Any:
    return _schema_or(value, lambda parts: [_object(_JSON_SCHEMA, _bytes(part)) for _, part in parts])


def _schema_or_strings(value: Wire) -> Any:
    return _schema_or(value, lambda parts: [_text(part) for _, part in parts])


def _schema_or_bool(value: Wire) -> Any:
    parts = dict(_wire(_bytes(value)))
    return _object(_JSON_SCHEMA, _bytes(parts[2])) if 2 in parts else bool(parts.get(1))


_SCALARS: dict[str, Reader] = {"integer": _integer, "boolean": bool, "number": _number}
_JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_SPECIAL: dict[str, Reader] = {
    "Time": functools.partial(_time, digits=0),
    "MicroTime": functools.partial(_time, digits=6),
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "FieldsV1": _raw_json,
    "RawExtension": _raw_json,
    "JSON": _raw_json,
    "JSONSchemaPropsOrArray": _schema_or_array,
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrStringArray": _schema_or_strings,
}
