"""Blocking calls in threads, shared fairly: a backend that hangs holds its own lane and no other.

Each call belongs to a lane (a destination). Lanes take turns, and no lane has more than its share of the threads,
however many calls wait in it. A thread that is given up still counts until it ends, so the bound is a bound. What is
called does not belong here.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

THREADS_MAX = 128  # they only wait; whoever wants to block them all needs sixteen backends that hang
THREADS_PER_LANE_MAX = 8


class NoTurn(Exception):
    """All threads were taken for the whole time: nothing was asked."""


class Broken(Exception):
    """It ended with what only interpreters and event loops may end with: SystemExit, a cancellation and the like."""


@dataclass(slots=True, eq=False)
class _Call:
    work: Callable[[], Any]
    done: asyncio.Future[Any]
    started: asyncio.Event


class FairPool:
    """Runs blocking calls for one event loop."""

    def __init__(self, *, threads: int = THREADS_MAX, per_lane: int = THREADS_PER_LANE_MAX) -> None:
        self._threads = threads
        self._per_lane = per_lane
        self._busy: Counter[str] = Counter()
        self._lanes: OrderedDict[str, deque[_Call]] = OrderedDict()

    async def run(self, lane: str, work: Callable[[], T], *, wait_seconds: float, run_seconds: float) -> T:
        """Run `work` in a thread and return its result.

        Raises NoTurn when its turn does not come within `wait_seconds`, TimeoutError when it does not end within
        `run_seconds` after that, Broken when it ends as no call may; else whatever `work` raises.
        """
        call = _Call(work, asyncio.get_running_loop().create_future(), asyncio.Event())
        self._lanes.setdefault(lane, deque()).append(call)
        self._dispatch()
        try:
            await self._turn(lane, call, wait_seconds)
            async with asyncio.timeout(run_seconds):
                result: T = await call.done
                return result
        finally:
            call.done.cancel()

    async def _turn(self, lane: str, call: _Call, wait_seconds: float) -> None:
        try:
            async with asyncio.timeout(wait_seconds):
                await call.started.wait()
        except TimeoutError:
            raise NoTurn from None
        finally:
            if not call.started.is_set():
                self._leave(lane, call)

    def _leave(self, lane: str, call: _Call) -> None:
        waiting = self._lanes.get(lane)
        if waiting is not None and call in waiting:
            waiting.remove(call)
            if not waiting:
                del self._lanes[lane]

    def _dispatch(self) -> None:
        """Start what may start: one call per lane and round, until the threads or the calls run out."""
        while self._busy.total() < self._threads:
            lane = next((name for name in self._lanes if self._busy[name] < self._per_lane), None)
            if lane is None:
                return
            waiting = self._lanes[lane]
            call = waiting.popleft()
            if waiting:
                self._lanes.move_to_end(lane)
            else:
                del self._lanes[lane]
            if not call.done.done():
                self._start(lane, call)

    def _start(self, lane: str, call: _Call) -> None:
        self._busy[lane] += 1
        call.started.set()
        loop = asyncio.get_running_loop()
        # daemon threads: a backend that never answers must not keep the process from ending
        thread = threading.Thread(target=self._work, args=(loop, lane, call), name=lane, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no thread left
            loop.call_soon(self._finish, lane, call, None, error)

    def _work(self, loop: asyncio.AbstractEventLoop, lane: str, call: _Call) -> None:
        result, error = None, None
        try:
            result = call.work()
        except BaseException as raised:  # noqa: BLE001 - handed to the caller; else its lane would be taken for ever
            error = _raisable(raised)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._finish, lane, call, result, error)

    def _finish(self, lane: str, call: _Call, result: Any, error: Exception | None) -> None:
        self._busy[lane] -= 1
        if not self._busy[lane]:
            del self._busy[lane]
        if not call.done.done():
            if error is None:
                call.done.set_result(result)
            else:
                call.done.set_exception(error)
        self._dispatch()


def _raisable(error: BaseException) -> Exception:
    """The error as a coroutine may raise it: without the meaning that some have for the loop that it runs in."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    broken = Broken(f"it ended with {type(error).__name__}")
    broken.__cause__ = error
    return broken
