"""What we wrote and have not seen yet: a key waits until the cache shows our own writes.

Without it, a decision made on the old picture would repeat the write that made it old. Nothing is counted and nothing
is reported back: an expectation names the version that a write produced, and asks the cache. One that is never met,
because the event was lost, runs out.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from rollouts.kube.kinds import Key, Kind
from rollouts.runtime.cache import Cache, is_newer

PATIENCE_SECONDS = 60.0  # a cache may be that late; after it, preconditions on every write still protect


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The state of one object after a write; `version` None: it is gone, or going."""

    kind: Kind
    key: Key
    uid: str
    version: str | None
    written_at: float


class Expectations:
    """For each key of a queue, the writes that its cache has yet to show. Times are seconds on the queue's clock."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._expected: dict[Hashable, list[Expected]] = {}

    def expect(self, key: Hashable, expected: Expected) -> None:
        """Hold `key` back until the cache shows this."""
        self._expected.setdefault(key, []).append(expected)

    def drop(self, key: Hashable) -> None:
        """The key's object is gone."""
        self._expected.pop(key, None)

    def patience_left(self, key: Hashable, now: float) -> float | None:
        """None: the cache shows all our writes, or time is over. Else the seconds after which it is."""
        pending = [
            expected
            for expected in self._expected.get(key, ())
            if now < expected.written_at + PATIENCE_SECONDS and not self._is_shown(expected)
        ]
        if not pending:
            self._expected.pop(key, None)
            return None
        self._expected[key] = pending
        return max(expected.written_at for expected in pending) + PATIENCE_SECONDS - now

    def _is_shown(self, expected: Expected) -> bool:
        entry = self._cache.get(expected.kind, expected.key)
        if expected.version is None:
            return entry is None or entry.uid != expected.uid or entry.is_deleting
        if entry is None:
            return self._cache.has_ended(expected.uid)
        return entry.uid != expected.uid or not is_newer(expected.version, than=entry.version)
