"""Server-side apply: a manager states the fields it wants; the server merges, checks who else owns them, and forgets
what the manager no longer states.

What is applied is neither defaulted nor validated here; that happens to the result. Written after the published
semantics of structured merges: ownership is by field, values that agree are shared, force takes over.
"""

from __future__ import annotations

from dataclasses import replace

from rollouts.sandbox import errors
from rollouts.sandbox.patching import last_applied
from rollouts.sandbox.patching.fields import EMPTY, FieldPath, FieldSet, path_text, with_named_parents
from rollouts.sandbox.patching.managed import (
    UNOWNED,
    Entry,
    EntryKey,
    Managers,
    Writer,
    bare,
    managers_of,
    stated_anew,
    taken_over,
    written,
)
from rollouts.sandbox.patching.structure import compare, field_set, merge, remove
from rollouts.sandbox.patching.typed import check_fits
from rollouts.sandbox.schema.model import Json, Schema

BEFORE_FIRST_APPLY = "before-first-apply"
"""Who owns the fields of an object whose owners were never recorded."""


def apply(live: Json | None, applied: Json, *, by: Writer, force: bool, schema: Schema) -> Json:
    """The live object (None: a new one) after the writer applied its configuration, managedFields included.

    Raises errors.ApiError: 409 with one cause per field when another manager owns a field that would change and
    `force` is false; 400 when the configuration carries managedFields; 500, as on a real server, when it does not
    fit the schema.
    """
    if (applied.get("metadata") or {}).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    check_fits(applied, schema)
    stated = _stated(applied, by.subresource, schema)
    base = bare(live)
    managers = _owners(live, schema, by)
    key = by.key("Apply")
    before = managers.get(key)
    claiming = managers[key] = by.entry("Apply", field_set(stated, schema) - UNOWNED)
    dropped = _dropped(before.fields if before else EMPTY, managers)
    merged = remove(merge(base, stated, schema), dropped, schema)
    changes = compare(base, merged, schema)
    changed: FieldSet = frozenset((changes.added | changes.modified) - UNOWNED)
    if not force:
        _check_conflicts(managers, key, changed - last_applied.claims(live, schema, by=by))
    after = taken_over(managers, key, changed, frozenset(changes.removed))
    after[key] = before if before is not None and before.fields == claiming.fields else claiming
    return written(last_applied.renewed(merged, stated, by=by), after)


def _stated(applied: Json, subresource: str, schema: Schema) -> Json:
    """What counts of a configuration: through `status` only the status does, and elsewhere it does not."""
    if subresource == "status":
        return {name: value for name, value in applied.items() if name in ("apiVersion", "kind", "status")}
    return {name: value for name, value in applied.items() if name != "status" or not schema.status_apart}


def _owners(live: Json | None, schema: Schema, by: Writer) -> Managers:
    managers = managers_of(live)
    if live is None or managers:
        return managers
    unrecorded = replace(by, manager=BEFORE_FIRST_APPLY, subresource="")
    entry = unrecorded.entry("Update", stated_anew(live, schema))
    return {entry.key: entry} if entry.fields else {}


def _dropped(before: FieldSet, managers: Managers) -> FieldSet:
    """The fields that the manager stated last time and that nobody states or owns now."""
    if not before:
        return EMPTY
    owned: set[FieldPath] = set()
    for entry in managers.values():
        owned |= entry.fields
    return with_named_parents(before) - with_named_parents(frozenset(owned)) - UNOWNED


def _check_conflicts(managers: Managers, key: EntryKey, changed: FieldSet) -> None:
    conflicts = [
        (entry, path)
        for name, entry in sorted(managers.items())
        if name != key
        for path in sorted(entry.fields & changed, key=_leaves_first)
    ]
    if not conflicts:
        return
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {entry.described()}", "field": path_text(path)}
        for entry, path in conflicts
    ]
    raise errors.ApiError(409, "Conflict", _conflict_text(conflicts), details={"causes": causes})


def _leaves_first(path: FieldPath) -> tuple[tuple[bool, str], ...]:
    """A server lists what ends at a level before what goes deeper."""
    return tuple((index < len(path) - 1, element) for index, element in enumerate(path))


def _conflict_text(conflicts: list[tuple[Entry, FieldPath]]) -> str:
    if len(conflicts) == 1:
        entry, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {entry.described()}: {path_text(path)}"
    lines: dict[str, list[str]] = {}
    for entry, path in conflicts:
        lines.setdefault(f"conflicts with {entry.described()}:", []).append(f"- {path_text(path)}")
    text = "\n".join(line for head, paths in lines.items() for line in (head, *paths))
    return f"Apply failed with {len(conflicts)} conflicts: {text}"
