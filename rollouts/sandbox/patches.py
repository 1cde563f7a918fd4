"""The four kinds of patch: which of them a resource takes, and what each makes of an object.

The merging itself is `patching`'s; this module knows media types, decodes bodies and words what can go wrong with them.
"""

from __future__ import annotations

from typing import Any

from rollouts.sandbox import errors
from rollouts.sandbox.bodies import decode
from rollouts.sandbox.calls import Call, copied
from rollouts.sandbox.patching.jsonpatch import json_patch
from rollouts.sandbox.patching.merge import merge_patch
from rollouts.sandbox.patching.strategic import strategic_merge
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema.model import Schema

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def accepted_types(resource: Resource) -> tuple[str, ...]:
    """The patches that a resource takes: custom resources have no strategic merge."""
    if resource.custom is not None:
        return (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
    return (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def is_apply(call: Call) -> bool:
    """Whether the call is a server-side apply."""
    return call.content_type == APPLY_PATCH


def check_type(call: Call) -> None:
    """Raise UnsupportedMediaType for a patch that the resource does not take."""
    allowed = accepted_types(call.resource)
    if call.content_type in allowed:
        return
    if call.resource.custom is not None:
        raise errors.unsupported_media_type(allowed)
    raise errors.ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


def patched(call: Call, old: Json, schema: Schema) -> Json:
    """A new object: the old one with the call's patch (not an apply) carried out. The old one is not changed."""
    patch, duplicates = decode(call.body, what="error decoding patch")
    if call.content_type == JSON_PATCH:
        return _object(json_patch(old, patch))
    if not isinstance(patch, dict):
        what = "array" if isinstance(patch, list) else type(patch).__name__
        raise errors.bad_request(
            f"error decoding patch: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
        )
    patch = call.report_duplicates(patch, duplicates)
    if call.content_type == STRATEGIC_PATCH:
        return _object(copied(strategic_merge(old, patch, schema)))
    return _object(copied(merge_patch(old, patch)))


def _object(value: Any) -> Json:
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        raise errors.bad_request("the patch leaves no object with metadata")
    return value
