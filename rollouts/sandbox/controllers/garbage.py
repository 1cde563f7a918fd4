"""The garbage collector: an object whose owners are all gone goes too; foreground and orphan deletions are completed.

Every kind of the server is watched (its metadata; kinds that others cache whole are shared). An owner counts as gone
only when the API server itself says so: not being in a cache proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.controllers.catalog import Catalog
from rollouts.sandbox.controllers.ownership import FOREGROUND, ORPHAN, Owned, Ownership
from rollouts.sandbox.informer import Informer, Informers
from rollouts.sandbox.kinds import CRDS, Json, Key, Kind, uid_of
from rollouts.sandbox.workqueue import Controller

RESCAN_SECONDS = 30.0
RESCAN_SOON_SECONDS = 0.5  # an owner's kind is unknown: it may have been installed a moment ago
UNSEEN_OWNER_RECHECK_SECONDS = 30.0
SYNC_SECONDS_MAX = 10.0  # a kind may vanish before it was listed
_IGNORED = {"events"}  # they own nothing, come in numbers, and expire by themselves


@dataclass(frozen=True, slots=True)
class Owners:
    """The owner references of an object by what became of the owners."""

    solid: tuple[Json, ...]
    waiting: tuple[Json, ...]
    dangling: tuple[Json, ...]


class GarbageCollector:
    """The collector; `controller` serves the queue of uids, `scanner` follows the kinds that there are."""

    def __init__(self, api: ApiClient, informers: Informers, *, workers: int = 16) -> None:
        self._api = api
        self._shared = informers
        self._graph = Ownership()
        self._catalog = Catalog((), ())
        self._watched: dict[Kind, asyncio.Task[None] | None] = {}
        self._own: dict[Kind, Informer] = {}
        self._unsettled: set[str] = set()
        """Objects with an owner that no cache holds; looked at again when a kind was added."""
        self.controller: Controller[str] = Controller("garbage", self.reconcile, workers=workers)
        self.scanner: Controller[str] = Controller("kinds", self._scan, workers=1)
        informers.of(CRDS).on_change(lambda old, new: self.scanner.queue.add("kinds"))

    async def start(self) -> None:
        """Watch all kinds, then begin to collect: a graph that is half known would be full of missing owners."""
        await self._scan("kinds")
        self.controller.start()
        self.scanner.start()
        self.scanner.queue.add("kinds")

    async def stop(self) -> None:
        """Stop collecting and watching."""
        await self.controller.stop()
        await self.scanner.stop()
        tasks = [task for task in self._watched.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _scan(self, _: str) -> float:
        self._catalog = await Catalog.read(self._api)
        present = {kind for kind in self._catalog.deletable if kind.plural not in _IGNORED}
        added = [self._watch(kind) for kind in present - set(self._watched)]
        for kind in set(self._watched) - present:
            self._unwatch(kind)
        if added:
            await self._synced(added)
            for uid in self._unsettled:
                self.controller.queue.add(uid)
            self._unsettled.clear()
        return RESCAN_SECONDS

    @staticmethod
    async def _synced(informers: Sequence[Informer]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SYNC_SECONDS_MAX):
                for informer in informers:
                    await informer.synced.wait()

    def _watch(self, kind: Kind) -> Informer:
        if kind in self._shared.kinds:
            self._watched[kind] = None
            informer = self._shared.of(kind)
        else:
            informer = self._own[kind] = Informer(kind, metadata_only=True)
            self._watched[kind] = asyncio.create_task(informer.run(self._api), name=f"metadata of {kind.plural}")
        informer.on_change(lambda old, new: self._changed(kind, old, new))
        return informer

    def _unwatch(self, kind: Kind) -> None:
        task = self._watched[kind]
        if task is None:
            return
        task.cancel()
        del self._watched[kind]
        self._own.pop(kind).clear()

    def _changed(self, kind: Kind, old: Json | None, new: Json | None) -> None:
        if new is not None:
            affected = self._graph.put(Owned.of(kind, new))
        else:
            affected = self._graph.remove(uid_of(old or {"metadata": {}}))
        for uid in affected:
            self.controller.queue.add(uid)

    async def reconcile(self, uid: str) -> float | None:
        """Do what the owners and dependents of one object ask for."""
        owned = self._graph.get(uid)
        if owned is None:
            self._unsettled.discard(uid)
            return None
        if owned.leaves_orphans:
            await self._orphan(owned)
        elif owned.awaits_dependents:
            await self._finish_foreground(owned)
        elif owned.owners and not owned.terminating:
            return await self._collect(owned)
        return None

    async def _collect(self, owned: Owned) -> float | None:
        owners = await self._classify(owned)
        if owners is None:
            self.scanner.queue.add_after("kinds", RESCAN_SOON_SECONDS)
            return self._unsettle(owned)
        if owners.solid:
            if owners.dangling or owners.waiting:
                await self._set_owners(owned, owners.solid)
            seen = all(self._graph.get(reference["uid"]) for reference in owners.solid)
            return None if seen else self._unsettle(owned)
        if owners.waiting and self._graph.dependents(owned.uid):
            await self._delete(owned, "Foreground")
        else:
            await self._delete(owned, "Background")
        return None

    def _unsettle(self, owned: Owned) -> float:
        """Remember that nobody will tell us when an owner of this object goes."""
        self._unsettled.add(owned.uid)
        return UNSEEN_OWNER_RECHECK_SECONDS

    async def _classify(self, owned: Owned) -> Owners | None:
        """Sort the owner references; None when a kind is unknown, so that nothing can be said."""
        solid: list[Json] = []
        waiting: list[Json] = []
        dangling: list[Json] = []
        for reference in owned.owners:
            owner = self._graph.get(reference["uid"])
            if owner is None:
                exists = await self._exists(owned, reference)
                if exists is None:
                    return None
                (solid if exists else dangling).append(reference)
            else:
                held = owner.awaits_dependents and reference.get("blockOwnerDeletion")
                (waiting if held else solid).append(reference)
        return Owners(tuple(solid), tuple(waiting), tuple(dangling))

    async def _exists(self, owned: Owned, reference: Json) -> bool | None:
        """Whether the API server has that owner, uid and all; None when it does not know the kind."""
        if self._graph.is_gone(reference["uid"]):
            return False
        kind = self._catalog.find(reference["apiVersion"], reference["kind"])
        if kind is None or (kind.namespaced and not owned.kind.namespaced):
            return None
        key: Key = (owned.key[0] if kind.namespaced else "", reference["name"])
        try:
            return uid_of(await self._api.get(kind, key)) == str(reference["uid"])
        except ApiFailure as failure:
            if failure.is_not_found:
                return False
            raise

    async def _finish_foreground(self, owner: Owned) -> None:
        blocking = [dependent for dependent in self._graph.dependents(owner.uid) if dependent.blocks(owner.uid)]
        if not blocking:
            await self._drop_finalizer(owner, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.terminating:
                self.controller.queue.add(dependent.uid)

    async def _orphan(self, owner: Owned) -> None:
        for dependent in self._graph.dependents(owner.uid):
            kept = [reference for reference in dependent.owners if reference["uid"] != owner.uid]
            await self._set_owners(dependent, kept)
        await self._drop_finalizer(owner, ORPHAN)

    async def _set_owners(self, owned: Owned, owners: Sequence[Json]) -> None:
        await self._patch(owned, {"ownerReferences": list(owners)})

    async def _drop_finalizer(self, owned: Owned, finalizer: str) -> None:
        await self._patch(owned, {"finalizers": [name for name in owned.finalizers if name != finalizer]})

    async def _patch(self, owned: Owned, metadata: Json) -> None:
        """Write metadata to exactly the version that was judged."""
        change = {"metadata": {"uid": owned.uid, "resourceVersion": owned.version, **metadata}}
        try:
            await self._api.patch(owned.kind, owned.key, change)
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise

    async def _delete(self, owned: Owned, policy: str) -> None:
        if ORPHAN in owned.finalizers:
            policy = "Orphan"
        elif FOREGROUND in owned.finalizers:
            policy = "Foreground"
        try:
            await self._api.delete(owned.kind, owned.key, uid=owned.uid, options={"propagationPolicy": policy})
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise
