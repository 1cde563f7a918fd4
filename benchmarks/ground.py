"""What a fleet runs on: the sandbox and the controller as processes of their own, and the controller's own metrics.

Pods are played, so that all that costs is the control plane. Processor time and memory are the controller's, as its
`/metrics` has them; requests are those that its client counted, which leaves out the watches.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.figures import Requests
from rollouts.demo.processes import Child, Processes
from rollouts.sandbox.client import ApiClient, Connection

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 60.0
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the controller has cost so far."""

    cpu_seconds: float
    memory: int
    requests: Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A running cluster with one controller."""

    api: ApiClient
    metrics: str
    """URL of the controller's metrics."""

    async def cost(self) -> Cost:
        """What the controller has cost so far."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics) as answer:
            return parse(await answer.text())


def parse(text: str) -> Cost:
    """Read the controller's metrics."""
    single: dict[str, float] = {}
    requests: Requests = Counter()
    for name, labels, value in _SAMPLE.findall(text):
        if name == "controller_clientset_k8s_request_total":
            told = dict(_LABEL.findall(labels))
            requests[told["verb"], told["kind"]] += int(float(value))
        elif not labels:
            single[name] = float(value)
    return Cost(
        cpu_seconds=single["process_cpu_seconds_total"],
        memory=int(single["process_resident_memory_bytes"]),
        requests=requests,
    )


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """A new cluster and a controller that has begun to work, with their files in this folder."""
    async with Processes(folder / "logs") as processes:
        kubeconfig = await _sandbox(processes, folder)
        metrics = await _controller(processes, kubeconfig)
        async with ApiClient(Connection.from_kubeconfig(kubeconfig)) as api:
            yield Ground(api=api, metrics=metrics)


async def _sandbox(processes: Processes, folder: Path) -> Path:
    path = folder / "kubeconfig"
    flags = (f"--kubeconfig={path}", f"--crds={ROOT / 'crds'}")
    child = await processes.start("sandbox", (sys.executable, "-m", "rollouts", "sandbox", "up", *flags))
    await processes.until(child, lambda: path.exists() and path.stat().st_size > 0, seconds_max=START_SECONDS_MAX)
    return path


async def _controller(processes: Processes, kubeconfig: Path) -> str:
    """Start it; the URL of its metrics, once it works."""
    flags = (f"--kubeconfig={kubeconfig}", "--leader-election-namespace=default", "--logformat=json")
    ports = ("--bind-address=127.0.0.1", "--healthzPort=0", "--metricsPort=0")
    child = await processes.start("controller", (sys.executable, "-m", "rollouts", "controller", *flags, *ports))
    await processes.until(child, lambda: _said(child, "work_started") is not None, seconds_max=START_SECONDS_MAX)
    started = _said(child, "controller_started")
    assert started is not None, "it said that it works before it said that it started"
    return f"http://127.0.0.1:{list(started['ports'])[-1]}/metrics"


def _said(child: Child, event: str) -> dict[str, list[int]] | None:
    lines = (line for line in child.log.read_text().splitlines() if f'"event": "{event}"' in line)
    return next((json.loads(line) for line in lines), None)
