"""Where events come in: into the cache, and from there to the queues of the keys they concern.

This is the narrow seam behind the pump: whatever delivers events, a bare reflector as well as kopf, ends here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollouts.kube.kinds import ROLLOUTS, WATCHED, Key, Kind, label_selector
from rollouts.runtime.cache import Cache, Change, Entry
from rollouts.runtime.pump import Event
from rollouts.runtime.queue import WorkQueue
from rollouts.runtime.triggers import Reads, Triggers, asks_for_abort, is_worked_on

DELETED = "DELETED"
SEEN_WHOLE = tuple(kind for kind in WATCHED if not label_selector(kind, ""))
"""Kinds of which a watch tells everything, whatever labels an object has."""


class Intake:
    """Feeds one cache and the queues of the kinds that are worked on."""

    def __init__(
        self,
        cache: Cache,
        queues: Mapping[Kind, WorkQueue[Key]],
        *,
        reads: Reads = lambda entry: (),
        is_open: bool = True,
    ) -> None:
        self._cache = cache
        self._is_open = is_open
        self._queues = queues
        self._triggers = Triggers(cache, reads)
        self._observers: list[Callable[[Change], None]] = []
        self._listeners: list[Callable[[Event, bool], None]] = []

    def listen(self, listener: Callable[[Event, bool], None]) -> None:
        """Have every event told to `listener`, with whether its object was known before."""
        self._listeners.append(listener)

    def observe(self, observer: Callable[[Change], None]) -> None:
        """Have every change of the cache told to `observer`, wherever it comes from."""
        self._observers.append(observer)

    def open(self) -> None:
        """Begin to fill the queues, with all that is known. Before that nobody takes from them: a standby's queues
        would only gather the names of objects that came and went."""
        self._is_open = True
        self.look_again()

    def look_again(self) -> None:
        """Queue everything: what is known of a whole kind has changed, and any object may have been waiting for it."""
        if not self._is_open:
            return
        for kind, queue in self._queues.items():
            for entry in filter(is_worked_on, self._cache.entries(kind)):
                queue.add(entry.key, urgent=kind == ROLLOUTS and asks_for_abort(entry))

    def deliver(self, event: Event) -> None:
        """Take in one message of a watch."""
        entry = event.entry
        was_known = self._cache.get(entry.kind, entry.key) is not None
        if event.type == DELETED:
            change = self._cache.drop(entry.kind, entry.key, uid=entry.uid)
        else:
            change = self._cache.put(entry)
        for listener in self._listeners:
            listener(event, was_known)
        if change is not None:
            self.changed(change)

    def learn(self, entry: Entry) -> None:
        """Take in an object that was read, not watched; unless the watch, which sees all of its kind, told meanwhile
        that it is gone."""
        if entry.kind in SEEN_WHOLE and self._cache.has_ended(entry.uid):
            return
        change = self._cache.put(entry)
        if change is not None:
            self.changed(change)

    def changed(self, change: Change) -> None:
        """Queue whom a change of the cache concerns."""
        for observer in self._observers:
            observer(change)
        for trigger in self._triggers.of(change):
            queue = self._queues.get(trigger.kind)
            if queue is not None and self._is_open:
                queue.add(trigger.key, urgent=trigger.is_urgent)
