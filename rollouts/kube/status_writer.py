"""Writing a status: only the members that changed, only onto the object that was seen; nothing when nothing changed.

People and the kubectl plugin patch single status members at the same time, so a whole status is never put back. Some
installed CRDs lack the status subresource, or drop members they do not know; both are learnt once, so that a dropped
member is not written again for ever. What a status says does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.kube.client import Json, Writer
from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import ROLLOUTS, Key, Kind

Path = tuple[str, ...]

ITEM = "[]"
"""Stands in a path for every item of a list."""

DROPPED_MEMBERS_MAX = 1000  # a CRD has a few hundred; beyond that it is not the CRD that drops them


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The object whose status is written, as it was seen."""

    kind: Kind
    key: Key
    resource_version: str


class StatusWriter:
    """Writes statuses of Rollouts and AnalysisRuns in one cluster."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._dropped: dict[Kind, set[Path]] = {}
        self._members: dict[Kind, frozenset[str] | None] = {}
        self._without_subresource: set[Kind] = set()

    def learn(self, kind: Kind, *, has_subresource: bool, members: frozenset[str] | None) -> None:
        """Take note of the CRD as it is installed now: has it /status, and which members does it keep (None: any)."""
        self._without_subresource.discard(kind)
        if not has_subresource:
            self._without_subresource.add(kind)
        self._dropped[kind] = set()
        self._members[kind] = members

    def keeps(self, kind: Kind, member: str) -> bool:
        """Whether the installed CRD keeps this top-level status member, as far as is known."""
        members = self._members.get(kind)
        return (members is None or member in members) and (member,) not in self._dropped.get(kind, ())

    def changes(self, kind: Kind, *, before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
        """The merge patch from one status to another, without what the CRD would drop; empty: no write is due."""
        kept = {member: value for member, value in after.items() if self.keeps(kind, member)}
        dropped = self._dropped.get(kind)
        return difference(before, _without(kept, (), dropped) if dropped else kept)

    async def write(self, target: Target, changes: Json) -> Json:
        """Send changes to a status and return the object as stored. Raises ApiError (Conflict when it has moved on)."""
        path = self._path(target)
        body = {"metadata": {"resourceVersion": target.resource_version}, "status": changes}
        try:
            stored = await self._writer.merge(path, body)
        except NotFound:
            whole = target.kind.path(target.key.namespace, target.key.name)
            if path == whole:
                raise
            # Either the object is gone (the second call says so too) or its CRD has no status subresource.
            stored = await self._writer.merge(whole, body)
            self._without_subresource.add(target.kind)
        self._remember_dropped(target.kind, changes, stored.get("status"))
        return stored

    def _path(self, target: Target) -> str:
        has_subresource = target.kind == ROLLOUTS and target.kind not in self._without_subresource
        return target.kind.path(target.key.namespace, target.key.name, "status" if has_subresource else "")

    def _remember_dropped(self, kind: Kind, sent: Json, stored: Any) -> None:
        dropped = self._dropped.setdefault(kind, set())
        if len(dropped) < DROPPED_MEMBERS_MAX:
            dropped.update(_missing(sent, stored if isinstance(stored, dict) else {}))


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """The merge patch that turns `before` into `after`: null removes a member, lists are replaced whole."""
    patch: Json = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value and type(old) is type(value) and name in before:
            continue
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            nested = difference(old, value)
            if nested:
                patch[name] = nested
        else:
            patch[name] = value
    return patch


def _without(value: Any, path: Path, dropped: set[Path]) -> Any:
    """The same value less the members at these paths."""
    if isinstance(value, Mapping):
        members = ((name, member, (*path, name)) for name, member in value.items())
        return {name: _without(member, here, dropped) for name, member, here in members if here not in dropped}
    if isinstance(value, list):
        return [_without(item, (*path, ITEM), dropped) for item in value]
    return value


def _missing(sent: Any, stored: Any, path: Path = ()) -> set[Path]:
    """Paths of what was sent and is not there; None was sent to remove something."""
    found: set[Path] = set()
    if isinstance(sent, Mapping) and isinstance(stored, Mapping):
        for name, value in sent.items():
            if value is not None:
                found |= _missing(value, stored[name], (*path, name)) if name in stored else {(*path, name)}
    elif isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        for item, kept in zip(sent, stored, strict=True):
            found |= _missing(item, kept, (*path, ITEM))
    return found
