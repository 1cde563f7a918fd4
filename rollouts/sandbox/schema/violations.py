"""One thing that is wrong with one field, in the words an API server uses.

A `Violation` is the body of a StatusCause before it is one: the constructors below know how each kind of mistake is
worded and how the bad value is shown. They do not decide what is a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """A field (`spec.replicas`), the machine-readable reason, and the message without the field's name."""

    field: str
    reason: str
    message: str

    def cause(self) -> dict[str, Any]:
        """The StatusCause for `status.details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def shown(value: Any) -> str:
    """A bad value as it appears in a message: text quoted, everything else as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _with_detail(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(field: str, detail: str = "") -> Violation:
    """The field is missing or empty."""
    return Violation(field, "FieldValueRequired", _with_detail("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> Violation:
    """The value is malformed."""
    return Violation(field, "FieldValueInvalid", _with_detail(f"Invalid value: {shown(value)}", detail))


def type_invalid(field: str, value: Any, detail: str) -> Violation:
    """The value has another JSON type than the schema says."""
    return Violation(field, "FieldValueTypeInvalid", _with_detail(f"Invalid value: {shown(value)}", detail))


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Violation:
    """The value is none of an enumeration's."""
    listed = ", ".join(shown(value) for value in supported)
    return Violation(
        field,
        "FieldValueNotSupported",
        f"Unsupported value: {shown(value)}" + f": supported values: {listed}" * bool(listed),
    )


def duplicate(field: str, value: Any) -> Violation:
    """The value occurs before, in a list where it must not."""
    return Violation(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def forbidden(field: str, detail: str) -> Violation:
    """The field must not be set, or not be changed, in this state."""
    return Violation(field, "FieldValueForbidden", _with_detail("Forbidden", detail))


def not_found(field: str, value: Any) -> Violation:
    """The value names something that is not there."""
    return Violation(field, "FieldValueNotFound", f"Not found: {shown(value)}")


def too_long(field: str, limit: int) -> Violation:
    """The text has more than `limit` bytes."""
    return Violation(
        field, "FieldValueTooLong", f"Too long: may not be more than {limit} {'byte' if limit == 1 else 'bytes'}"
    )


def too_many(field: str, actual: int, limit: int) -> Violation:
    """The list or map has more than `limit` entries."""
    return Violation(
        field, "FieldValueTooMany", f"Too many: {actual}: must have at most {limit} {'item' if limit == 1 else 'items'}"
    )
