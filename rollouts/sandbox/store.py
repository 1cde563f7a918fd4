"""The objects, and every change of them: one counter of revisions, one collection per resource.

A collection keeps its objects by key and the latest changes in order, as etcd and the watch cache of an API server do
together. The changes serve two readers: a watch asks for what came after a revision, and a paged list asks how the
collection looked at one. Both get `Compacted` when the changes they need were dropped.

Stored objects are never changed in place; a write puts another dict there. So readers may keep what they were given
without copying it. Everything runs in one event loop, and nothing here waits: between two awaits of a caller the whole
store stands still. What an object must look like is not decided here.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
StoreKey = tuple[str, str]
"""Group and plural of a collection."""
Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

CHANGES_KEPT_MAX = 10_000
"""Changes kept per collection; as many watches may lag before they have to start again."""


class Compacted(Exception):
    """What happened since this revision is no longer known; `oldest` is the first revision that still is."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"{revision} ({oldest})")
        self.revision = revision
        self.oldest = oldest


class Record:
    """One stored state of one object, encoded at most once per API version in which it is read."""

    __slots__ = ("_encoded", "object", "revision")

    def __init__(self, obj: Json, revision: int) -> None:
        self.object = obj
        self.revision = revision
        self._encoded: dict[str, bytes] = {}

    def encoded(self, api_version: str = "") -> bytes:
        """The object as JSON, stated in this API version (default: the one it was written in)."""
        if api_version not in self._encoded:
            stated = self.object if not api_version else {**self.object, "apiVersion": api_version}
            self._encoded[api_version] = encode(stated)
        return self._encoded[api_version]

    def encoded_untyped(self) -> bytes:
        """The object as JSON without kind and apiVersion, as a list of one kind holds it."""
        if "-" not in self._encoded:
            self._encoded["-"] = encode({k: v for k, v in self.object.items() if k not in ("kind", "apiVersion")})
        return self._encoded["-"]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What one write did to one object. A deletion's record is the last state, at the revision of the deletion."""

    type: ChangeType
    key: Key
    record: Record
    previous: Record | None

    @property
    def revision(self) -> int:
        """The revision that this write made."""
        return self.record.revision


def encode(document: Any) -> bytes:
    """A document as compact JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


class Collection:
    """The objects of one resource, and their latest changes."""

    def __init__(self, *, changes_kept_max: int = CHANGES_KEPT_MAX) -> None:
        self._records: dict[str, dict[str, Record]] = {}
        self._changes: list[Change] = []
        self._changes_kept_max = changes_kept_max
        self._compacted = 0
        self._listeners: set[asyncio.Event] = set()

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def get(self, key: Key) -> Record | None:
        """The current state of an object."""
        return self._records.get(key[0], {}).get(key[1])

    def records(self, namespace: str | None = None) -> list[tuple[Key, Record]]:
        """Current states in the order of their keys, of one namespace or of all."""
        spaces = sorted(self._records) if namespace is None else [namespace]
        return [((space, name), record) for space in spaces for name, record in sorted(self._in(space), key=_name)]

    def _in(self, namespace: str) -> Iterable[tuple[str, Record]]:
        return self._records.get(namespace, {}).items()

    def records_at(self, revision: int, namespace: str | None = None) -> list[tuple[Key, Record]]:
        """The states as they were right after this revision. Raises Compacted when that is no longer known."""
        then = dict(self.records(namespace))
        for change in reversed(self.changes_after(revision)):
            if namespace is not None and change.key[0] != namespace:
                continue
            if change.previous is None:
                then.pop(change.key, None)
            else:
                then[change.key] = change.previous
        return sorted(then.items(), key=_name)

    def changes_after(self, revision: int) -> list[Change]:
        """Every change after this revision, oldest first. Raises Compacted when some of them are no longer kept."""
        if revision < self._compacted:
            raise Compacted(revision, self._compacted)
        return self._changes[bisect_right(self._changes, revision, key=_revision) :]

    def record(self, change: Change) -> None:
        """Make a change the current state, and wake who listens."""
        space = self._records.setdefault(change.key[0], {})
        if change.type == "DELETED":
            del space[change.key[1]]
            if not space:
                del self._records[change.key[0]]
        else:
            space[change.key[1]] = change.record
        self._changes.append(change)
        if len(self._changes) >= 2 * self._changes_kept_max:
            self._forget(self._changes_kept_max)
        for listener in self._listeners:
            listener.set()

    def compact(self, revision: int) -> None:
        """Forget every change up to the current revision, and wake who listens."""
        self._changes.clear()
        self._compacted = revision
        for listener in self._listeners:
            listener.set()

    def listen(self, listener: asyncio.Event) -> None:
        """Set this event at every change, until `ignore`."""
        self._listeners.add(listener)

    def ignore(self, listener: asyncio.Event) -> None:
        """Set this event no more."""
        self._listeners.discard(listener)

    def _forget(self, kept: int) -> None:
        self._compacted = self._changes[-kept - 1].revision
        del self._changes[:-kept]


def _name(pair: tuple[Any, Record]) -> Any:
    return pair[0]


def _revision(change: Change) -> int:
    return change.revision


class Store:
    """Every collection, under one counter of revisions."""

    def __init__(self, *, changes_kept_max: int = CHANGES_KEPT_MAX) -> None:
        self.revision = 1
        """The revision of the latest write to anything."""
        self._changes_kept_max = changes_kept_max
        self._collections: dict[StoreKey, Collection] = {}

    def collection(self, store_key: StoreKey) -> Collection:
        """The collection of a resource; it exists from the first look at it."""
        found = self._collections.get(store_key)
        if found is None:
            found = self._collections[store_key] = Collection(changes_kept_max=self._changes_kept_max)
        return found

    def collections(self) -> Iterator[tuple[StoreKey, Collection]]:
        """Every collection that was looked at so far."""
        return iter(tuple(self._collections.items()))

    def get(self, store_key: StoreKey, key: Key) -> Record | None:
        """The current state of an object."""
        return self.collection(store_key).get(key)

    def put(self, store_key: StoreKey, key: Key, obj: Json) -> Record:
        """Make this the state of the object, stamped with the next revision; the caller gives the dict away."""
        previous = self.get(store_key, key)
        record = self._stamped(obj)
        change_type: ChangeType = "ADDED" if previous is None else "MODIFIED"
        self.collection(store_key).record(Change(change_type, key, record, previous))
        return record

    def delete(self, store_key: StoreKey, key: Key) -> Record:
        """Remove an object that is there; the record tells its last state, at the revision of the deletion."""
        previous = self.get(store_key, key)
        assert previous is not None, f"deleting {key} from {store_key}, where it is not"
        record = self._stamped({**previous.object})
        self.collection(store_key).record(Change("DELETED", key, record, previous))
        return record

    def compact(self) -> None:
        """Forget every change: a watch or a paged list that needs an older revision has to start again."""
        for _, collection in self.collections():
            collection.compact(self.revision)

    def _stamped(self, obj: Json) -> Record:
        self.revision += 1
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(self.revision)}
        return Record(obj, self.revision)
