"""Services with a selector: their EndpointSlices and Endpoints follow the pods.

Only pods of the same namespace are looked at, and only when something changed that a Service could see. What the
objects say is in `endpoint_slices.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.controllers.endpoint_slices import (
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    address_of,
    new_slice,
    same_content,
    slice_labels,
    wanted_slices,
    wanted_subsets,
)
from rollouts.sandbox.controllers.pods import is_finished, is_ready
from rollouts.sandbox.controllers.selection import labels_of, matches_all
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, Json, Key, is_terminating, key_of, uid_of
from rollouts.sandbox.workqueue import Controller


def by_service(endpoint_slice: Json) -> Iterable[Hashable]:
    """Index a slice by the Service it belongs to."""
    name = labels_of(endpoint_slice).get(SERVICE_NAME)
    return ((endpoint_slice["metadata"]["namespace"], name),) if name else ()


def by_label(pod: Json) -> Iterable[Hashable]:
    """Index a pod by its namespace and every single label."""
    return [(pod["metadata"]["namespace"], *item) for item in labels_of(pod).items()]


def by_selector(service: Json) -> Iterable[Hashable]:
    """Index a Service by its namespace and one label that its selector asks for: its pods have that at least."""
    selector = service["spec"].get("selector") or {}
    return [(service["metadata"]["namespace"], *item) for item in list(selector.items())[:1]]


class ServiceEndpoints:
    """The controller; `controller` serves its queue."""

    def __init__(self, api: ApiClient, informers: Informers, *, workers: int = 8) -> None:
        self._api = api
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINT_SLICES)
        self._endpoints = informers.of(ENDPOINTS)
        self._pods = informers.of(PODS)
        self._services.index(by_selector)
        self._slices.index(by_service)
        self._pods.index(by_label)
        self.controller: Controller[Key] = Controller("endpoints", self.reconcile, workers=workers)
        self._services.on_change(lambda old, new: self.controller.queue.add(key_of(new or old or {})))
        self._slices.on_change(self._slice_changed)
        self._endpoints.on_change(self._endpoints_changed)
        self._pods.on_change(self._pod_changed)

    def _slice_changed(self, old: Json | None, new: Json | None) -> None:
        for key in by_service(new or old or {}):
            self.controller.queue.add(key)  # type: ignore[arg-type]  # the index gives keys

    def _endpoints_changed(self, old: Json | None, new: Json | None) -> None:
        key = key_of(new or old or {})
        if self._services.get(key) is not None:
            self.controller.queue.add(key)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        if old and new and _seen_by_services(old) == _seen_by_services(new):
            return
        for pod in (old, new):
            for item in by_label(pod) if pod else ():
                for service in self._services.find(by_selector, item):
                    if pod and matches_all(service["spec"]["selector"], labels_of(pod)):
                        self.controller.queue.add(key_of(service))

    async def reconcile(self, key: Key) -> None:
        """Bring the slices and the Endpoints of one Service in line with its pods."""
        service = self._services.get(key)
        if service is None:
            await self._remove(key)
        elif service["spec"].get("selector") and service["spec"].get("type") != "ExternalName":
            pods = self._selected(service)
            await self._write_slices(service, pods)
            await self._write_endpoints(service, pods)

    def _selected(self, service: Json) -> list[Json]:
        selector: dict[str, str] = service["spec"]["selector"]
        namespace = service["metadata"]["namespace"]
        first = next(iter(selector.items()))
        return [pod for pod in self._pods.find(by_label, (namespace, *first)) if matches_all(selector, labels_of(pod))]

    async def _remove(self, key: Key) -> None:
        """Take back what a deleted Service left, without waiting for the garbage collector."""
        for stored in self._slices.find(by_service, key):
            if labels_of(stored).get(MANAGED_BY) == MANAGER:
                await self._delete_slice(stored)
        endpoints = self._endpoints.get(key)
        if endpoints is not None:
            try:
                await self._api.delete(ENDPOINTS, key, uid=uid_of(endpoints))
            except ApiFailure as failure:
                if not failure.is_not_found:
                    raise
            self._endpoints.forget(endpoints)

    async def _write_slices(self, service: Json, pods: list[Json]) -> None:
        stored = [one for one in self._slices.find(by_service, key_of(service)) if not is_terminating(one)]
        owned = [one for one in stored if labels_of(one).get(MANAGED_BY) == MANAGER]
        wanted = wanted_slices(service, pods)
        labels = slice_labels(service)
        settled = {
            index: one
            for index, content in enumerate(wanted)
            if (one := next((one for one in owned if same_content(one, content)), None)) is not None
        }
        spare = [one for one in owned if all(one is not kept for kept in settled.values())]
        for index, content in enumerate(wanted):
            if index in settled and dict(labels_of(settled[index])) == labels:
                continue
            await self._write_slice(service, settled.get(index) or (spare.pop() if spare else None), content)
        for one in spare:
            await self._delete_slice(one)

    async def _write_slice(self, service: Json, stored: Json | None, content: Json) -> None:
        namespace = service["metadata"]["namespace"]
        body = new_slice(service, content)
        if stored is None:
            self._slices.observe(await self._api.create(ENDPOINT_SLICES, namespace, body))
            return
        metadata = {**stored["metadata"], "labels": slice_labels(service)}
        update = {**stored, **body, "metadata": metadata}
        self._slices.observe(await self._api.update(ENDPOINT_SLICES, key_of(stored), update))

    async def _delete_slice(self, stored: Json) -> None:
        try:
            await self._api.delete(ENDPOINT_SLICES, key_of(stored), uid=uid_of(stored))
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise
        self._slices.forget(stored)

    async def _write_endpoints(self, service: Json, pods: list[Json]) -> None:
        key = key_of(service)
        stored = self._endpoints.get(key)
        subsets = wanted_subsets(service, pods)
        labels = dict(service["metadata"].get("labels") or {})
        if stored is not None and (stored.get("subsets") or []) == subsets and dict(labels_of(stored)) == labels:
            return
        body: Json = {"metadata": {"name": key[1], "namespace": key[0], "labels": labels}, "subsets": subsets}
        if stored is None:
            self._endpoints.observe(await self._api.create(ENDPOINTS, key[0], body))
            return
        body["metadata"] = {**stored["metadata"], "labels": labels}
        self._endpoints.observe(await self._api.update(ENDPOINTS, key, body))


def _seen_by_services(pod: Json) -> tuple[object, ...]:
    """All of a pod that a Service's endpoints depend on."""
    return (
        labels_of(pod),
        address_of(pod),
        is_ready(pod),
        is_terminating(pod),
        is_finished(pod),
        pod["spec"].get("nodeName"),
    )


def by_pod(endpoint_slice: Json) -> Iterable[Hashable]:
    """Index a slice by the uids of the pods that it lists."""
    targets = [endpoint.get("targetRef") or {} for endpoint in endpoint_slice.get("endpoints") or ()]
    return [target["uid"] for target in targets if target.get("uid")]
