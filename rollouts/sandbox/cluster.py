"""One sandbox, from start to end: an async context manager for tests, and `up` for people.

    async with Sandbox() as sandbox:
        client = connect(sandbox.url)

The API server runs in the caller's event loop. What else lives in it (controllers, node, balancer) is started by
`workloads` and talks to the server over HTTP like anyone else.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from aiohttp import web

from rollouts.sandbox.access import ADMIN, Access
from rollouts.sandbox.addresses import SERVICE_RANGE, Addresses
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call
from rollouts.sandbox.clock import Clock, wall_clock
from rollouts.sandbox.faults import Faults
from rollouts.sandbox.rbac import Identity
from rollouts.sandbox.resources import Json, Registry
from rollouts.sandbox.routing import Target
from rollouts.sandbox.server import Server
from rollouts.sandbox.store import CHANGES_KEPT_MAX, Store, encode
from rollouts.sandbox.writing import Writer

HOST = "127.0.0.1"
NAMESPACES_AT_START = ("default", "kube-node-lease", "kube-public", "kube-system")
SHUTDOWN_SECONDS = 0.5


class Sandbox:
    """An embedded Kubernetes API on loopback.

    `port` 0 takes a free one. With `rbac` on, requests are judged by the Roles and bindings in the cluster. `tokens`
    are bearer tokens known from the start; the kubeconfig carries an administrator's.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        rbac: bool = False,
        tokens: Mapping[str, Identity] | None = None,
        service_range: str = SERVICE_RANGE,
        changes_kept_max: int = CHANGES_KEPT_MAX,
        clock: Clock = wall_clock,
    ) -> None:
        self.faults = Faults()
        self.store = Store(changes_kept_max=changes_kept_max)
        self.registry = Registry()
        self.access = Access(self.store, rbac_enabled=rbac, tokens=tokens)
        self.access.now = self._now
        self.token = self.access.issue(ADMIN)
        """An administrator's bearer token."""
        self._clock = clock
        self._port = port
        self._backend = Backend(
            store=self.store, registry=self.registry, addresses=Addresses(service_range), clock=self._now
        )
        self._server = Server(self._backend, access=self.access, faults=self.faults)
        self._runner: web.ServerRunner | None = None
        self._make_namespaces()

    @property
    def url(self) -> str:
        """Where the API is; the sandbox must have started."""
        assert self._runner is not None, "the sandbox has not started"
        return f"http://{HOST}:{self._port}"

    @property
    def requests(self) -> Counter[tuple[str, str, str, int]]:
        """How many requests were answered, by verb, group, resource (`pods/status`) and code; may be cleared."""
        return self._server.requests

    async def start(self) -> None:
        """Listen."""
        handler = web.Server(self._server.handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(handler, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End watches and close every connection. Objects stay: `start` serves them again, at the same port."""
        self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for this sandbox, and give back its path."""
        path.write_text(yaml.safe_dump(kubeconfig(self.url, self.token)))
        path.chmod(0o600)
        return path

    def compact(self) -> None:
        """Forget the history: whoever continues from an older resourceVersion is told 410."""
        self.store.compact()

    def _now(self) -> datetime:
        return self._clock() + self.faults.clock_offset

    def _make_namespaces(self) -> None:
        resource = self.registry.find("", "v1", "namespaces")
        assert resource is not None
        writer = Writer(self._backend)
        for name in NAMESPACES_AT_START:
            target = Target(resource=resource, verb="create", namespace=None, name="", subresource="")
            body = encode({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
            writer.create(Call(target=target, query={}, body=body, user_agent="kube-apiserver/sandbox"))


def kubeconfig(url: str, token: str) -> Json:
    """A kubeconfig with one cluster, one user and one context, all named `sandbox`."""

    def named(kind: str, value: Any) -> list[Json]:
        return [{"name": "sandbox", kind: value}]

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": named("cluster", {"server": url}),
        "users": named("user", {"token": token}),
        "contexts": named("context", {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}),
        "current-context": "sandbox",
    }


async def until_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        await stopping.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
