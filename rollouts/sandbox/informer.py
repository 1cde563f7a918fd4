"""A cache of one kind of object, fed by list and watch, that its own process can trust to hold its own writes.

A controller that reads a stale cache creates what it has just created. Here every object that a write returned goes
into the cache at once (`observe`), newer resourceVersions win, and the uids of deleted objects are remembered for a
while so that a late answer cannot bring one back. That takes the place of client-go's expectations.
What to do about a change does not belong here: handlers only put keys into queues.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.kinds import Json, Key, Kind, controller_of, key_of, uid_of, version_of

logger = logging.getLogger(__name__)

DELETED_KEPT_MAX = 10_000  # uids; a late answer is younger than that many deletions
RETRY_SECONDS = 0.05
RETRY_SECONDS_MAX = 5.0

Handler = Callable[[Json | None, Json | None], None]
"""Called with the object before and after a change; None means there was, or is, none. Must not block."""

Index = Callable[[Json], Iterable[Hashable]]
"""The values under which an object is found again."""


def by_controller(obj: Json) -> Iterable[Hashable]:
    """Index an object by the uid of its controller, or by its namespace when it has none."""
    owner = controller_of(obj)
    return (owner["uid"],) if owner else (("orphans", obj["metadata"].get("namespace", "")),)


class Informer:
    """The objects of one kind, as last seen."""

    def __init__(self, kind: Kind, *, metadata_only: bool = False, selector: str = "") -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        self._metadata_only = metadata_only
        self._selector = selector
        self._objects: dict[Key, Json] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._handlers: list[Handler] = []
        self._indexes: dict[Index, defaultdict[Hashable, dict[Key, None]]] = {}

    def on_change(self, handler: Handler) -> None:
        """Tell `handler` of every change from now on, and of every object that is already known."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(None, obj)

    def index(self, index: Index) -> None:
        """Keep `find(index, value)` fast; adding one twice is harmless."""
        if index in self._indexes:
            return
        self._indexes[index] = defaultdict(dict)
        for key, obj in self._objects.items():
            for value in index(obj):
                self._indexes[index][value][key] = None

    def get(self, key: Key) -> Json | None:
        """The object with that key. It belongs to the cache: change a copy."""
        return self._objects.get(key)

    def find(self, index: Index, value: Hashable) -> list[Json]:
        """The objects that an index added before gives that value."""
        keys = self._indexes[index].get(value)
        return [self._objects[key] for key in keys] if keys else []

    def __iter__(self) -> Iterator[Json]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    def observe(self, obj: Json) -> None:
        """Take in a version of an object, from the watch or from the answer to a write; older ones are ignored.

        The field owners are left out: nobody here reads them, and they are half of an object's size.
        """
        obj["metadata"].pop("managedFields", None)
        key, uid = key_of(obj), uid_of(obj)
        known = self._objects.get(key)
        if uid in self._deleted or (known is not None and version_of(known) >= version_of(obj)):
            return
        if known is not None and uid_of(known) != uid:
            self._remove(key, known)
            known = None
        self._store(key, known, obj)

    def forget(self, obj: Json) -> None:
        """Take in that an object (this uid) is gone."""
        key, uid = key_of(obj), uid_of(obj)
        self._bury(uid)
        known = self._objects.get(key)
        if known is not None and uid_of(known) == uid:
            self._remove(key, known)

    def clear(self) -> None:
        """Take in that the whole kind is gone."""
        for known in list(self._objects.values()):
            self.forget(known)

    def replace(self, objects: list[Json], version: int) -> None:
        """Take in a complete list read at a resourceVersion; what it lacks is gone unless it is younger."""
        present = {uid_of(obj) for obj in objects}
        for known in list(self._objects.values()):
            if uid_of(known) not in present and version_of(known) <= version:
                self.forget(known)
        for obj in objects:
            self.observe(obj)

    async def run(self, api: ApiClient) -> None:
        """List and watch for ever; a stream that ends is resumed, an expired one is listed anew."""
        version, failures = "", 0
        while True:
            try:
                version = version or await self._relist(api)
                async for event in api.watch(
                    self.kind, version, metadata_only=self._metadata_only, selector=self._selector
                ):
                    version = self._take(event)
                    failures = 0
            except ApiFailure as failure:
                if failure.code != 0:  # the server answered: our place in its history is not to be trusted
                    version = ""
                failures += 1
                logger.debug("%s: %s", self.kind.plural, failure)
                await asyncio.sleep(min(RETRY_SECONDS * 2 ** min(failures, 10), RETRY_SECONDS_MAX) * random.random())

    async def _relist(self, api: ApiClient) -> str:
        objects, version = await api.list(self.kind, metadata_only=self._metadata_only, selector=self._selector)
        self.replace(objects, int(version))
        self.synced.set()
        return version

    def _take(self, event: Json) -> str:
        obj = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self.observe(obj)
            case "DELETED":
                self.forget(obj)
            case "ERROR":
                raise ApiFailure(obj.get("code", 500), obj.get("reason", ""), obj.get("message", ""))
        return str(obj["metadata"]["resourceVersion"])

    def _store(self, key: Key, known: Json | None, obj: Json) -> None:
        self._objects[key] = obj
        for index, entries in self._indexes.items():
            before, after = list(index(known)) if known else [], list(index(obj))
            if before != after:
                self._unindex(entries, before, key)
                for value in after:
                    entries[value][key] = None
        for handler in self._handlers:
            handler(known, obj)

    def _remove(self, key: Key, known: Json) -> None:
        del self._objects[key]
        self._bury(uid_of(known))
        for index, entries in self._indexes.items():
            self._unindex(entries, index(known), key)
        for handler in self._handlers:
            handler(known, None)

    def _bury(self, uid: str) -> None:
        self._deleted[uid] = None
        if len(self._deleted) > DELETED_KEPT_MAX:
            self._deleted.popitem(last=False)

    @staticmethod
    def _unindex(entries: defaultdict[Hashable, dict[Key, None]], values: Iterable[Hashable], key: Key) -> None:
        for value in values:
            keys = entries[value]
            keys.pop(key, None)
            if not keys:
                del entries[value]


class Informers:
    """The caches that the controllers of one process share: one list and one watch for each kind."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._informers: dict[Kind, Informer] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def of(self, kind: Kind) -> Informer:
        """The cache of a kind; handlers and indexes are added before `start`."""
        if kind not in self._informers:
            self._informers[kind] = Informer(kind)
        return self._informers[kind]

    @property
    def kinds(self) -> set[Kind]:
        """The kinds that are cached whole."""
        return set(self._informers)

    async def start(self) -> None:
        """Fill all caches and keep them so; returns when every kind was listed once."""
        for informer in self._informers.values():
            self._tasks.append(asyncio.create_task(informer.run(self._api), name=f"informer {informer.kind.plural}"))
        for informer in self._informers.values():
            await informer.synced.wait()

    async def stop(self) -> None:
        """Stop watching; the caches keep what they had."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
