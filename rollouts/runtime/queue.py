"""Which object to look at next: a queue of keys with the semantics of client-go's.

A key that waits already is not queued twice. A key that is being worked on is never handed out a second time; if it is
added meanwhile it comes again when it is done. A key has at most one appointment, the earliest one. Failures of a key
slow that key alone. Urgent keys overtake all others, and some workers take nothing else: an abort waits for nobody.

What a key means and who works on it does not belong here.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K")

BACKOFF_FIRST_SECONDS = 0.001
BACKOFF_MAX_SECONDS = 10.0
STALE_APPOINTMENTS_MAX = 1000  # beyond the live ones, before the heap is built anew


class Alarm(Protocol):
    """A call that was asked for at a time."""

    def cancel(self) -> None:
        """Do not call."""
        ...


class Clock(Protocol):
    """Seconds that only grow, and calls at a time on them; an event loop is one."""

    def time(self) -> float:
        """Now."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Alarm:
        """Call once at `when`, or soon after."""
        ...


class WorkQueue(Generic[K]):
    """A queue of keys for several workers on one event loop. Keys are hashable and comparable."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._urgent: deque[K] = deque()
        self._normal: deque[K] = deque()
        self._waiting: dict[K, bool] = {}
        """Keys that wait for a worker, or for the worker they have; the value says whether they are urgent."""
        self._in_work: set[K] = set()
        self._failures: dict[K, int] = {}
        self._appointments: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._alarm: tuple[float, Alarm] | None = None
        self._takers: deque[asyncio.Future[None]] = deque()
        self._is_shut = False

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return len(self._waiting) - sum(key in self._waiting for key in self._in_work)

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Have a key looked at soon."""
        was_urgent = self._waiting.get(key)
        if self._is_shut or was_urgent or (was_urgent is not None and not urgent):
            return
        self._waiting[key] = urgent
        if key not in self._in_work:
            self._line(urgent).append(key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Have a key looked at after a while, unless it has an earlier appointment."""
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock.time() + seconds
        if self._is_shut or self._appointments.get(key, float("inf")) <= when:
            return
        self._appointments[key] = when
        heapq.heappush(self._heap, (when, next(self._order), key))
        self._tidy()
        self._set_alarm()

    def add_rate_limited(self, key: K, *, at_least_seconds: float = 0.0) -> float:
        """Have a key looked at after its backoff, which doubles with each call; returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff = min(BACKOFF_FIRST_SECONDS * 2.0 ** min(failures, 20), BACKOFF_MAX_SECONDS)
        delay: float = max(backoff, at_least_seconds)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key succeeded: its next backoff is the first again."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """The object is gone: forget its failures and its appointment."""
        self._failures.pop(key, None)
        self._appointments.pop(key, None)

    async def get(self, *, urgent_only: bool = False) -> K | None:
        """Wait for a key and take it into work; None: the queue is shut."""
        while not self._is_shut:
            key = self._take(urgent_only=urgent_only)
            if key is not None:
                return key
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            finally:
                if taker in self._takers:
                    self._takers.remove(taker)
        return None

    def done(self, key: K) -> None:
        """The worker is finished with a key; if it was added meanwhile, it waits again."""
        self._in_work.discard(key)
        urgent = self._waiting.get(key)
        if urgent is not None and not self._is_shut:
            self._line(urgent).append(key)
            self._wake()

    def shut_down(self) -> None:
        """Hand out nothing more; workers that wait get None."""
        self._is_shut = True
        if self._alarm is not None:
            self._alarm[1].cancel()
        self._wake()

    def _line(self, urgent: bool) -> deque[K]:  # noqa: FBT001 - the lane's name is the argument
        return self._urgent if urgent else self._normal

    def _take(self, *, urgent_only: bool) -> K | None:
        for line in (self._urgent,) if urgent_only else (self._urgent, self._normal):
            while line:
                key = line.popleft()
                # a key that became urgent while it waited stands in both lines: the first one counts
                if key in self._waiting and key not in self._in_work:
                    del self._waiting[key]
                    self._in_work.add(key)
                    return key
        return None

    def _wake(self) -> None:
        takers, self._takers = self._takers, deque()
        for taker in takers:
            if not taker.done():
                taker.set_result(None)

    def _set_alarm(self) -> None:
        while self._heap and self._appointments.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._alarm is not None:
            if self._alarm[0] <= when:
                return
            self._alarm[1].cancel()
        self._alarm = (when, self._clock.call_at(when, self._ring))

    def _ring(self) -> None:
        self._alarm = None
        now = self._clock.time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._appointments.get(key) == when:
                del self._appointments[key]
                self.add(key)
        self._set_alarm()

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._appointments) + STALE_APPOINTMENTS_MAX:
            self._heap = [entry for entry in self._heap if self._appointments.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
