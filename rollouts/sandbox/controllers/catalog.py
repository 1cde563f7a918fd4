"""Which kinds an API server has that can be listed, watched and deleted, read from its discovery documents.

The garbage collector and the namespace controller must know kinds that nobody told them of, custom ones above all.
A group that cannot be read fails the whole read: a kind that is missing by mistake would look as if it had no objects.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.sandbox.client import ApiClient
from rollouts.sandbox.kinds import Json, Kind

NEEDED = {"list", "watch", "delete"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The kinds of one API server at one moment."""

    kinds: tuple[Kind, ...]
    deletable: tuple[Kind, ...]
    """Kinds with list, watch and delete, each in one version: the group's preferred one where that has it."""

    @classmethod
    async def read(cls, api: ApiClient) -> Catalog:
        """Read the discovery documents. Raises ApiFailure."""
        groups = (await api.request("GET", "/apis"))["groups"]
        versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]
        versions += [
            entry["groupVersion"]
            for group in groups
            for entry in group["versions"]
            if entry["groupVersion"] not in versions
        ]
        documents = {version: await api.request("GET", _path(version)) for version in versions}
        found = [entry for version in versions for entry in _kinds(version, documents[version])]
        deletable: dict[tuple[str, str], Kind] = {}
        for kind, verbs in found:
            if verbs >= NEEDED:
                deletable.setdefault((kind.group, kind.plural), kind)
        return cls(kinds=tuple(kind for kind, _ in found), deletable=tuple(deletable.values()))

    def find(self, api_version: str, kind: str) -> Kind | None:
        """The kind an owner reference names; None when the server does not have it."""
        for known in self.kinds:
            if known.kind == kind and known.api_version == api_version:
                return known
        return None


def _path(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _kinds(version: str, document: Json) -> list[tuple[Kind, set[str]]]:
    return [
        (Kind(version, entry["kind"], entry["name"], entry["namespaced"]), set(entry["verbs"]))
        for entry in document["resources"]
        if "/" not in entry["name"]
    ]
