"""One request, understood: its target, its options, and its body as an object.

Options are taken as they come: what they may be is checked before (options.py). A key that occurs twice in one JSON
object of a body is reported, because the later one silently wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from rollouts.sandbox import errors
from rollouts.sandbox.bodies import BODY_TYPES, decode
from rollouts.sandbox.protobuf import decoding as protobuf
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.routing import Target, is_true

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


def copied(value: Any) -> Any:
    """A deep copy of JSON values; several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) if isinstance(item, dict | list) else item for item in value]
    return value
