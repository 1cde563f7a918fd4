"""Played routers that take their time: what they were asked for is in force, or told, only later."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.builders import Json


@dataclass
class Late:
    """How late routers are. `is_lying`: requests meet a new weight at once, and only what is told of it is old."""

    seconds: int = 0
    is_lying: bool = False
    arrivals: dict[str, datetime] = field(default_factory=dict)
    """By router: when it catches up with what it was asked for."""

    def asked(self, name: str, *, before: Json, after: Json, now: datetime) -> None:
        """A router was asked for something else than `before`."""
        if not self.seconds or "split" not in before:
            return
        after.setdefault("lie" if self.is_lying else "stuck", copy.deepcopy(before["split"]))
        self.arrivals.setdefault(name, now + timedelta(seconds=self.seconds))

    def caught_up(self, routes: dict[str, Json], now: datetime) -> Iterator[Json]:
        """The routes that catch up now."""
        for name in [name for name, at in self.arrivals.items() if at <= now]:
            del self.arrivals[name]
            for member in ("lie", "stuck"):
                routes[name]["spec"].pop(member, None)
            yield routes[name]
