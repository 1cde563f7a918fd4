"""Everything a story needs, made ready: cluster, controller, Prometheus, and a client to watch and to write with.

The controller runs as it does in production: a process of its own that knows the cluster from a kubeconfig and nothing
of the demo. Prometheus is fetched while the rest starts. What happens then is told in story.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollouts.demo import cluster, manifests, prometheus
from rollouts.demo.manifests import MANAGER, Manifest
from rollouts.demo.processes import Processes
from rollouts.demo.sight import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, ROLLOUTS, Sight
from rollouts.sandbox import discovery_file
from rollouts.sandbox.client import ApiClient, ApiFailure, Connection
from rollouts.sandbox.kinds import CRDS, NAMESPACES, SERVICES, Kind, key_of

APPLY = {"Content-Type": "application/apply-patch+yaml"}
SERVED_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running cluster with its controller, seen through the API."""

    api: ApiClient
    sight: Sight
    kubeconfig: Path
    prometheus: str
    """Its URL."""
    listing: asyncio.Task[None]
    """Keeps the list of what Prometheus scrapes; it ends only by failing."""

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Write an object as `kubectl apply --server-side` does; the object as stored."""
        return await apply(self.api, kind, manifest)

    async def annotate(self, name: str, value: str) -> None:
        """Annotate the Rollout as `kubectl annotate` does."""
        path = ROLLOUTS.item((manifests.NAMESPACE, manifests.NAME))
        headers = {"Content-Type": "application/merge-patch+json"}
        body = {"metadata": {"annotations": {name: value}}}
        await self.api.request("PATCH", path, body=body, headers=headers, fieldManager=MANAGER)


@asynccontextmanager
async def stage(
    processes: Processes, folder: Path, environment: Mapping[str, str], *, say: Callable[[str], None]
) -> AsyncIterator[Stage]:
    """Set up everything but the Rollout, saying so. Raises what the parts raise; see there."""
    if prometheus.find_or_hope() is None:
        say("apt fetches Prometheus, since there is none on the PATH")
    files = folder / "prometheus"
    files.mkdir()
    fetching = asyncio.create_task(prometheus.find_or_fetch())
    tasks: list[asyncio.Task[Any]] = [fetching]
    try:
        say("the cluster starts")
        async with cluster.running(processes, folder, environment) as kubeconfig:
            connection = Connection.from_kubeconfig(kubeconfig)
            async with ApiClient(connection) as api:
                await _furnish(api)
                say("the controller starts, and Prometheus")
                await processes.start("controller", _controller(kubeconfig))
                url = await prometheus.start(processes, await fetching, folder=files)
                await apply(api, ANALYSIS_TEMPLATES, manifests.analysis_template(url))
                listing = asyncio.create_task(discovery_file.follow(connection, prometheus.targets(files)))
                tasks.append(listing)
                async with Sight(api) as sight:
                    yield Stage(api=api, sight=sight, kubeconfig=kubeconfig, prometheus=url, listing=listing)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def apply(api: ApiClient, kind: Kind, manifest: Manifest) -> Manifest:
    """Server-side apply; the object as stored. Raises ApiFailure."""
    return await api.request("PATCH", kind.item(key_of(manifest)), body=manifest, headers=APPLY, fieldManager=MANAGER)


async def _furnish(api: ApiClient) -> None:
    """The CRDs, served, and what is there before the first version."""
    for definition in manifests.definitions():
        await apply(api, CRDS, definition)
    async with asyncio.timeout(SERVED_SECONDS_MAX):
        for kind in (ROLLOUTS, ANALYSIS_RUNS, ANALYSIS_TEMPLATES):
            while not await _is_served(api, kind):  # noqa: ASYNC110  # another process's moment; it sends no event
                await asyncio.sleep(0.1)
    await apply(api, NAMESPACES, manifests.namespace())
    await apply(api, SERVICES, manifests.service())


async def _is_served(api: ApiClient, kind: Kind) -> bool:
    try:
        await api.list(kind)
    except ApiFailure as failure:
        if failure.is_not_found:
            return False
        raise
    return True


def _controller(kubeconfig: Path) -> tuple[str, ...]:
    """The controller's command line, as a cluster's manifest would have it but for addresses on this machine."""
    flags = (f"--kubeconfig={kubeconfig}", "--leader-elect=true", f"--leader-election-namespace={manifests.NAMESPACE}")
    ports = ("--bind-address=127.0.0.1", "--healthzPort=0", "--metricsPort=0")
    return (sys.executable, "-m", "rollouts", "controller", *flags, *ports)
