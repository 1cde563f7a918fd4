"""Namespaces: a new one gets its `default` ServiceAccount, a terminating one is emptied and then let go.

What is in a namespace is found through discovery, so custom resources go too. Deleting is asked for object by object
with background propagation; finalizers on them are waited for.
"""

from __future__ import annotations

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.controllers.catalog import Catalog
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import NAMESPACES, SERVICE_ACCOUNTS, Json, Key, Kind, is_terminating, key_of
from rollouts.sandbox.workqueue import Controller

FINALIZER = "kubernetes"
RECHECK_SECONDS = 0.2  # while objects with finalizers or graceful pods are left


class Namespaces:
    """The controller; `controller` serves its queue."""

    def __init__(self, api: ApiClient, informers: Informers, *, workers: int = 4) -> None:
        self._api = api
        self._namespaces = informers.of(NAMESPACES)
        self.controller: Controller[Key] = Controller("namespace", self.reconcile, workers=workers)
        self._namespaces.on_change(lambda old, new: self.controller.queue.add(key_of(new)) if new else None)

    async def reconcile(self, key: Key) -> float | None:
        """Bring one namespace to life, or to its end."""
        namespace = self._namespaces.get(key)
        if namespace is None:
            return None
        if not is_terminating(namespace):
            await self._ensure_account(key[1])
            return None
        if FINALIZER not in (namespace["spec"].get("finalizers") or ()):
            return None
        if await self._empty(key[1]):
            return RECHECK_SECONDS
        await self._finalize(namespace)
        return None

    async def _ensure_account(self, namespace: str) -> None:
        """Pods that name no account run as `default`, which therefore has to exist."""
        try:
            await self._api.create(SERVICE_ACCOUNTS, namespace, {"metadata": {"name": "default"}})
        except ApiFailure as failure:
            if not (failure.is_taken or failure.is_not_found):
                raise

    async def _empty(self, namespace: str) -> int:
        """Ask for the deletion of all there is; returns how many objects are still there."""
        catalog = await Catalog.read(self._api)
        left = 0
        for kind in catalog.deletable:
            if kind.namespaced:
                left += await self._delete_all(kind, namespace)
        return left

    async def _delete_all(self, kind: Kind, namespace: str) -> int:
        found = await self._api.request("GET", kind.collection(namespace))
        items: list[Json] = found.get("items") or []
        for obj in items:
            if not is_terminating(obj):
                await self._delete(kind, key_of(obj))
        if not items:
            return 0
        found = await self._api.request("GET", kind.collection(namespace))
        return len(found.get("items") or ())

    async def _delete(self, kind: Kind, key: Key) -> None:
        try:
            await self._api.delete(kind, key, options={"propagationPolicy": "Background"})
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise

    async def _finalize(self, namespace: Json) -> None:
        rest = [name for name in namespace["spec"].get("finalizers") or () if name != FINALIZER]
        body = {**namespace, "apiVersion": "v1", "kind": NAMESPACES.kind, "spec": {"finalizers": rest}}
        try:
            await self._api.update(NAMESPACES, key_of(namespace), body, subresource="finalize")
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise
