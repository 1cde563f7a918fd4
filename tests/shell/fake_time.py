"""A clock that only tests move."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class FakeAlarm:
    """A call at a time, until it is cancelled."""

    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Do not call."""
        self.is_cancelled = True


@dataclass(slots=True)
class FakeClock:
    """Stands still until it is told to move; then makes the calls that are due, in order."""

    now: float = 0.0
    _alarms: list[tuple[float, int, FakeAlarm]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def time(self) -> float:
        """Now."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> FakeAlarm:
        """Call once at `when`."""
        alarm = FakeAlarm(callback)
        heapq.heappush(self._alarms, (when, next(self._order), alarm))
        return alarm

    def pass_time(self, seconds: float) -> None:
        """Move on, making every call that becomes due at its own moment."""
        end = self.now + seconds
        while self._alarms and self._alarms[0][0] <= end:
            when, _, alarm = heapq.heappop(self._alarms)
            self.now = max(self.now, when)
            if not alarm.is_cancelled:
                alarm.callback()
        self.now = end

    @property
    def alarms(self) -> int:
        """Calls that are still to be made."""
        return sum(not alarm.is_cancelled for _, _, alarm in self._alarms)
