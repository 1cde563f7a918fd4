"""Bodies of requests as JSON values: decoded from JSON, YAML or protobuf, as strictly as a real server decodes them.

What comes out can be stored and written again: numbers are finite, texts are Unicode, keys are texts. Python's own
decoders are more generous than that, and one object that cannot be written would break every list that it is in. What
the values mean is not looked at here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rollouts.sandbox import errors
from rollouts.sandbox.protobuf import decoding as protobuf
from rollouts.sandbox.resources import Json
from rollouts.sandbox.schema.paths import Path, dotted

JSON_TYPES = frozenset({"application/json", ""})
YAML_TYPES = frozenset({"application/yaml", "application/apply-patch+yaml"})
BODY_TYPES = JSON_TYPES | YAML_TYPES | {protobuf.MEDIA_TYPE}
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_REPLACEMENT = "\ufffd"
Repeats = dict[int, tuple[Json, list[str]]]
"""Objects in which names occur twice, by id, each with those names."""


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: JSON's types only, so a date stays the text that it is, and every key is a text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """An object of JSON."""
        self.flatten_mapping(node)
        pairs = [(self.construct_object(key, deep=True), self.construct_object(part, deep)) for key, part in node.value]
        return {name if isinstance(name, str) else json.dumps(name): value for name, value in pairs}

    def construct_yaml_float(self, node: Any) -> float:
        """A number of JSON, which is finite. Raises ConstructorError."""
        number = super().construct_yaml_float(node)
        if not math.isfinite(number):
            raise yaml.constructor.ConstructorError(None, None, f"unsupported value: {node.value}", node.start_mark)
        return number


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def decode(body: bytes, *, content_type: str = "", what: str = "json parse error") -> tuple[Any, list[str]]:
    """A body as JSON values, and the paths of keys that occur twice in one of its objects (`spec.ports[0].name`).

    Raises BadRequest; of a JSON text its message begins with `what`.
    """
    if content_type == protobuf.MEDIA_TYPE:
        try:
            return protobuf.decode(body), []
        except protobuf.ProtobufError as failure:
            raise errors.bad_request(f"couldn't decode protobuf: {failure}") from failure
    try:
        return _decode_json(body.decode(errors="replace"))
    except ValueError as failure:
        if content_type not in YAML_TYPES:
            raise errors.bad_request(f"{what}: {_mistake(failure)}") from failure
    try:
        return next(yaml.load_all(body, Loader=_Loader), None), []
    except yaml.YAMLError as failure:
        raise errors.bad_request(f"error converting YAML to JSON: {failure}") from failure


def _decode_json(text: str) -> tuple[Any, list[str]]:
    repeats: Repeats = {}

    def collect(pairs: list[tuple[str, Any]]) -> Json:
        collected = dict(pairs)
        if len(collected) != len(pairs):
            names = [name for name, _ in pairs]
            repeats[id(collected)] = collected, list(dict.fromkeys(name for name in names if names.count(name) > 1))
        return collected

    document = json.loads(text, object_pairs_hook=collect, parse_constant=_refuse_constant, parse_float=_finite)
    duplicates = [dotted(path) for path in _repeated(document, repeats, None)] if repeats else []
    return _unicode(document) if _ESCAPED_SURROGATE.search(text) else document, duplicates


def _refuse_constant(name: str) -> Any:
    where = "in numeric literal" if name.startswith("-") else "looking for beginning of value"
    raise ValueError(f"invalid character '{name.lstrip('-')[0]}' {where}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return number


def _unicode(value: Any) -> Any:
    """The value with halves of surrogate pairs replaced, which are no characters by themselves."""
    if isinstance(value, str):
        return _SURROGATE.sub(_REPLACEMENT, value)
    if isinstance(value, dict):
        return {_unicode(name): _unicode(part) for name, part in value.items()}
    return [_unicode(part) for part in value] if isinstance(value, list) else value


def _repeated(value: Any, repeats: Mapping[int, tuple[Json, list[str]]], path: Path) -> Iterator[Path]:
    """The paths of repeated keys in a decoded value."""
    if isinstance(value, dict):
        _, names = repeats.get(id(value), (value, []))
        yield from ((path, name) for name in names)
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in parts:
        yield from _repeated(part, repeats, (path, step))


def _mistake(failure: ValueError) -> str:
    """What is wrong with a JSON text, as a Go program says it."""
    if not isinstance(failure, json.JSONDecodeError):
        return str(failure)
    rest = failure.doc[failure.pos :].strip()
    if not rest or failure.pos >= len(failure.doc.rstrip()) - 1:
        return "unexpected end of JSON input"
    return f"invalid character '{rest[0]}' looking for beginning of value"
