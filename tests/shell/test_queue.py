"""The work queue under fake time."""

from __future__ import annotations

import asyncio

import pytest

from rollouts.runtime.queue import BACKOFF_MAX_SECONDS, WorkQueue
from tests.shell.fake_time import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    return WorkQueue(clock)


async def next_key(queue: WorkQueue[str], *, urgent_only: bool = False) -> str | None:
    """The key that waits, or None when none does."""
    taking = asyncio.ensure_future(queue.get(urgent_only=urgent_only))
    await asyncio.sleep(0)
    if taking.done():
        return taking.result()
    taking.cancel()
    return None


async def test_a_key_that_waits_is_not_queued_twice(queue: WorkQueue[str]) -> None:
    """Ten events of one object are one turn."""
    for _ in range(10):
        queue.add("web")
    assert len(queue) == 1
    assert await next_key(queue) == "web"
    queue.done("web")
    assert await next_key(queue) is None


async def test_a_key_in_work_is_not_handed_out_again_until_done(queue: WorkQueue[str]) -> None:
    """Two workers never hold one key; what arrived meanwhile is looked at afterwards."""
    queue.add("web")
    assert await next_key(queue) == "web"
    queue.add("web")
    assert await next_key(queue) is None
    queue.done("web")
    assert await next_key(queue) == "web"


async def test_keys_come_in_order_and_urgent_ones_first(queue: WorkQueue[str]) -> None:
    """An abort overtakes everything that waits."""
    for key in ("a", "b", "c"):
        queue.add(key)
    queue.add("abort", urgent=True)
    assert [await next_key(queue) for _ in range(4)] == ["abort", "a", "b", "c"]


async def test_a_waiting_key_can_become_urgent(queue: WorkQueue[str]) -> None:
    """It overtakes, and is still handed out once."""
    queue.add("a")
    queue.add("b")
    queue.add("b", urgent=True)
    assert await next_key(queue) == "b"
    assert await next_key(queue) == "a"
    queue.done("b")
    assert await next_key(queue) is None


async def test_some_workers_take_urgent_keys_only(queue: WorkQueue[str]) -> None:
    """When every other worker is busy, an abort still finds one."""
    queue.add("normal")
    assert await next_key(queue, urgent_only=True) is None
    queue.add("abort", urgent=True)
    assert await next_key(queue, urgent_only=True) == "abort"


async def test_a_key_that_is_in_work_stays_urgent(queue: WorkQueue[str]) -> None:
    """An abort that arrives during a turn is first in line after it."""
    queue.add("web")
    assert await next_key(queue) == "web"
    queue.add("other")
    queue.add("web", urgent=True)
    queue.done("web")
    assert await next_key(queue) == "web"


async def test_an_appointment_is_kept_at_its_time(queue: WorkQueue[str], clock: FakeClock) -> None:
    """Not before, and once."""
    queue.add_after("web", 600)
    clock.pass_time(599.9)
    assert await next_key(queue) is None
    clock.pass_time(0.1)
    assert await next_key(queue) == "web"
    queue.done("web")
    clock.pass_time(1200)
    assert await next_key(queue) is None


async def test_the_earliest_of_two_appointments_counts(queue: WorkQueue[str], clock: FakeClock) -> None:
    """A key has one appointment, whichever order they were made in."""
    queue.add_after("web", 10)
    queue.add_after("web", 5)
    queue.add_after("web", 20)
    clock.pass_time(5)
    assert await next_key(queue) == "web"
    queue.done("web")
    clock.pass_time(100)
    assert await next_key(queue) is None


async def test_failures_slow_one_key_alone(queue: WorkQueue[str], clock: FakeClock) -> None:
    """The backoff doubles from 1 ms to 10 s, per key, and starts again after a success."""
    delays = [queue.add_rate_limited("bad") for _ in range(16)]
    assert delays[:4] == [0.001, 0.002, 0.004, 0.008]
    assert delays[-1] == BACKOFF_MAX_SECONDS
    assert queue.add_rate_limited("good") == 0.001
    queue.forget("bad")
    assert queue.add_rate_limited("bad") == 0.001


async def test_a_server_that_asks_for_patience_gets_it(queue: WorkQueue[str], clock: FakeClock) -> None:
    """Retry-After is a minimum."""
    assert queue.add_rate_limited("web", at_least_seconds=3) == 3
    clock.pass_time(2.9)
    assert await next_key(queue) is None
    clock.pass_time(0.1)
    assert await next_key(queue) == "web"


async def test_a_dropped_key_leaves_nothing_behind(queue: WorkQueue[str], clock: FakeClock) -> None:
    """Objects that are gone cost no memory and no timer's work."""
    queue.add_rate_limited("gone")
    queue.drop("gone")
    clock.pass_time(100)
    assert await next_key(queue) is None
    assert queue.add_rate_limited("gone") == 0.001


async def test_one_timer_serves_all_appointments(queue: WorkQueue[str], clock: FakeClock) -> None:
    """Ten thousand pauses are one alarm at a time."""
    for index in range(10_000):
        queue.add_after(f"key-{index}", 1 + index / 1000)
    assert clock.alarms == 1
    clock.pass_time(6)
    assert len(queue) == 5001


async def test_shutting_down_sends_the_workers_home(queue: WorkQueue[str]) -> None:
    """A worker that waits gets None, and nothing is handed out after that."""
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("late")
    queue.shut_down()
    assert await waiting in ("late", None)
    assert await queue.get() is None
