"""Prometheus away, an API that refuses, loses and forgets: a canary waits, goes on, and ends where it should.

Bad weather may delay. It never promotes a version that was not proven, and never aborts one that was not found bad.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from rollouts.demo.cluster import ASSETS
from rollouts.demo.processes import free_port
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Delay, Fault, Refuse, Reset
from rollouts.sandbox.kinds import Json
from tests.e2e.apps import a_rollout, a_service, pause, serving, weight
from tests.e2e.measured import Backend, a_template, analysis, measuring
from tests.e2e.stage import Place, Stage, condition_of, in_sandbox, on_stage, phase, status, step_of
from tests.e2e.users import users
from tests.e2e.witness import Witness

needs_faults = pytest.mark.skipif(ASSETS in os.environ, reason="a real API server has no faults on demand")
ERRORS_MAX = 1000  # more than any outage here can cause
STEPS = (weight(25), analysis(), weight(50), pause("1s"), weight(75))
ALONE = ("--leader-elect=false",)


@asynccontextmanager
async def a_sandbox(folder: Path) -> AsyncIterator[tuple[Sandbox, Stage]]:
    """A sandbox that the test can make weather in, and a controller that runs on it."""
    async with in_sandbox(folder) as (sandbox, stage):
        await stage.controller(*ALONE)
        yield sandbox, stage


async def until_measured(place: Place, phase: str, count: int) -> Json:
    """Wait until the only AnalysisRun has so many measurements of this phase (`successful`, `error`, ...)."""

    def is_there(run: Json) -> bool:
        return any(int(result.get(phase, 0)) >= count for result in status(run).get("metricResults") or ())

    return await place.until_run(f"{count} measurements {phase}", is_there)


@pytest.mark.needs_apt
async def test_a_prometheus_that_is_away_delays_and_decides_nothing(prometheus_program: Path, tmp_path: Path) -> None:
    """Stopped in the middle of an analysis, started again: neither promoted nor aborted meanwhile, then proven."""
    async with on_stage(tmp_path) as stage, measuring(stage, prometheus_program) as backend:
        await stage.controller()
        place = await stage.place()
        template = a_template(backend.url, count=6, consecutiveErrorLimit=ERRORS_MAX)
        await place.apply(a_service(), template, serving(a_rollout(*STEPS)))
        await place.until_stable("web:1")
        async with users(place) as tally, Witness(place) as witness:
            await place.apply(serving(a_rollout(*STEPS, image="web:2")))
            await until_measured(place, "successful", 1)
            await backend.stop()
            errors = int((await until_measured(place, "error", 1))["status"]["metricResults"][0]["error"])
            run = await until_measured(place, "error", errors + 1)
            assert status(run)["phase"] == "Running"
            seen = await place.rollout()
            assert (step_of(seen), status(seen).get("abort")) == (1, None)
            assert len(witness.stable) == 1
            await backend.start()
            await place.until_stable("web:2")
        assert tally.requests.keys() == {"web:1", "web:2"}
        (run,) = await place.runs()
        (result,) = status(run)["metricResults"]
        assert (status(run)["phase"], result["successful"]) == ("Successful", 6)
        assert len(witness.stable) == 2


async def test_a_prometheus_that_stays_away_ends_in_an_abort(tmp_path: Path) -> None:
    """More errors in a row than the template allows: stable serves on, and the status says why."""
    async with on_stage(tmp_path) as stage:
        await stage.controller()
        place = await stage.place()
        nobody = f"http://127.0.0.1:{free_port()}"
        await place.apply(a_template(nobody, consecutiveErrorLimit=0), a_rollout(*STEPS))
        await place.until_stable("web:1")
        async with Witness(place) as witness:
            await place.apply(a_rollout(*STEPS, image="web:2"))
            seen = await place.until("the abort", lambda seen: phase(seen) == "Degraded")
            await place.until_pods({"web:1": 4})
        assert "consecutiveErrors (1) > consecutiveErrorLimit (0)" in status(seen)["message"]
        assert len(witness.stable) == 1


@needs_faults
@pytest.mark.needs_apt
async def test_a_canary_comes_to_rest_in_a_storm(prometheus_program: Path, tmp_path: Path) -> None:
    """Requests refused, slow, cut and lost, watches dropped, history gone: v2 is proven, v3 is found out."""
    seed = int(os.environ.get("E2E_SEED") or random.randrange(10**6))
    logging.getLogger(__name__).warning("E2E_SEED=%d", seed)
    async with a_sandbox(tmp_path) as (sandbox, stage), measuring(stage, prometheus_program) as backend:
        place = await stage.place()
        good, bad = steady(backend, 1), steady(backend, 0)
        await place.apply(good, a_rollout(*STEPS))
        await place.until_stable("web:1")
        async with Witness(place) as witness:
            await place.apply(a_rollout(*STEPS, image="web:2"))
            async with storm(sandbox, random.Random(seed)):
                await place.until_stable("web:2")
            await place.until_pods({"web:2": 4})
            assert_proven(await place.runs(), await place.until_event("RolloutCompleted", "revision 2"))
            await place.apply(bad, a_rollout(*STEPS, image="web:3"))
            async with storm(sandbox, random.Random(seed)):
                await place.until("the abort", lambda seen: phase(seen) == "Degraded" and step_of(seen) == 0)
            await place.until_pods({"web:2": 4})
        assert len(witness.stable) == 2
        assert witness.pods_wanted_max <= 5
        assert [status(run)["phase"] for run in await place.runs()] == ["Successful", "Failed"]


@needs_faults
async def test_what_happened_in_a_forgotten_past_is_seen(tmp_path: Path) -> None:
    """Watches fall behind, the history is compacted, and they are told 410: the copy is made anew."""
    async with a_sandbox(tmp_path) as (sandbox, stage):
        place = await stage.place()
        await place.apply(a_rollout(weight(50), pause()))
        await place.until_stable("web:1")
        with sandbox.faults.stale_watches():
            await place.apply(a_rollout(weight(50), pause(), image="web:2"))
            sandbox.compact()
            sandbox.faults.drop_watches()
        await place.until_at(1)
        await place.until_pods({"web:1": 2, "web:2": 2})
        with sandbox.faults.stale_watches():
            await place.annotate("promote", "full")
            sandbox.compact()
            sandbox.faults.drop_watches()
        await place.until_stable("web:2")


@needs_faults
async def test_a_slow_api_slows_and_a_full_one_is_heeded(tmp_path: Path) -> None:
    """Every request half a second late; then writes told 429 and 503 for a while: no step is lost or done twice."""
    async with a_sandbox(tmp_path) as (sandbox, stage):
        place = await stage.place()
        await place.apply(a_rollout(weight(25), weight(50), pause(), weight(75)))
        await place.until_stable("web:1")
        async with Witness(place) as witness:
            await place.apply(a_rollout(weight(25), weight(50), pause(), weight(75), image="web:2"))
            slow = sandbox.faults.inject(Delay(0.5))
            await place.until_at(2)
            sandbox.faults.remove(slow)
            full = [
                sandbox.faults.inject(Refuse(code=429, retry_after=1), verb="patch", times=3),
                sandbox.faults.inject(Refuse(code=503), resource="rollouts/status", times=3),
            ]
            await place.annotate_anyhow("promote", "step")
            await place.until_stable("web:2")
            assert all(rule.hits == 3 for rule in full)
        before, *during = witness.steps
        assert before == 4
        assert during == sorted(set(during))
        assert condition_of(await place.rollout(), "Ready")["status"] == "True"


def steady(backend: Backend, value: int) -> Json:
    """A template whose query always answers this."""
    return a_template(backend.url, query=f"vector({value})", consecutiveErrorLimit=ERRORS_MAX)


def assert_proven(runs: list[Json], completed: Json) -> None:
    """The analysis had passed when the version became stable."""
    (run,) = runs
    assert status(run)["phase"] == "Successful"
    assert moment(status(run)["completedAt"]) <= moment(completed["firstTimestamp"])


def moment(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text)


@asynccontextmanager
async def storm(sandbox: Sandbox, chance: random.Random) -> AsyncIterator[None]:
    """Everything at once, as long as the block lasts."""
    task = asyncio.create_task(_rage(sandbox, chance))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sandbox.faults.clear()


async def _rage(sandbox: Sandbox, chance: random.Random) -> None:
    faults: tuple[Fault, ...] = (
        Refuse(code=429, retry_after=1),
        Refuse(code=500),
        Refuse(code=503),
        Refuse(code=504),
        Delay(0.3),
        Reset(),
        Reset(after_effect=True),
    )
    while True:
        verb = chance.choice(("create", "update", "patch", "get", "list", "watch"))
        sandbox.faults.inject(chance.choice(faults), verb=verb, times=chance.randint(1, 2))
        sandbox.faults.inject(Refuse(code=409), verb=chance.choice(("update", "patch")), times=1)
        if chance.random() < 0.2:
            sandbox.faults.drop_watches()
        if chance.random() < 0.1:
            sandbox.compact()
        await asyncio.sleep(chance.uniform(0.05, 0.25))
