"""OpenAPI version 2 in the protobuf encoding that client-go asks for.

client-go reads `/openapi/v2` as a protobuf message only. The message mirrors the JSON document, so a table of field
numbers and a writer of three wire types are enough; extensions (`x-kubernetes-...`) travel as YAML text. Numbers that
no served schema uses are not in the tables: a schema keyword without a number is left out, which only loosens it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from typing import Any

from rollouts.sandbox.resources import Json

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OLD_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What client-go sends in Accept; it is not a valid media type, so an answer carries the other one."""

_VARINT, _FIXED64, _BYTES = 0, 1, 2
Writer = Callable[[Any], bytes]
Fields = dict[str, tuple[int, Writer]]


def encode(swagger: Json) -> bytes:
    """The document as a protobuf message."""
    return _message(
        _text(1, swagger["swagger"]),
        _sub(2, _message(_text(1, swagger["info"]["title"]), _text(2, swagger["info"]["version"]))),
        _sub(8, _message(*(_named(2, name, _fields(item, _PATH_ITEM)) for name, item in swagger["paths"].items()))),
        _sub(9, _schema_map(swagger["definitions"])),
    )


def _message(*parts: bytes) -> bytes:
    return b"".join(parts)


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1  # a negative number is written as its two's complement of 64 bits
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _sub(number: int, body: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(body)) + body


def _text(number: int, text: str) -> bytes:
    return _sub(number, text.encode())


def _named(number: int, name: str, body: bytes) -> bytes:
    return _sub(number, _text(1, name) + _sub(2, body))


def _any(value: Any) -> bytes:
    return _text(2, json.dumps(value))


def _string_field(value: Any) -> bytes:
    body = str(value).encode()
    return _varint(len(body)) + body


def _bool_field(value: Any) -> bytes:
    return _varint(int(bool(value)))


def _nested(write: Writer) -> Writer:
    def field(value: Any) -> bytes:
        body = write(value)
        return _varint(len(body)) + body

    return field


def _fields(value: Json, fields: Fields) -> bytes:
    """The known fields of an object in their own encoding, then its extensions."""
    parts: list[bytes] = []
    for key, item in value.items():
        if key in fields:
            number, write = fields[key]
            repeated = item if isinstance(item, list) and key not in _SINGLE_LISTS else [item]
            parts += [_tag(number, _WIRE_TYPES.get(write, _BYTES)) + write(each) for each in repeated]
        elif key.startswith("x-"):
            parts.append(_named(fields["x-"][0], key, _any(item)))
    return b"".join(parts)


def _schema(schema: Json) -> bytes:
    return _fields(schema, _SCHEMA)


def _schema_map(schemas: Json) -> bytes:
    return b"".join(_named(1, name, _schema(schema)) for name, schema in schemas.items())


def _items(schema: Json) -> bytes:
    return _sub(1, _schema(schema))


def _type(name: str | list[str]) -> bytes:
    names: Iterable[str] = [name] if isinstance(name, str) else name
    return b"".join(_text(1, each) for each in names)


def _additional(value: Any) -> bytes:
    if isinstance(value, bool):
        return _tag(2, _VARINT) + _bool_field(value)
    return _sub(1, _schema(value))


def _operation(operation: Json) -> bytes:
    return _fields(operation, _OPERATION)


def _parameter(parameter: Json) -> bytes:
    if parameter["in"] == "body":
        return _sub(1, _sub(1, _fields(parameter, _BODY_PARAMETER)))
    kind, fields = (4, _PATH_PARAMETER) if parameter["in"] == "path" else (3, _QUERY_PARAMETER)
    return _sub(1, _sub(2, _sub(kind, _fields(parameter, fields))))


def _responses(responses: Json) -> bytes:
    return b"".join(_named(1, code, _sub(1, _fields(each, _RESPONSE))) for code, each in responses.items())


def _number_field(value: Any) -> bytes:
    return struct.pack("<d", value)


def _int_field(value: Any) -> bytes:
    return _varint(int(value))


_WIRE_TYPES: dict[Writer, int] = {_bool_field: _VARINT, _int_field: _VARINT, _number_field: _FIXED64}
_SINGLE_LISTS = frozenset({"default", "example"})  # their value may be a list, and is one value
_STRING, _ANY = _string_field, _nested(_any)
_SUB_SCHEMA = _nested(_schema)
_SCHEMA: Fields = {
    "$ref": (1, _STRING),
    "format": (2, _STRING),
    "title": (3, _STRING),
    "description": (4, _STRING),
    "default": (5, _ANY),
    "multipleOf": (6, _number_field),
    "maximum": (7, _number_field),
    "exclusiveMaximum": (8, _bool_field),
    "minimum": (9, _number_field),
    "exclusiveMinimum": (10, _bool_field),
    "maxLength": (11, _int_field),
    "minLength": (12, _int_field),
    "pattern": (13, _STRING),
    "maxItems": (14, _int_field),
    "minItems": (15, _int_field),
    "uniqueItems": (16, _bool_field),
    "maxProperties": (17, _int_field),
    "minProperties": (18, _int_field),
    "required": (19, _STRING),
    "enum": (20, _ANY),
    "additionalProperties": (21, _nested(_additional)),
    "type": (22, _nested(_type)),
    "items": (23, _nested(_items)),
    "allOf": (24, _SUB_SCHEMA),
    "properties": (25, _nested(_schema_map)),
    "example": (30, _ANY),
    "x-": (31, _ANY),
}
_PARAMETER = _nested(_parameter)
_PATH_ITEM: Fields = {
    "get": (2, _nested(_operation)),
    "put": (3, _nested(_operation)),
    "post": (4, _nested(_operation)),
    "delete": (5, _nested(_operation)),
    "patch": (8, _nested(_operation)),
    "parameters": (9, _PARAMETER),
    "x-": (10, _ANY),
}
_OPERATION: Fields = {
    "produces": (6, _STRING),
    "consumes": (7, _STRING),
    "parameters": (8, _PARAMETER),
    "responses": (9, _nested(_responses)),
    "x-": (13, _ANY),
}
_BODY_PARAMETER: Fields = {
    "name": (2, _STRING),
    "in": (3, _STRING),
    "required": (4, _bool_field),
    "schema": (5, _SUB_SCHEMA),
    "x-": (6, _ANY),
}
_QUERY_PARAMETER: Fields = {"in": (2, _STRING), "name": (4, _STRING), "type": (6, _STRING), "x-": (23, _ANY)}
_PATH_PARAMETER: Fields = {
    "required": (1, _bool_field),
    "in": (2, _STRING),
    "name": (4, _STRING),
    "type": (5, _STRING),
    "x-": (22, _ANY),
}
_RESPONSE: Fields = {
    "description": (1, _STRING),
    "schema": (2, _nested(lambda schema: _sub(1, _schema(schema)))),
    "x-": (5, _ANY),
}
