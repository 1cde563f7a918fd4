"""Queries to backends: sent once, in fair turns, and answered even when nobody answers."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.core.actions import Measure
from rollouts.core.observed import ReadingSeen
from rollouts.kube.errors import ApiError, NotFound, Unreachable
from rollouts.kube.kinds import Key
from rollouts.ports import MetricProvider, Pending, Query, Reading, instant
from rollouts.runtime.fairpool import Broken, FairPool, NoTurn
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.readings import Readings

RUN = Key("default", "check")
UID = "uid-check"


def measure(ordinal: int = 1, *, provider: Mapping[str, Any] | None = None, **secrets: tuple[str, str]) -> Measure:
    spec = {"name": "errors", "provider": provider or {"fake": {"query": "q"}}}
    return Measure(run_uid=UID, metric="errors", ordinal=ordinal, spec=spec, secrets=secrets)


@dataclass(slots=True)
class Bench:
    """A measurer whose answers and failures are waited for."""

    providers: dict[str, MetricProvider]
    secrets: dict[str, dict[str, Any] | ApiError] = field(default_factory=dict)
    readings: Readings = field(default_factory=Readings)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    failures: list[float] = field(default_factory=list)
    pool: FairPool | None = None

    async def ask(self, action: Measure) -> tuple[ReadingSeen, ...]:
        """Send one query and wait for what becomes of it."""
        measurer = self.measurer()
        measurer.start(RUN, action)
        async with asyncio.timeout(5):
            await self.answered.wait()
        return self.readings.of(UID)

    def measurer(self) -> Measurer:
        return Measurer(
            self.providers,
            self.readings,
            read_secret=self._secret,
            on_answer=lambda key: self.answered.set(),
            on_failure=self._failed,
            pool=self.pool,
        )

    async def _secret(self, key: Key) -> Mapping[str, Any]:
        found = self.secrets.get(key.name, NotFound(f'secrets "{key.name}" not found'))
        if isinstance(found, ApiError):
            raise found
        return found

    def _failed(self, key: Key, seconds: float) -> None:
        self.failures.append(seconds)
        self.answered.set()


def answering(reading: Reading | Callable[[Query], Reading]) -> dict[str, MetricProvider]:
    """A provider `fake` with this answer."""
    return {"fake": instant(reading if callable(reading) else lambda query: reading)}


async def test_an_answer_is_in_the_next_snapshot() -> None:
    """With its times, under its metric and ordinal, and no longer in flight."""
    bench = Bench(answering(Reading(value=0.5, text="0.5", metadata={"a": "b"})))
    (seen,) = await bench.ask(measure(3))
    assert (seen.metric, seen.ordinal, seen.value, seen.text) == ("errors", 3, 0.5, "0.5")
    assert seen.started_at <= seen.finished_at
    assert bench.readings.in_flight(UID) == frozenset()


async def test_a_query_is_sent_once() -> None:
    """Decided again while it is under way, or while its answer is not yet in the status."""
    asked: list[Query] = []
    release = threading.Event()

    def ask(query: Query) -> Reading:
        asked.append(query)
        release.wait(5)
        return Reading(value=1.0)

    bench = Bench(answering(ask))
    measurer = bench.measurer()
    measurer.start(RUN, measure())
    measurer.start(RUN, measure())
    assert bench.readings.in_flight(UID) == {("errors", 1)}
    release.set()
    await bench.answered.wait()
    measurer.start(RUN, measure())
    assert len(asked) == 1


async def test_secrets_are_read_when_the_query_is_sent() -> None:
    """Their values are in the query and in what must be hidden, and nowhere else."""
    queries: list[Query] = []

    def ask(query: Query) -> Reading:
        queries.append(query)
        return Reading(text="ok")

    bench = Bench(answering(ask), {"token": {"data": {"key": base64.b64encode(b"hush").decode()}}})
    section: dict[str, Any] = {"fake": {"query": "q", "header": "{{args.token}}"}}
    (seen,) = await bench.ask(measure(provider=section, token=("token", "key")))
    assert queries[0].config["header"] == "hush"
    assert seen.secrets == ("hush",) and "hush" not in repr(seen) and "hush" not in repr(queries[0])


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "not found"),
        ({"token": {"data": {}}}, "key 'key' does not exist in secret 'token'"),
        ({"token": {"data": {"key": "%%%"}}}, "is not text"),
    ],
)
async def test_a_secret_that_is_not_as_named_is_an_error_of_the_measurement(
    secrets: dict[str, dict[str, Any] | ApiError], words: str
) -> None:
    """It says which Secret, and what is wrong with it."""
    (seen,) = await Bench(answering(Reading()), secrets).ask(measure(token=("token", "key")))
    assert words in seen.error and "token" in seen.error


async def test_an_api_server_that_is_away_delays_a_query() -> None:
    """No reading, no error: it is withdrawn, and decided on again."""
    bench = Bench(answering(Reading()), {"token": Unreachable("refused", retry_after_seconds=3)})
    assert await bench.ask(measure(token=("token", "key"))) == ()
    assert bench.failures == [3] and bench.readings.in_flight(UID) == frozenset()


async def test_a_provider_nobody_has_is_an_error_of_the_measurement() -> None:
    """As is none at all, or two."""
    sections: tuple[dict[str, Any], ...] = ({"other": {}}, {"fake": {}, "other": {}})
    for section in sections:
        (seen,) = await Bench(answering(Reading())).ask(measure(provider=section))
        assert "not served by this version" in seen.error


async def test_a_providers_bug_costs_its_own_metric() -> None:
    """The error names no value that might be secret."""

    def ask(query: Query) -> Reading:
        raise KeyError("hush")

    (seen,) = await Bench(answering(ask)).ask(measure())
    assert "KeyError" in seen.error and "hush" not in seen.error


async def test_a_question_that_takes_long_is_asked_again() -> None:
    """Until the backend has an answer."""

    class Slow:
        def begin(self, query: Query) -> Reading | Pending:
            return Pending(resume_at=datetime.now(UTC) - timedelta(seconds=1), metadata={"job": "7"})

        def resume(self, query: Query, pending: Pending) -> Reading | Pending:
            return Reading(text=f"job {pending.metadata['job']}")

        def cancel(self, query: Query, pending: Pending) -> None:
            return None

    (seen,) = await Bench({"fake": Slow()}).ask(measure())
    assert seen.text == "job 7"


async def test_what_a_gone_run_asked_is_forgotten() -> None:
    """A late answer finds nobody."""
    release = threading.Event()

    def ask(query: Query) -> Reading:
        release.wait(5)
        return Reading(value=1.0)

    bench = Bench(answering(ask))
    measurer = bench.measurer()
    measurer.start(RUN, measure())
    measurer.drop(UID)
    release.set()
    await measurer.close()
    assert len(bench.readings) == 0


def test_an_answer_stays_until_the_status_shows_it() -> None:
    """A lost status write loses no measurement."""
    readings = Readings()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for ordinal in (1, 2):
        readings.ask(UID, ("errors", ordinal))
        readings.answer(UID, ReadingSeen(metric="errors", ordinal=ordinal, started_at=now, finished_at=now))
    readings.settle(UID, {"errors": 0})
    assert len(readings.of(UID)) == 2
    readings.settle(UID, {"errors": 1})
    assert [reading.ordinal for reading in readings.of(UID)] == [2]
    readings.settle(UID, {"errors": 2})
    assert len(readings) == 0


async def test_a_hanging_backend_holds_its_own_lane_only() -> None:
    """However much is asked of it, others are served."""
    pool = FairPool(threads=4, per_lane=2)
    release = threading.Event()
    hanging = [
        asyncio.ensure_future(pool.run("dead", lambda: release.wait(10), wait_seconds=10, run_seconds=10))
        for _ in range(20)
    ]
    await asyncio.sleep(0)
    answers = [await pool.run("alive", lambda: "ok", wait_seconds=5, run_seconds=5) for _ in range(10)]
    assert answers == ["ok"] * 10
    release.set()
    await asyncio.gather(*hanging)


async def test_lanes_take_turns() -> None:
    """One thread, two lanes: neither waits for all of the other."""
    pool = FairPool(threads=1, per_lane=1)
    order: list[str] = []
    calls = [
        asyncio.ensure_future(pool.run(lane, lambda lane=lane: order.append(lane), wait_seconds=5, run_seconds=5))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for lane in ("a", "a", "a", "b", "b", "b")
    ]
    await asyncio.gather(*calls)
    assert order == ["a", "a", "b", "a", "b", "b"]


async def test_a_call_that_outlasts_its_time_is_given_up_but_still_counted() -> None:
    """Its thread cannot be stopped, so its place stays taken until it ends."""
    pool = FairPool(threads=1, per_lane=1)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await pool.run("slow", lambda: release.wait(10), wait_seconds=1, run_seconds=0.01)
    with pytest.raises(NoTurn):
        await pool.run("other", lambda: "ok", wait_seconds=0.01, run_seconds=1)
    release.set()
    assert await pool.run("other", lambda: "ok", wait_seconds=5, run_seconds=5) == "ok"


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), StopIteration()])
async def test_a_call_that_ends_as_none_may_frees_its_lane(error: BaseException) -> None:
    """What would end a thread or a task without a word is told to the caller, and the next call has its turn."""
    pool = FairPool(threads=1, per_lane=1)

    def work() -> None:
        raise error

    with pytest.raises(Broken, match=type(error).__name__):
        await pool.run("odd", work, wait_seconds=5, run_seconds=5)
    assert await pool.run("odd", lambda: "ok", wait_seconds=5, run_seconds=5) == "ok"


async def test_a_thread_that_cannot_start_frees_its_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have none left; it may have one later."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = FairPool(threads=1, per_lane=1)
    with monkeypatch.context() as machine:
        machine.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await pool.run("web", lambda: "ok", wait_seconds=5, run_seconds=5)
    assert await pool.run("web", lambda: "ok", wait_seconds=5, run_seconds=5) == "ok"


class CrowdedPool(FairPool):
    """One whose threads all wait for other backends."""

    async def run(self, *_: Any, **__: Any) -> Any:
        raise NoTurn


async def test_a_query_that_never_had_its_turn_is_no_measurement() -> None:
    """Backends of others kept all threads: it is put off, and counts neither for nor against."""
    bench = Bench(answering(Reading(value=1.0)), pool=CrowdedPool())
    assert await bench.ask(measure()) == ()
    assert bench.failures == [0.0]
    assert bench.readings.in_flight(UID) == frozenset()
