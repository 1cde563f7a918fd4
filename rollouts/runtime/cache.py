"""Our copy of the cluster: the objects of each watched kind, and the few reverse maps that lead from one to another.

Objects are kept as the API sent them, less what nobody reads (kept.py), and are never changed in place. Each entry
carries a memo, so that what was parsed from one version of an object is parsed once. Every operation costs the same
however many objects there are. Deciding which key a change concerns does not belong here (triggers.py).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rollouts.core.observed import VerbOwner
from rollouts.kube.kinds import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, Key, Kind
from rollouts.lib import timestamps
from rollouts.runtime.kept import LAST_APPLIED, kept

Json = Mapping[str, Any]
T = TypeVar("T")

ENDED_REMEMBERED_MAX = 1000  # deletions; more than happen between a write and the event of it
VERB_PREFIX = "rollouts.io/"
OWNED = (REPLICA_SETS, ANALYSIS_RUNS, EXPERIMENTS)
"""Kinds that are found by their owner, or by the name they were derived from; no others are mapped."""


@dataclass(slots=True, eq=False)
class Entry:
    """One object in one version."""

    kind: Kind
    key: Key
    object: Json
    verb_owners: Mapping[str, VerbOwner] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """metadata.uid"""
        return str(metadata(self.object).get("uid", ""))

    @property
    def version(self) -> str:
        """metadata.resourceVersion"""
        return str(metadata(self.object).get("resourceVersion", ""))

    @property
    def generation(self) -> int | None:
        """metadata.generation"""
        generation = metadata(self.object).get("generation")
        return generation if isinstance(generation, int) else None

    @property
    def is_deleting(self) -> bool:
        """Whether metadata.deletionTimestamp is set."""
        return bool(metadata(self.object).get("deletionTimestamp"))

    @property
    def controller(self) -> Json | None:
        """The owner reference of the one owner that manages the object."""
        owners = metadata(self.object).get("ownerReferences") or ()
        return next((owner for owner in owners if owner.get("controller")), None)

    def parsed(self, name: str, parse: Callable[[Entry], T]) -> T:
        """What `parse` makes of this version of the object; it is asked once."""
        if name not in self.memo:
            self.memo[name] = parse(self)
        value: T = self.memo[name]
        return value


@dataclass(frozen=True, slots=True)
class Change:
    """What an event did to the cache. One of both may be None, never both."""

    before: Entry | None
    after: Entry | None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The object before and after, as far as there is one."""
        return tuple(entry for entry in (self.before, self.after) if entry is not None)


class Cache:
    """All objects of the watched kinds. Used from one event loop, never across threads."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[Key, Entry]] = defaultdict(dict)
        self._owned: dict[tuple[Kind, str], set[Key]] = defaultdict(set)
        self._orphans: dict[tuple[Kind, str], set[Key]] = defaultdict(set)
        self._stems: dict[tuple[Kind, Key], set[Key]] = defaultdict(set)
        self._ended: OrderedDict[str, None] = OrderedDict()

    def get(self, kind: Kind, key: Key) -> Entry | None:
        """The object, as far as it is known."""
        return self._objects[kind].get(key)

    def count(self, kind: Kind) -> int:
        """How many objects of a kind there are."""
        return len(self._objects[kind])

    def keys(self, kind: Kind) -> frozenset[Key]:
        """The keys of all objects of a kind; for the census only, it grows with the cluster."""
        return frozenset(self._objects[kind])

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """All objects of a kind; for what concerns all of them, such as a relisted template."""
        return iter(tuple(self._objects[kind].values()))

    def owned(self, kind: Kind, uid: str) -> list[Entry]:
        """Objects of a kind that the owner with this uid controls."""
        return self._all(kind, self._owned.get((kind, uid), ()))

    def orphans(self, kind: Kind, namespace: str) -> list[Entry]:
        """Objects of a kind in a namespace that no one controls."""
        return self._all(kind, self._orphans.get((kind, namespace), ()))

    def named_after(self, kind: Kind, stem: Key) -> list[Entry]:
        """Objects of a kind whose name is the stem's, a dash and one more word."""
        return self._all(kind, self._stems.get((kind, stem), ()))

    def put(self, entry: Entry) -> Change | None:
        """Take in one version of an object; None when it is known already, or older than what is known."""
        known = self._objects[entry.kind].get(entry.key)
        if known is not None and not _succeeds(entry, known):
            return None
        if known is not None:
            self._unlink(known)
        self._objects[entry.kind][entry.key] = entry
        self._link(entry)
        return Change(known, entry)

    def drop(self, kind: Kind, key: Key, *, uid: str = "") -> Change | None:
        """Forget an object (with `uid`: only if it is that one); None when it is not known."""
        known = self._objects[kind].get(key)
        if known is None or (uid and known.uid != uid):
            return None
        del self._objects[kind][key]
        self._unlink(known)
        self._ended[known.uid] = None
        if len(self._ended) > ENDED_REMEMBERED_MAX:
            self._ended.popitem(last=False)
        return Change(known, None)

    def has_ended(self, uid: str) -> bool:
        """Whether the object with this uid was here and is gone, as far as is remembered."""
        return uid in self._ended

    def _all(self, kind: Kind, keys: set[Key] | tuple[()]) -> list[Entry]:
        return [self._objects[kind][key] for key in sorted(keys)]

    def _links(self, entry: Entry) -> Iterator[tuple[dict[Any, set[Key]], Any]]:
        if entry.kind not in OWNED:
            return
        owner = entry.controller
        if owner is not None:
            yield self._owned, (entry.kind, str(owner.get("uid", "")))
        else:
            yield self._orphans, (entry.kind, entry.key.namespace)
        stem, dash, _ = entry.key.name.rpartition("-")
        if dash:
            yield self._stems, (entry.kind, Key(entry.key.namespace, stem))

    def _link(self, entry: Entry) -> None:
        for index, name in self._links(entry):
            index[name].add(entry.key)

    def _unlink(self, entry: Entry) -> None:
        for index, name in self._links(entry):
            index[name].discard(entry.key)
            if not index[name]:
                del index[name]


