"""What the cluster serves: which of our kinds are installed, with which subresources and status members.

Discovery and OpenAPI documents are readable by every authenticated client, so this needs no permission of its own.
Whether we may list a kind shows when it is listed (runtime/census.py). A document that cannot be read says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.kube.client import Json, KubeClient
from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import REPORTED, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A kind as the cluster serves it. `status_members` None: any member is kept, nothing says otherwise, or its status
    is not ours to write."""

    has_status: bool
    status_members: frozenset[str] | None


async def served(client: KubeClient, kind: Kind) -> Served | None:
    """How the cluster serves a kind; None: it is not installed. Raises ApiError when that cannot be found out."""
    try:
        listed = await client.get(kind.root)
    except NotFound:
        return None
    names = {resource.get("name") for resource in listed.get("resources", ())}
    if kind.plural not in names:
        return None
    members = await _status_members(client, kind) if kind in REPORTED else None
    return Served(has_status=f"{kind.plural}/status" in names, status_members=members)


async def _status_members(client: KubeClient, kind: Kind) -> frozenset[str] | None:
    try:
        document = await client.get(f"/openapi/v3{kind.root}")
    except NotFound:
        return None  # a server without OpenAPI v3: the status writer learns from the answers to its writes
    schema = _schema_of(document, kind)
    status = schema.get("properties", {}).get("status", {})
    if status.get("x-kubernetes-preserve-unknown-fields") or "properties" not in status:
        return None
    return frozenset(status["properties"])


def _schema_of(document: Json, kind: Kind) -> Mapping[str, Any]:
    wanted = {"group": kind.group, "version": kind.version, "kind": kind.name}
    for schema in document.get("components", {}).get("schemas", {}).values():
        if wanted in schema.get("x-kubernetes-group-version-kind", ()):
            return schema if isinstance(schema, dict) else {}
    return {}
