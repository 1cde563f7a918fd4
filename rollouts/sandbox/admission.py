"""The one door into the store: what a written object must look like, and what it looks like afterwards.

`admit` reads an object the way its kind is read (unknown fields and nulls go), fills in defaults and validates; what
comes out may be stored. It is pure: identity, versions, ownership and the rest of the metadata belong to the server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from rollouts.sandbox import errors
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema import builtin
from rollouts.sandbox.schema.catalog import schema_of
from rollouts.sandbox.schema.cel import check_rules
from rollouts.sandbox.schema.decoding import UnreadableError, decode
from rollouts.sandbox.schema.defaulting import apply_defaults
from rollouts.sandbox.schema.model import Schema
from rollouts.sandbox.schema.object_meta import validate_metadata
from rollouts.sandbox.schema.pruning import prune_root
from rollouts.sandbox.schema.validation import validate, validate_update
from rollouts.sandbox.schema.violations import Violation, invalid

RULES_SKIPPED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)

_BLOCKING = frozenset(f"FieldValue{one}" for one in ("Required", "TooLong", "TooMany", "TypeInvalid", "NotSupported"))
"""Mistakes after which an object's shape cannot be relied on."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An object that may be stored, and the warnings its author should see (texts for Warning headers)."""

    object: Json
    warnings: tuple[str, ...] = ()


def admit(
    resource: Resource,
    obj: Json,
    old: Json | None,
    *,
    verb: str,
    field_validation: str,
    subresource: str = "",
) -> Admitted:
    """Admit an object to be created (`old` is None) or to replace `old`.

    `verb` is create, update, patch or apply; `field_validation` is Strict, Warn or Ignore; through a subresource only
    that part is validated. The argument is not changed. Raises errors.ApiError: 400 when the object cannot be read as
    its kind, or, under Strict, has unknown fields; 422 when it breaks rules.
    """
    unknown: list[str] = []
    schema = schema_of(resource)
    read = _read(resource, obj, schema, unknown)
    warnings = _report_unknown(resource, unknown, field_validation, read if verb == "patch" else None)
    found: list[Violation] = []
    validate_metadata(resource, read, old, found)
    if resource.custom is None:
        builtin.apply_defaults(resource, read, old)
        builtin.validate(resource, read, old, found, subresource=subresource)
    else:
        apply_defaults(read, schema)
        _validate_custom(read, old, schema, found)
    if found:
        name = (read.get("metadata") or {}).get("name", "")
        raise errors.invalid(resource, name, [violation.cause() for violation in found])
    return Admitted(read, warnings)


def _validate_custom(obj: Json, old: Json | None, schema: Schema, found: list[Violation]) -> None:
    """The schema first; rules only run on an object whose shape they can rely on."""
    wrong: list[Violation] = []
    if old is None:
        validate(obj, schema, wrong)
    else:
        validate_update(obj, old, schema, wrong)
    if not any(one.reason in _BLOCKING for one in (*found, *wrong)):
        check_rules(obj, old, schema, wrong)
    elif schema.deep_rules:
        wrong.append(invalid("<nil>", None, RULES_SKIPPED))
    found.extend(wrong)


def _read(resource: Resource, obj: Json, schema: Schema, unknown: list[str]) -> Json:
    try:
        if resource.custom is None:
            decoded: Json = decode(obj, schema, unknown)
            return decoded
        return prune_root(obj, schema, unknown)
    except UnreadableError as why:
        raise errors.bad_request(_unreadable(resource, str(why))) from why


def _unreadable(resource: Resource, why: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'


def _report_unknown(
    resource: Resource, unknown: list[str], field_validation: str, patched: Json | None
) -> tuple[str, ...]:
    if not unknown or field_validation == "Ignore":
        return ()
    reports = tuple(f'unknown field "{path}"' for path in unknown)
    if field_validation == "Strict" and patched is not None:
        raise _strict_patch(patched, reports)
    if field_validation == "Strict":
        raise errors.bad_request(_unreadable(resource, f"strict decoding error: {', '.join(reports)}"))
    return reports


def _strict_patch(patched: Json, reports: tuple[str, ...]) -> errors.ApiError:
    """A patch that brings in unknown fields is itself the invalid value."""
    shown = json.dumps(patched, separators=(",", ":"), sort_keys=True)
    cause = invalid("patch", shown, f"strict decoding error: {', '.join(reports)}").cause()
    message = f' "" is invalid: patch: {cause["message"]}'
    return errors.ApiError(422, "Invalid", message, details={"causes": [cause]})
