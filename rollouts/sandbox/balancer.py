"""Services made reachable: a TCP balancer on every cluster address and port, fed by EndpointSlices.

Each new connection goes to the next ready endpoint; when that does not answer, to the one after it, so a connection
fails only when no endpoint takes it. Endpoints that are terminating but still serve are used when none is ready.
Connections that exist are never moved or cut: a program that stops finishes them itself. UDP, node ports and session
affinity are not carried out.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rollouts.sandbox.controllers.endpoints import by_service
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import ENDPOINT_SLICES, SERVICES, Json, Key, key_of
from rollouts.sandbox.relay import Relay, join
from rollouts.sandbox.workqueue import Controller

logger = logging.getLogger(__name__)

CONNECT_SECONDS_MAX = 2.0
LISTEN_RETRY_SECONDS = 2.0
BACKLOG = 1024

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Targets:
    """Where connections to one Service port may go."""

    ready: tuple[Address, ...]
    leaving: tuple[Address, ...]
    """Terminating endpoints that still serve."""


def targets_of(port: Json, slices: Iterable[Json]) -> Targets:
    """The endpoints of one Service port, in a stable order."""
    ready: set[Address] = set()
    leaving: set[Address] = set()
    for endpoint_slice in slices:
        number = _number(port, endpoint_slice)
        if number is None or endpoint_slice.get("addressType") != "IPv4":
            continue
        for endpoint in endpoint_slice.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if conditions.get("ready", True):
                ready.update((address, number) for address in endpoint["addresses"])
            elif conditions.get("terminating") and conditions.get("serving"):
                leaving.update((address, number) for address in endpoint["addresses"])
    return Targets(tuple(sorted(ready)), tuple(sorted(leaving)))


def _number(port: Json, endpoint_slice: Json) -> int | None:
    for offered in endpoint_slice.get("ports") or ():
        if (offered.get("name") or "") == port.get("name", "") and offered.get("protocol", "TCP") == "TCP":
            return int(offered["port"])
    return None


class Rotation:
    """Takes targets in turn."""

    def __init__(self) -> None:
        self.targets = Targets((), ())
        self._turn = 0

    def order(self) -> Sequence[Address]:
        """The targets for one connection, the one whose turn it is first; leaving ones only when none is ready."""
        targets = self.targets.ready or self.targets.leaving
        if not targets:
            return ()
        first = self._turn % len(targets)
        self._turn = first + 1
        return targets[first:] + targets[:first]


class Listener:
    """One cluster address and port."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.rotation = Rotation()
        self._server: asyncio.Server | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._clients: weakref.WeakSet[Relay] = weakref.WeakSet()

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def bound(self) -> Address:
        """Where it really listens; it must be open."""
        assert self._server is not None, "the listener is open"
        host, port = self._server.sockets[0].getsockname()
        return host, port

    async def open(self) -> None:
        """Begin to listen. Raises OSError."""
        host, port = self.address
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Relay(self._accepted), host, port, backlog=BACKLOG)

    def close(self) -> None:
        """Stop listening; connections that exist go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def abandon(self) -> None:
        """Break off all connections: the whole cluster ends."""
        for task in list(self._connecting):
            task.cancel()
        for client in list(self._clients):
            client.abort()

    def _accepted(self, client: Relay) -> None:
        self._clients.add(client)
        task = asyncio.create_task(self._connect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: Relay) -> None:
        loop = asyncio.get_running_loop()
        for host, port in self.rotation.order():
            try:
                async with asyncio.timeout(CONNECT_SECONDS_MAX):
                    _, server = await loop.create_connection(Relay, host, port)
            except (OSError, TimeoutError):
                continue
            join(client, server)
            return
        client.abort()


class Balancer:
    """Keeps a listener for every TCP port of every Service with a cluster address; `controller` serves its queue."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINT_SLICES)
        self._slices.index(by_service)
        self._listeners: dict[Key, dict[Address, Listener]] = {}
        self._reported: set[Address] = set()
        self.controller: Controller[Key] = Controller("balancer", self.reconcile, workers=4)
        self._services.on_change(lambda old, new: self.controller.queue.add(key_of(new or old or {})))
        self._slices.on_change(self._slice_changed)

    def _slice_changed(self, old: Json | None, new: Json | None) -> None:
        """Endpoints count from this moment on; only listening needs the queue."""
        for key in by_service(new or old or {}):
            service = self._services.get(key)  # type: ignore[arg-type]  # the index gives keys
            if service is not None:
                self._retarget(service)

    def _retarget(self, service: Json) -> None:
        key = key_of(service)
        listeners = self._listeners.get(key) or {}
        slices = self._slices.find(by_service, key) if listeners else ()
        for address, port in addresses_of(service).items():
            if address in listeners:
                listeners[address].rotation.targets = targets_of(port, slices)

    async def stop(self) -> None:
        """Stop listening everywhere."""
        await self.controller.stop()
        for listeners in self._listeners.values():
            for listener in listeners.values():
                listener.close()
                listener.abandon()
        self._listeners.clear()

    async def reconcile(self, key: Key) -> float | None:
        """Open and close the listeners of one Service."""
        service = self._services.get(key)
        wanted = addresses_of(service) if service else {}
        listeners = self._listeners.setdefault(key, {})
        for address in set(listeners) - set(wanted):
            listeners.pop(address).close()
        for address in wanted:
            listeners.setdefault(address, Listener(address))
        if service is None or not wanted:
            del self._listeners[key]
            return None
        self._retarget(service)
        closed = [listener for listener in listeners.values() if not listener.is_open]
        opened = [await self._open(listener, key) for listener in closed]
        return None if all(opened) else LISTEN_RETRY_SECONDS

    async def _open(self, listener: Listener, key: Key) -> bool:
        try:
            await listener.open()
        except OSError as error:
            if listener.address not in self._reported:
                self._reported.add(listener.address)
                logger.warning("service %s/%s is not reachable: %s", *key, error)
            return False
        self._reported.discard(listener.address)
        return True


def addresses_of(service: Json) -> dict[Address, Json]:
    """The cluster addresses of a Service with its ports; a headless one has none."""
    host = service["spec"].get("clusterIP") or "None"
    if host == "None" or ":" in host:
        return {}
    ports = service["spec"].get("ports") or ()
    return {(host, int(port["port"])): port for port in ports if port.get("protocol", "TCP") == "TCP"}
