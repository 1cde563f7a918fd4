"""One sandbox, from start to end, as an async context manager.

    async with Sandbox() as sandbox:
        client = connect(sandbox.url)

The API server runs in the caller's event loop. What else lives in a cluster (controllers, node, balancer) is started
on request and talks to the server over HTTP like anyone else. The command for people is in `command`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from aiohttp import web

from rollouts.sandbox import rbac
from rollouts.sandbox.access import ADMIN, Access
from rollouts.sandbox.addresses import SERVICE_RANGE, Addresses
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call
from rollouts.sandbox.client import Connection
from rollouts.sandbox.clock import wall_clock
from rollouts.sandbox.faults import Faults
from rollouts.sandbox.loopback import claim
from rollouts.sandbox.resources import Json, Registry
from rollouts.sandbox.routing import Target
from rollouts.sandbox.server import Server
from rollouts.sandbox.store import CHANGES_KEPT_MAX, Store, encode
from rollouts.sandbox.workloads import Workloads
from rollouts.sandbox.writing import Writer

HOST = "127.0.0.1"
NAMESPACES_AT_START = ("default", "kube-node-lease", "kube-public", "kube-system")
SHUTDOWN_SECONDS = 0.5
KEEPALIVE_SECONDS = 3600.0  # a client that reuses a connection must not find it just closed
HEADER_BYTES_MAX = 1 << 16  # selectors can be long


class Sandbox:
    """An embedded Kubernetes API on loopback.

    `port` 0 takes a free one. With `rbac` on, requests are judged by the Roles and bindings in the cluster;
    `access.issue` makes bearer tokens. With `workloads` on, controllers, a node and a balancer make it a small cluster
    that runs programs; `logs` is the folder for the programs' output. Services get addresses of `service_range`, which
    is a claimed part of the loopback network when there are workloads, and otherwise need not exist.
    Entering raises OSError when an address cannot be had.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        rbac: bool = False,
        workloads: bool = False,
        logs: Path | None = None,
        service_range: str = SERVICE_RANGE,
        changes_kept_max: int = CHANGES_KEPT_MAX,
    ) -> None:
        self.faults = Faults()
        self.store = Store(changes_kept_max=changes_kept_max)
        self.registry = Registry()
        self.access = Access(self.store, rbac_enabled=rbac)
        self.access.now = self._now
        self.token = self.access.issue(ADMIN)
        """An administrator's bearer token."""
        self._port = port
        self._backend = Backend(
            store=self.store, registry=self.registry, addresses=Addresses(service_range), clock=self._now
        )
        self._server = Server(self._backend, access=self.access, faults=self.faults)
        self._runner: web.ServerRunner | None = None
        self._wants_workloads = workloads
        self._logs = logs
        self._running = AsyncExitStack()
        self._make_first_objects()

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
        """Listen, and begin to work."""
        self._server.open()
        await self._listen()
        self._running.push_async_callback(self._close)
        if self._wants_workloads:
            try:
                await self._start_workloads()
            except BaseException:
                await self._running.aclose()
                raise

    async def stop(self) -> None:
        """End workloads and watches, and close every connection. Objects stay: `start` serves them again."""
        await self._running.aclose()

    async def _start_workloads(self) -> None:
        block = claim()
        self._running.callback(block.close)
        self._backend.addresses = Addresses(str(block.services))
        connection = Connection(url=self.url, token=self.token)
        await self._running.enter_async_context(
            Workloads(connection, pod_range=block.pods, logs=self._logs, clock=self._now)
        )

    async def _listen(self) -> None:
        handler = web.Server(
            self._server.handle,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
        )
        self._runner = web.ServerRunner(handler, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
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

    def install(self, files: Iterable[Path]) -> None:
        """Serve what the CustomResourceDefinitions in these YAML files define; other documents are left alone."""
        for file in files:
            for document in yaml.safe_load_all(file.read_text()):
                if document and document.get("kind") == "CustomResourceDefinition":
                    self.create(document)

    def create(self, obj: Json) -> Json:
        """Create an object without a request. Raises ApiError as a request would, LookupError for an unknown kind."""
        group, _, version = str(obj["apiVersion"]).rpartition("/")
        resource = self.registry.find_kind(group, version, obj["kind"])
        if resource is None:
            raise LookupError(f"the cluster serves no {obj['kind']} of {obj['apiVersion']}")
        namespace = obj["metadata"].get("namespace", "default") if resource.namespaced else None
        target = Target(resource=resource, verb="create", namespace=namespace, name="", subresource="")
        call = Call(target=target, query={}, body=encode(obj), user_agent="kube-apiserver/sandbox")
        return Writer(self._backend).create(call).record.object

    def compact(self) -> None:
        """Forget the history: whoever continues from an older resourceVersion is told 410."""
        self.store.compact()

    def _now(self) -> datetime:
        return wall_clock() + self.faults.clock_offset

    def _make_first_objects(self) -> None:
        """What a cluster holds from the start."""
        for name in NAMESPACES_AT_START:
            self.create({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
        for obj in rbac.bootstrap() if self.access.rbac_enabled else ():
            self.create(obj)


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
