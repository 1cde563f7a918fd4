"""Which object a write is about: kind, name, namespace, uid and version must agree with the path and the live object.

Whether the rest of the object may be stored is not asked here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rollouts.sandbox import errors
from rollouts.sandbox.calls import Call
from rollouts.sandbox.resources import Json

SUFFIX_LENGTH = 5
GENERATED_BASE_MAX = 58
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_IMMUTABLE = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")


def metadata_of(obj: Json) -> Json:
    """The metadata of a decoded object; empty when there is none. Raises BadRequest when it is no object."""
    meta: Any = obj.get("metadata")
    if meta is None:
        return {}
    if not isinstance(meta, dict):
        raise errors.bad_request("json: cannot unmarshal metadata into an object of type ObjectMeta")
    return meta


def checked_kind(call: Call, obj: Json) -> Json:
    """The object, if it is one of the resource's kind; built-in kinds need not say so. Raises BadRequest or Invalid."""
    resource = call.resource
    if resource.custom is not None:
        return _checked_custom_kind(call, obj)
    version, kind = obj.setdefault("apiVersion", resource.group_version), obj.setdefault("kind", resource.kind)
    if (version, kind) != (resource.group_version, resource.kind):
        short = str(version).rpartition("/")[2]
        raise errors.bad_request(
            f'{kind} in version "{short}" cannot be handled as a {resource.kind}: '
            f'no kind "{kind}" is registered for version "{version}"'
        )
    return obj


def _checked_custom_kind(call: Call, obj: Json) -> Json:
    resource, version, kind = call.resource, obj.get("apiVersion", ""), obj.get("kind")
    if not kind:
        text = call.body.decode(errors="replace")
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f"Object 'Kind' is missing in '{text}' ({text})"
        )
    if version != resource.group_version and call.target.verb != "patch":
        why = f"the API version in the data ({version}) does not match the expected API version"
        raise errors.bad_request(f"{why} ({resource.group_version})")
    for field, given, expected in (("kind", kind, resource.kind), ("apiVersion", version, resource.group_version)):
        if given != expected:
            message = f'Invalid value: "{given}": must be {expected}'
            name = str(metadata_of(obj).get("name", ""))
            wrong = replace(resource, kind=str(kind))
            raise errors.invalid(wrong, name, [errors.cause(field, "FieldValueInvalid", message)])
    return obj


def name_new(call: Call, meta: Json, *, is_taken: Callable[[str], bool]) -> None:
    """Complete the name and namespace of an object to be created, in place.

    A generated name is one that is not taken. Raises Invalid without a name, BadRequest when the path says otherwise.
    """
    target, resource = call.target, call.resource
    if target.name and not meta.get("name"):
        meta["name"] = target.name
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = _free_name(str(meta["generateName"]), is_taken)
    if not meta.get("name"):
        message = "Required value: name or generateName is required"
        raise errors.invalid(resource, "", [errors.cause("metadata.name", "FieldValueRequired", message)])
    if target.name and meta["name"] != target.name:
        raise _other_name(meta["name"], target.name)
    if not resource.namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", target.namespace) != target.namespace:
        raise _other_namespace(meta["namespace"], target.namespace)


def _free_name(base: str, is_taken: Callable[[str], bool]) -> str:
    while True:
        suffix = "".join(random.choices(_SUFFIX_LETTERS, k=SUFFIX_LENGTH))
        name = base[:GENERATED_BASE_MAX] + suffix
        if not is_taken(name):
            return name


def check_update(call: Call, live: Json, meta: Json) -> None:
    """The write must mean this object, in this state. Raises BadRequest, Conflict or Invalid."""
    target, resource = call.target, call.resource
    if meta.setdefault("name", target.name) != target.name:
        raise _other_name(meta["name"], target.name)
    if resource.namespaced and meta.setdefault("namespace", target.namespace) != target.namespace:
        raise _other_namespace(meta["namespace"], target.namespace)
    now = live["metadata"]
    if meta.get("uid", now["uid"]) != now["uid"] and target.verb == "update":
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {now['uid']}"
        raise errors.conflict(resource, target.name, why)
    changed = [name for name in _IMMUTABLE if meta.get(name) is not None and meta[name] != now.get(name)]
    if changed:
        raise errors.invalid(resource, target.name, [_immutable(f"metadata.{name}", meta[name]) for name in changed])
    version = meta.get("resourceVersion")
    if version and not (version.isascii() and version.isdigit()):
        raise errors.broken(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version and version != now["resourceVersion"]:
        raise errors.conflict(resource, target.name)


def applied_kind(call: Call, obj: Json) -> Json:
    """The object, if what is applied says itself that it is one of the resource's kind. Raises BadRequest."""
    version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    if (version, kind) != (call.resource.group_version, call.resource.kind):
        qualified = version if "/" in version else f"/{version}"
        raise errors.bad_request(f"invalid object type: {qualified}, Kind={kind}")
    return obj


def check_applied(call: Call, meta: Json, live: Json | None) -> None:
    """What is applied must mean the object that the path names, in the state it has if it says one."""
    if meta.get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    if meta.get("name", call.target.name) != call.target.name:
        raise _other_name(meta["name"], call.target.name)
    if live is None and meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
        raise errors.conflict(call.resource, call.target.name, why)


def _immutable(field: str, value: Any) -> Json:
    return errors.cause(field, "FieldValueInvalid", f"Invalid value: {json.dumps(value)}: field is immutable")


def _other_name(given: str, expected: str) -> errors.ApiError:
    return errors.bad_request(f"the name of the object ({given}) does not match the name on the URL ({expected})")


def _other_namespace(given: Any, expected: str | None) -> errors.ApiError:
    del given, expected
    return errors.bad_request("the namespace of the provided object does not match the namespace sent on the request")
