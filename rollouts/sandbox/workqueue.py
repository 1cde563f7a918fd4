"""A keyed work queue and the loop that serves it: the level-triggered half of every controller.

A key is queued once however often it is added, is worked on by one worker at a time, and comes back if it was added
meanwhile. Delays live in one heap with one timer, so ten thousand waiting keys cost ten thousand heap entries and no
tasks. A reconcile that fails is tried again with growing delays; it never stops the others.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from rollouts.sandbox.client import ApiFailure

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.01
RETRY_SECONDS_MAX = 10.0

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys that wait, keys that are due later, and keys in work."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._queued: set[K] = set()
        self._working: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wakers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is in work; delayed keys do not count."""
        return not self._queued and not self._working

    def add(self, key: K) -> None:
        """Queue a key now."""
        self._due.pop(key, None)
        if key in self._queued:
            return
        self._queued.add(key)
        if key not in self._working:
            self._offer(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Queue a key later; of several delays the shortest counts."""
        if seconds <= 0:
            self.add(key)
            return
        due = asyncio.get_running_loop().time() + seconds
        if key in self._queued or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))
        self._arm()

    async def get(self) -> K:
        """The next key; it must be given back with `done`."""
        while not self._ready:
            waker = asyncio.get_running_loop().create_future()
            self._wakers.append(waker)
            try:
                await waker
            except asyncio.CancelledError:
                if waker.done() and not waker.cancelled():
                    self._wake()  # the wake-up was ours: hand it on
                raise
        key = self._ready.popleft()
        self._queued.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Give a key back; it is queued again if it was added meanwhile."""
        self._working.discard(key)
        if key in self._queued:
            self._offer(key)

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _offer(self, key: K) -> None:
        self._ready.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._wakers:
            waker = self._wakers.popleft()
            if not waker.done():
                waker.set_result(None)
                return

    def _arm(self) -> None:
        first = self._heap[0][0]
        if self._timer is not None:
            if self._timer.when() <= first:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(first, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)
        if self._heap:
            self._arm()


class Controller(Generic[K]):
    """Workers that bring one key after another to where it should be.

    `reconcile(key)` returns the seconds after which to look again though nothing has changed, or None.
    """

    def __init__(self, name: str, reconcile: Callable[[K], Awaitable[float | None]], *, workers: int = 8) -> None:
        self.name = name
        self.queue: WorkQueue[K] = WorkQueue()
        self._reconcile = reconcile
        self._workers = workers
        self._failures: dict[K, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to serve the queue."""
        for number in range(self._workers):
            self._tasks.append(asyncio.create_task(self._work(), name=f"{self.name} {number}"))

    async def stop(self) -> None:
        """Stop serving; work under way is cancelled."""
        self.queue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                again = await self._reconcile(key)
            except ApiFailure as failure:
                self._retry(key)
                logger.debug("%s %s: %s", self.name, key, failure)
            except Exception:
                self._retry(key)
                logger.exception("%s %s: reconcile failed", self.name, key)
            else:
                self._failures.pop(key, None)
                if again is not None:
                    self.queue.add_after(key, again)
            finally:
                self.queue.done(key)

    def _retry(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.queue.add_after(key, min(RETRY_SECONDS * 2 ** min(failures, 20), RETRY_SECONDS_MAX))
