"""One request, understood: its target, its options, and its body as an object.

Options are read leniently where a real server reads them so, and refused in the same words where it does not. Bodies
are JSON, YAML or protobuf; a key that occurs twice in one JSON object is reported, because the later one silently wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import yaml

from rollouts.sandbox import errors
from rollouts.sandbox.protobuf import decoding as protobuf
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.routing import Target, is_true
from rollouts.sandbox.schema.paths import Path, dotted

JSON_TYPES = frozenset({"application/json", ""})
YAML_TYPES = frozenset({"application/yaml", "application/apply-patch+yaml"})
BODY_TYPES = JSON_TYPES | YAML_TYPES | {protobuf.MEDIA_TYPE}
MANAGER_LENGTH_MAX = 128
FieldValidation = Literal["Ignore", "Warn", "Strict"]
VALIDATIONS: Mapping[str, FieldValidation] = {"Ignore": "Ignore", "Warn": "Warn", "Strict": "Strict", "": "Warn"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request for a resource."""

    target: Target
    query: Mapping[str, str]
    body: bytes = b""
    content_type: str = ""
    accept: str | None = None
    user_agent: str = ""
    warnings: list[str] = field(default_factory=list)
    """What the client is warned of, in the order found; writers append to it."""

    @property
    def resource(self) -> Resource:
        """The resource of the target."""
        return self.target.resource

    @cached_property
    def is_dry_run(self) -> bool:
        """Whether nothing may be stored."""
        return bool(dry_run_values(self.query))

    @cached_property
    def manager(self) -> str:
        """The field manager: the one named, else the first word of the user agent."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0][:MANAGER_LENGTH_MAX] or "unknown"

    @property
    def field_validation(self) -> FieldValidation:
        """How unknown and duplicate fields are taken; Warn when the client does not say."""
        return VALIDATIONS[self.query.get("fieldValidation", "")]

    @property
    def is_forced(self) -> bool:
        """Whether an apply takes over fields that others own."""
        return is_true(self.query.get("force"))

    def document(self) -> Json:
        """The body as an object. Raises BadRequest or UnsupportedMediaType."""
        if self.content_type not in BODY_TYPES:
            raise errors.unsupported_media_type(("application/json", "application/yaml", protobuf.MEDIA_TYPE))
        expected = f"the object provided is unrecognized (must be of type {self.resource.kind})"
        what = f"{expected}: couldn't get version/kind; json parse error"
        return self.report_duplicates(*decode(self.body, content_type=self.content_type, what=what))

    def report_duplicates(self, document: Any, duplicates: list[str]) -> Json:
        """The document, once its duplicate keys are refused, warned of or ignored as the client wishes."""
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise errors.bad_request("the body of the request must be an object")
        reports = [f'duplicate field "{name}"' for name in duplicates]
        if reports and self.field_validation == "Strict":
            kind = self.resource.kind
            head = f'{kind} in version "{self.resource.version}" cannot be handled as a {kind}'
            raise errors.bad_request(f"{head}: strict decoding error: {', '.join(reports)}")
        if self.field_validation == "Warn":
            self.warnings.extend(reports)
        return document


def dry_run_values(query: Mapping[str, str]) -> list[str]:
    """Every value of `dryRun`, which may be given more than once; `All` asks for a dry run."""
    return [value for name, value in query.items() if name == "dryRun"]


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: JSON's types only, so a date stays the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def decode(body: bytes, *, content_type: str = "", what: str = "json parse error") -> tuple[Any, list[str]]:
    """A body as JSON values, and the paths of keys that occur twice in one of its objects (`spec.ports[0].name`).

    Raises BadRequest; of a JSON text its message begins with `what`.
    """
    if content_type == protobuf.MEDIA_TYPE:
        try:
            return protobuf.decode(body), []
        except protobuf.ProtobufError as failure:
            raise errors.bad_request(f"couldn't decode protobuf: {failure}") from failure
    repeats: dict[int, tuple[Json, list[str]]] = {}

    def collect(pairs: list[tuple[str, Any]]) -> Json:
        collected = dict(pairs)
        if len(collected) != len(pairs):
            names = [name for name, _ in pairs]
            repeats[id(collected)] = collected, list(dict.fromkeys(name for name in names if names.count(name) > 1))
        return collected

    try:
        document = json.loads(body, object_pairs_hook=collect)
        return document, [dotted(path) for path in _repeated(document, repeats, None)] if repeats else []
    except (ValueError, UnicodeDecodeError) as failure:
        if content_type not in YAML_TYPES:
            raise errors.bad_request(f"{what}: {_mistake(failure)}") from failure
    try:
        return yaml.load(body, Loader=_Loader), []
    except yaml.YAMLError as failure:
        raise errors.bad_request(f"error converting YAML to JSON: {failure}") from failure


def _repeated(value: Any, repeats: Mapping[int, tuple[Json, list[str]]], path: Path) -> Iterator[Path]:
    """The paths of repeated keys in a decoded value, given the names repeated in each of its objects (by id)."""
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


def copied(value: Any) -> Any:
    """A deep copy of JSON values; several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) if isinstance(item, dict | list) else item for item in value]
    return value
