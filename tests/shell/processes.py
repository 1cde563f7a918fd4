"""A whole controller in the test's own loop, against a cluster, as app.py plugs it together."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollouts import settings
from rollouts.app import assemble
from rollouts.kube.client import ClusterSource, KubeClient
from rollouts.kube.lease import Claim, Elector, LeaseTiming
from rollouts.runtime.cache import Cache
from rollouts.runtime.lifecycle import Ending, Parts, live
from rollouts.sandbox.cluster import Sandbox
from rollouts.settings import Settings
from rollouts.telemetry import Telemetry
from tests.shell.clusters import Access, access_to

PATIENCE_SECONDS = 20.0


def settings_of(*flags: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that these flags and this environment amount to."""
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    environ = environ or {}
    return settings.from_arguments(parser.parse_args([*settings.flags_in(environ), *flags]), environ)


@dataclass(slots=True)
class Controller:
    """A running controller: its parts, and how to end it."""

    parts: Parts
    client: KubeClient
    telemetry: Telemetry
    stop: asyncio.Event
    running: asyncio.Task[Ending]

    @property
    def cache(self) -> Cache:
        """Its copy of the cluster."""
        return self.parts.cache

    @property
    def elector(self) -> Elector:
        """Its elector."""
        assert self.parts.elector is not None
        return self.parts.elector

    async def end(self) -> Ending:
        """Ask it to stop and wait until it has."""
        self.stop.set()
        return await self.running


@asynccontextmanager
async def a_controller(
    cluster: Sandbox | Access, folder: Path, *flags: str, token: str = "", timing: LeaseTiming | None = None
) -> AsyncIterator[Controller]:
    """A controller against this cluster, with an administrator's rights unless another token is given."""
    access = access_to(cluster) if isinstance(cluster, Sandbox) else cluster
    path = access.kubeconfig(folder / f"kubeconfig-{token[-6:]}", token=token)
    telemetry = Telemetry(version="test")
    wanted = settings_of("--kubeconfig", str(path), "--leader-election-namespace", "default", *flags)
    source = ClusterSource(kubeconfig=wanted.kubeconfig)
    client = KubeClient(await source.load(), observe=telemetry.observe_request)
    claim = Claim(namespace=wanted.lease_namespace, name=wanted.lease_name, identity=wanted.identity)
    elector = Elector(client, claim=claim, timing=timing) if wanted.leader_elect else None
    parts = assemble(wanted, source=source, client=client, telemetry=telemetry, elector=elector)
    stop = asyncio.Event()
    running = asyncio.ensure_future(live(parts, stop))
    try:
        yield Controller(parts=parts, client=client, telemetry=telemetry, stop=stop, running=running)
    finally:
        stop.set()
        await running
        await client.close()


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` finds, as soon as it finds something; the cluster is asked again and again, as kubectl wait does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await look()):  # noqa: ASYNC110 - the other side is a server, which sets no event of ours
            await asyncio.sleep(0.02)
    return found
