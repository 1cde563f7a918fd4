"""What was asked of metric backends, and what they answered, until the runs' statuses show it.

A reading stays here while a status write may still be lost; it leaves when the status that counts it is seen. Nothing
here survives the process: a query without an answer is simply asked again. Asking does not belong here (measurer.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.core.observed import ReadingSeen

Slot = tuple[str, int]
"""A metric's name and the ordinal of one of its measurements."""


class Readings:
    """Open questions and fresh answers of every AnalysisRun, by the run's uid."""

    def __init__(self) -> None:
        self._open: dict[str, set[Slot]] = {}
        self._answered: dict[str, dict[Slot, ReadingSeen]] = {}

    def of(self, uid: str) -> tuple[ReadingSeen, ...]:
        """Answers that the run's status does not show yet, in the order of their measurements."""
        answered = self._answered.get(uid, {})
        return tuple(answered[slot] for slot in sorted(answered))

    def in_flight(self, uid: str) -> frozenset[Slot]:
        """Questions without an answer."""
        return frozenset(self._open.get(uid, ()))

    def ask(self, uid: str, slot: Slot) -> bool:
        """Note that a question is sent; False when it was sent before."""
        if slot in self._open.get(uid, ()) or slot in self._answered.get(uid, ()):
            return False
        self._open.setdefault(uid, set()).add(slot)
        return True

    def answer(self, uid: str, reading: ReadingSeen) -> bool:
        """Keep an answer; False when nobody waits for it any more."""
        slot = (reading.metric, reading.ordinal)
        if slot not in self._open.get(uid, ()):
            return False
        self.withdraw(uid, slot)
        self._answered.setdefault(uid, {})[slot] = reading
        return True

    def withdraw(self, uid: str, slot: Slot) -> None:
        """The question could not be sent."""
        slots = self._open.get(uid)
        if slots is not None:
            slots.discard(slot)
            if not slots:
                del self._open[uid]

    def settle(self, uid: str, counted: Mapping[str, int]) -> None:
        """Let go of what the status counts: for each metric, how many measurements it shows."""
        answered = self._answered.get(uid)
        if answered is None:
            return
        for metric, ordinal in list(answered):
            if ordinal <= counted.get(metric, 0):
                del answered[metric, ordinal]
        if not answered:
            del self._answered[uid]

    def drop(self, uid: str) -> None:
        """The run is gone."""
        self._open.pop(uid, None)
        self._answered.pop(uid, None)

    def __len__(self) -> int:
        """Runs with an open question or a fresh answer."""
        return len(self._open.keys() | self._answered.keys())
