"""What is kept of each object: what somebody reads of it, and no more.

There are many more Services, Ingresses and Deployments in a cluster than Rollouts, and the copy has all of them, since
any may be named tomorrow. So of each only the members that a decision or a router asks for stay in memory. What they
mean does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.core.naming import MANAGED_BY
from rollouts.kube.kinds import DEPLOYMENTS, INGRESSES, POD_TEMPLATES, SERVICES, Kind
from rollouts.lib.members import mapping_at

Json = Mapping[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
IDENTITY = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")


def kept(kind: Kind, stored: Json) -> Json:
    """The object of a kind without what nobody reads; `stored` is not changed."""
    meta = mapping_at(stored, "metadata")
    if kind == SERVICES:
        mine = _only(mapping_at(meta, "annotations"), MANAGED_BY)
        spec = _only(mapping_at(stored, "spec"), "selector")
        return {"metadata": {**_only(meta, *IDENTITY), "annotations": mine}, "spec": spec}
    if kind == DEPLOYMENTS:
        return {
            "metadata": _only(meta, *IDENTITY),
            "spec": _only(mapping_at(stored, "spec"), "replicas", "selector", "template"),
            "status": _only(mapping_at(stored, "status"), "readyReplicas"),
        }
    if kind == POD_TEMPLATES:
        return {"metadata": _only(meta, *IDENTITY), "template": mapping_at(stored, "template")}
    members = {name: value for name, value in stored.items() if not (kind == INGRESSES and name == "status")}
    return {**members, "metadata": _without_bookkeeping(meta)}


def _without_bookkeeping(meta: Json) -> Json:
    slim = {name: value for name, value in meta.items() if name != "managedFields"}
    annotations = mapping_at(meta, "annotations")
    if LAST_APPLIED in annotations:
        slim["annotations"] = {name: value for name, value in annotations.items() if name != LAST_APPLIED}
    return slim


def _only(value: Json, *names: str) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}
