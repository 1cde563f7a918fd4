"""Everything that makes an API server a small cluster: controllers, scheduler, node and balancer, in one event loop.

They are clients of any API server, the sandbox's own or a real one. Against a real one the pods' range has to be
outside 127.0.0.0/8, because it refuses loopback addresses in endpoints; `ip route add local <range> dev lo` makes
any range bindable on Linux.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from types import TracebackType

from rollouts.sandbox.balancer import Balancer
from rollouts.sandbox.client import ApiClient, Connection
from rollouts.sandbox.clock import Clock, wall_clock
from rollouts.sandbox.controllers.deployment import Deployments
from rollouts.sandbox.controllers.disruption import DisruptionBudgets
from rollouts.sandbox.controllers.endpoints import ServiceEndpoints
from rollouts.sandbox.controllers.garbage import GarbageCollector
from rollouts.sandbox.controllers.job import Jobs
from rollouts.sandbox.controllers.namespaces import Namespaces
from rollouts.sandbox.controllers.replicaset import ReplicaSets
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.loopback import AddressPool, Block, check_bindable, claim
from rollouts.sandbox.node.kubelet import Kubelet, NodeSettings
from rollouts.sandbox.node.scheduler import Scheduler, register_node
from rollouts.sandbox.workqueue import Controller


class Workloads:
    """The running whole; an async context manager.

    `pod_range` None claims a free part of the loopback network. `logs` is a folder for the programs' output.
    Entering raises OSError when addresses of the range do not bind, and ApiFailure when the API cannot be used.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        pod_range: ipaddress.IPv4Network | None = None,
        node: str = "sandbox-node",
        logs: Path | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        self._api = ApiClient(connection)
        self._pod_range = pod_range
        self._node = node
        self._logs = logs
        self._clock = clock
        self._block: Block | None = None
        self._informers = Informers(self._api)
        self._controllers: list[Controller[tuple[str, str]]] = []
        self._garbage = GarbageCollector(self._api, self._informers)
        self._kubelet: Kubelet | None = None
        self._balancer = Balancer(self._informers)

    async def __aenter__(self) -> Workloads:
        settings = self._settings()
        check_bindable(settings.address)
        await self._api.__aenter__()
        try:
            await self._start(settings)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def _settings(self) -> NodeSettings:
        if self._pod_range is None:
            self._block = claim()
            self._pod_range = self._block.pods
        return NodeSettings(name=self._node, pool=AddressPool(self._pod_range), logs=self._logs)

    async def _start(self, settings: NodeSettings) -> None:
        await register_node(self._api, settings.name, settings.address, clock=self._clock)
        api, informers, clock = self._api, self._informers, self._clock
        self._kubelet = Kubelet(api, informers, settings, clock=clock)
        self._controllers = [
            ReplicaSets(api, informers, clock=clock).controller,
            Deployments(api, informers, clock=clock).controller,
            Jobs(api, informers, clock=clock).controller,
            DisruptionBudgets(api, informers, clock=clock).controller,
            ServiceEndpoints(api, informers).controller,
            Namespaces(api, informers).controller,
            Scheduler(api, informers, settings.name, clock=clock).controller,
            self._kubelet.controller,
            self._balancer.controller,
        ]
        await informers.start()
        for controller in self._controllers:
            controller.start()
        await self._garbage.start()

    async def _stop(self) -> None:
        await self._garbage.stop()
        for controller in self._controllers:
            await controller.stop()
        await self._balancer.stop()
        if self._kubelet is not None:
            await self._kubelet.stop()
        await self._informers.stop()
        await self._api.__aexit__(None, None, None)
        if self._block is not None:
            self._block.close()
