"""What the stories measure with: a real Prometheus that can be stopped and started again, and templates that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from rollouts.demo import prometheus
from rollouts.demo.manifests import QUERY
from rollouts.demo.processes import Child, free_port
from rollouts.sandbox import discovery_file
from rollouts.sandbox.kinds import Json
from tests.e2e.stage import Stage, until

TEMPLATE = "success-rate"


@dataclass(slots=True)
class Backend:
    """A Prometheus at one address with one store, while it runs and while it does not."""

    stage: Stage
    program: Path
    folder: Path
    url: str
    child: Child | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = (
            str(self.program),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        )
        self.child = await self.stage.processes.start("prometheus", command)
        await until("Prometheus to answer", self._is_ready)

    async def stop(self) -> None:
        """End it as an operator would."""
        assert self.child is not None, "it was not started"
        self.child.process.terminate()
        await self.child.process.wait()

    async def _is_ready(self) -> bool | None:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/-/ready") as answer:
                return True if answer.status == 200 else None
        except aiohttp.ClientError:  # not listening yet
            return None


@asynccontextmanager
async def measuring(stage: Stage, program: Path) -> AsyncIterator[Backend]:
    """A Prometheus that scrapes the programs of a cluster."""
    folder = stage.folder / "prometheus"
    folder.mkdir()
    targets = prometheus.targets(folder)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus.configuration(targets)))
    backend = Backend(stage, program, folder, f"http://127.0.0.1:{free_port()}")
    await backend.start()
    listing = asyncio.create_task(discovery_file.follow(stage.connection, targets))
    try:
        yield backend
    finally:
        listing.cancel()
        await asyncio.gather(listing, return_exceptions=True)


def a_template(address: str, *, query: str = QUERY, count: int = 3, **metric: Any) -> Json:
    """At least 95 of 100 requests to the canary were answered without an error, each time it is asked."""
    asked = {
        "name": TEMPLATE,
        "interval": "1s",
        "count": count,
        "successCondition": "result[0] >= 0.95",
        "provider": {"prometheus": {"address": address, "query": query}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": TEMPLATE},
        "spec": {"args": [{"name": "pods"}], "metrics": [asked | metric]},
    }


def analysis() -> Json:
    """The step that asks it about the pods of the new version."""
    pods = {"name": "pods", "valueFrom": {"podTemplateHashValue": "Latest"}}
    return {"analysis": {"templates": [{"templateName": TEMPLATE}], "args": [pods]}}
