"""What the end-to-end stories stand on: a cluster, Prometheus, and demos that are gone when their test is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from rollouts.demo import prometheus
from tests.e2e.demo_process import Demo
from tests.e2e.stage import Place, Stage, on_stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A cluster and a controller."""
    async with on_stage(tmp_path_factory.mktemp("stage")) as running:
        await running.controller()
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def place(stage: Stage) -> Place:
    """A namespace of its own."""
    return await stage.place()


@pytest.fixture(scope="session")
def prometheus_program() -> Path:
    """Prometheus, fetched when it is missing; without it and without a way to it the story cannot be told."""
    try:
        return asyncio.run(prometheus.find_or_fetch())
    except prometheus.PrometheusMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def start_demo(prometheus_program: Path, tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Start the demo with these flags."""
    with ExitStack() as stack:

        def start(*flags: str) -> Demo:
            demo = Demo(tmp_path, *flags)
            stack.callback(demo.close)
            return demo

        yield start
