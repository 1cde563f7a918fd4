"""managedFields: who owns which field of an object, kept up to date by every write.

An entry is known by its manager, operation, apiVersion and subresource; its time moves only when its fields do.
`record` is for ordinary writes (an update takes over what it changes); applying is in apply.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rollouts.sandbox.patching.fields import EMPTY, FieldPath, FieldSet, from_fields_v1, to_fields_v1, without_below
from rollouts.sandbox.patching.structure import Changes, compare
from rollouts.sandbox.schema.model import Json, Schema

_METADATA_OF_THE_SERVER = (
    "clusterName",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)
UNOWNED: FieldSet = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {("f:metadata", f"f:{name}") for name in _METADATA_OF_THE_SERVER}
)
"""Fields that nobody owns: what the object is, and what the server keeps for itself."""
_TEMPLATE_PARTS = (("f:metadata",), ("f:spec",), ("f:spec", "f:containers"))
_BORN_WITH: FieldSet = frozenset(
    {("f:spec",), ("f:template",), ("f:spec", "f:containers"), ("f:spec", "f:template")}
    | {("f:spec", "f:priority"), ("f:spec", "f:preemptionPolicy"), ("f:spec", "f:tolerations")}
    | {("f:spec", "f:strategy"), ("f:spec", "f:scaleTargetRef"), ("f:spec", "f:names")}
    | {(*template, *part) for template in (("f:template",), ("f:spec", "f:template")) for part in _TEMPLATE_PARTS}
)
"""Parts that a new built-in object has though nobody states them: those that are no pointers in its Go struct, and what
admission gives to pods."""
_UNSET_EVENT: Json = dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp"))
_NEWBORN: Mapping[str, Json] = {
    "v1.Event": {**_UNSET_EVENT, "reportingComponent": "", "reportingInstance": "", "source": {}}
}
"""Kinds that always show some of their fields; showing them unset is no statement."""
MANAGERS_MAX = 10  # update entries kept on an object before the oldest are merged, as on a real server
_ANCIENT = "ancient-changes"
EntryKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, how, and when: the field manager, the version it speaks (`apps/v1`), the subresource it goes through
    (empty for the object itself) and the time as RFC 3339.
    """

    manager: str
    group_version: str
    subresource: str = ""
    now: str

    def key(self, operation: str) -> EntryKey:
        """What the writer's entry for this operation (Update or Apply) is known by."""
        return (self.manager, operation, self.group_version, self.subresource)

    def entry(self, operation: str, fields: FieldSet) -> Entry:
        """The writer's entry, as of now, for these fields."""
        return Entry(
            manager=self.manager,
            operation=operation,
            api_version=self.group_version,
            subresource=self.subresource,
            time=self.now,
            fields=fields,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of managedFields."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def key(self) -> EntryKey:
        """What the entry is known by."""
        return (self.manager, self.operation, self.api_version, self.subresource)

    def described(self) -> str:
        """How a conflict names the manager."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == "Update":
            text += f" using {self.api_version}"
        return text


Managers = dict[EntryKey, Entry]


def managers_of(obj: Json | None) -> Managers:
    """The entries on an object."""
    raw = ((obj or {}).get("metadata") or {}).get("managedFields") or ()
    entries = [
        Entry(
            manager=item.get("manager", ""),
            operation=item.get("operation", ""),
            api_version=item.get("apiVersion", ""),
            subresource=item.get("subresource", ""),
            time=item.get("time", ""),
            fields=from_fields_v1(item.get("fieldsV1") or {}),
        )
        for item in raw
    ]
    return {entry.key: entry for entry in entries}


def written(obj: Json, managers: Managers) -> Json:
    """The object with these entries as its managedFields, in the server's order. The argument is not changed."""
    ordered = sorted(managers.values(), key=lambda entry: (entry.operation, entry.time, entry.manager))
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name != "managedFields"}
    entries = [_raw(entry) for entry in ordered if entry.fields]
    if entries:
        metadata["managedFields"] = entries
    return {**obj, "metadata": metadata}


def _raw(entry: Entry) -> Json:
    raw = {
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(entry.fields),
        "subresource": entry.subresource,
    }
    return {name: value for name, value in raw.items() if value or name == "fieldsV1"}


def taken_over(managers: Managers, key: EntryKey, changed: FieldSet, gone: FieldSet) -> Managers:
    """Everyone but `key` loses the changed fields; nobody owns what is gone."""
    result: Managers = {}
    for name, entry in managers.items():
        fields = without_below(entry.fields, gone) if gone else entry.fields
        if name != key:
            fields -= changed
        if fields:
            result[name] = entry if len(fields) == len(entry.fields) else replace(entry, fields=fields)
    return result


def record(old: Json | None, new: Json, *, by: Writer, schema: Schema) -> Json:
    """The new object with its managedFields as they are after this ordinary write (create, update or patch).

    The client's own managedFields win over the old ones, so that a client can reset them; an object whose owners were
    never recorded stays so. Neither object is changed.
    """
    base = new if "managedFields" in (new.get("metadata") or {}) else old
    managers = managers_of(base)
    if old is not None and not managers:
        return written(new, {})
    changes = compare(bare(old), bare(new), schema) if old is not None else Changes()
    changed = frozenset((changes.added | changes.modified) - UNOWNED) if old is not None else stated_anew(new, schema)
    if not changes and not changed:
        return written(new, managers)
    key = by.key("Update")
    after = taken_over(managers, key, changed, frozenset(changes.removed))
    if changed:
        before = after.get(key)
        fields = (before.fields if before else EMPTY) | changed
        if before is None or fields != before.fields:
            after[key] = by.entry("Update", fields)
    return written(new, _capped(after))


def stated_anew(obj: Json, schema: Schema) -> FieldSet:
    """The fields that the creator of an object states: of a built-in kind neither what every such object has from its
    birth, nor its status.
    """
    changes = compare(_NEWBORN.get(schema.go_type, {}), bare(obj), schema)
    fields = frozenset((changes.added | changes.modified) - UNOWNED)
    if schema.status_apart:
        fields = frozenset(path for path in fields if path[0] != "f:status")
    return fields - _BORN_WITH if schema.go_type else fields


def bare(obj: Json | None) -> Json:
    """The object without its managedFields, which own nothing themselves; nothing for None."""
    if obj is None:
        return {}
    metadata: dict[str, Any] = obj.get("metadata") or {}
    if "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def _capped(managers: Managers) -> Managers:
    """Merge the oldest update entries into one when there are too many."""
    updates = sorted(
        (entry for entry in managers.values() if entry.operation == "Update"), key=lambda entry: entry.time
    )
    surplus = updates[: len(updates) - MANAGERS_MAX + 1] if len(updates) > MANAGERS_MAX else []
    if not surplus:
        return managers
    kept = {key: entry for key, entry in managers.items() if entry not in surplus}
    fields: set[FieldPath] = set()
    for entry in surplus:
        fields |= entry.fields
    merged = replace(surplus[-1], manager=_ANCIENT, subresource="", fields=frozenset(fields))
    return {**kept, merged.key: merged}
