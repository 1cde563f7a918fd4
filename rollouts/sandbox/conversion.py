"""One event, two groups: `v1` Events are stored, `events.k8s.io/v1` shows the same objects under other names.

Every other resource is stored as it is served; of a custom resource with several versions only `apiVersion` differs
(the conversion strategy is always None).
"""

from __future__ import annotations

from rollouts.sandbox.resources import Json, Resource

_NEW_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_OLD_NAMES = {new: old for old, new in _NEW_NAMES.items()}


def is_converted(resource: Resource) -> bool:
    """Whether objects of this resource are stored under other names than they are served."""
    return resource.group == "events.k8s.io"


def untyped(obj: Json) -> Json:
    """An object without kind and apiVersion, as a list of one kind holds it."""
    return {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}


def served(obj: Json, resource: Resource) -> Json:
    """A stored object as this resource shows it."""
    if is_converted(resource):
        obj = {_NEW_NAMES.get(name, name): value for name, value in obj.items() if value != ""}
    if obj.get("apiVersion") == resource.group_version:
        return obj
    return {**obj, "apiVersion": resource.group_version}


def stored(obj: Json, resource: Resource) -> Json:
    """An object of this resource as it is stored."""
    if not is_converted(resource):
        return obj
    return {_OLD_NAMES.get(name, name): value for name, value in obj.items()} | {"apiVersion": "v1"}