def _succeeds(entry: Entry, known: Entry) -> bool:
    """Whether an object takes the place of what is known under its name: a later version of it, or its successor.

    Events of different objects may overtake each other, so the last one of a predecessor may come late.
    """
    if entry.uid != known.uid and (created := _created(entry)) != (before := _created(known)):
        return created > before
    return is_newer(entry.version, than=known.version)


def _created(entry: Entry) -> str:
    return str(metadata(entry.object).get("creationTimestamp", ""))


def is_newer(version: str, *, than: str) -> bool:
    """Whether a resourceVersion is later than another one of the same object; where they do not compare: different."""
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


def metadata(stored: Json) -> Json:
    """The object's metadata, empty if it has none."""
    value = stored.get("metadata")
    return value if isinstance(value, Mapping) else {}


def entry_of(kind: Kind, stored: Json) -> Entry:
    """The object as the cache keeps it: without what nobody reads, with who wrote its verbs."""
    meta = metadata(stored)
    annotations = meta.get("annotations") or {}
    return Entry(
        kind=kind,
        key=Key(str(meta.get("namespace", "")), str(meta.get("name", ""))),
        object=kept(kind, stored),
        verb_owners=verb_owners(meta) if any(name.startswith(VERB_PREFIX) for name in annotations) else {},
    )


def verb_owners(meta: Json) -> dict[str, VerbOwner]:
    """Who wrote each rollouts.io/ annotation, and whether it came by an apply, of either kind."""
    annotations = meta.get("annotations") or {}
    last_applied = str(annotations.get(LAST_APPLIED, ""))
    return {
        name: _verb_owner(name, meta.get("managedFields") or (), last_applied)
        for name in annotations
        if name.startswith(VERB_PREFIX)
    }


def _verb_owner(name: str, managers: Any, last_applied: str) -> VerbOwner:
    writers = [manager for manager in managers if _owns(manager, name)]
    latest: Json = max(writers, key=lambda manager: str(manager.get("time", "")), default={})
    return VerbOwner(
        manager=str(latest.get("manager", "")),
        at=timestamps.parse(str(latest.get("time", ""))),
        is_applied=any(writer.get("operation") == "Apply" for writer in writers) or f'"{name}":' in last_applied,
    )


def _owns(manager: Any, annotation: str) -> bool:
    fields: Any = manager.get("fieldsV1") or {}
    for step in ("f:metadata", "f:annotations", f"f:{annotation}"):
        if not isinstance(fields, Mapping) or step not in fields:
            return False
        fields = fields[step]
    return True
