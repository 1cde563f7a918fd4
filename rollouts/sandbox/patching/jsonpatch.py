"""JSON patch (RFC 6902), with an API server's answers to patches that do not fit."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer

from rollouts.sandbox import errors

OPERATIONS_MAX = 10_000  # the limit of a real server


class _Replace(jsonpatch.ReplaceOperation):
    """Replacing a member that an object does not have adds it: real servers are less strict than the RFC here."""

    def apply(self, obj: Any) -> Any:
        if _lacks_member(self.pointer, obj):
            return jsonpatch.AddOperation(self.operation).apply(obj)
        return super().apply(obj)


class _Test(jsonpatch.TestOperation):
    """A member that an object does not have equals null."""

    def apply(self, obj: Any) -> Any:
        if self.operation.get("value", ...) is None and _lacks_member(self.pointer, obj):
            return obj
        return super().apply(obj)


class _Patch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "replace": _Replace, "test": _Test})


def _lacks_member(pointer: jsonpointer.JsonPointer, obj: Any) -> bool:
    parent, name = pointer.to_last(obj)
    return isinstance(parent, dict) and name not in parent


def json_patch(target: dict[str, Any], operations: Any) -> dict[str, Any]:
    """The target with the operations carried out, in order; the argument is not changed.

    Raises errors.ApiError: 400 for something that is no JSON patch, 413 for too many operations, 422 when an operation
    cannot be carried out or a test fails.
    """
    if not isinstance(operations, list):
        raise errors.bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    if len(operations) > OPERATIONS_MAX:
        message = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(operations)}"
        raise errors.ApiError(413, "RequestEntityTooLarge", message)
    try:
        result = _Patch(operations).apply(target, in_place=False)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as mistake:
        raise _rejected() from mistake
    if not isinstance(result, dict):
        raise _rejected()
    return result


def _rejected() -> errors.ApiError:
    message = "the server rejected our request due to an error in our request"
    return errors.ApiError(422, "Invalid", message, details={})
