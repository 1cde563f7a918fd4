"""Somebody who sees every change of a story: which steps were done, which versions became stable, how many pods wanted.

It watches, so what it judges is what was stored, write for write. Requests are judged by those who send them.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from rollouts.demo.sight import ROLLOUTS
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import REPLICA_SETS, Json
from tests.e2e.stage import Place, status


class Witness:
    """Watches one place; an async context manager."""

    def __init__(self, place: Place) -> None:
        self.stable: list[str] = []
        """The hashes of the stable versions, in their order."""
        self.steps: list[int] = []
        """The steps the Rollout was at, in their order."""
        self.pods_wanted_max = 0
        """The most pods that all ReplicaSets together asked for at one moment."""
        self._namespace = place.namespace
        self._informers = Informers(place.api)
        self._replica_sets = self._informers.of(REPLICA_SETS)
        self._replica_sets.on_change(lambda old, new: self._count_soon())
        self._informers.of(ROLLOUTS).on_change(lambda old, new: self._follow(new))

    async def __aenter__(self) -> Self:
        await self._informers.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._informers.stop()

    def _is_here(self, obj: Json | None) -> bool:
        return obj is not None and obj["metadata"]["namespace"] == self._namespace

    def _count_soon(self) -> None:
        """When all is there: a list that is read anew arrives object by object."""
        asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        wanted = sum(int(each["spec"]["replicas"]) for each in self._replica_sets if self._is_here(each))
        self.pods_wanted_max = max(self.pods_wanted_max, wanted)

    def _follow(self, rollout: Json | None) -> None:
        if rollout is None or not self._is_here(rollout):
            return
        step = status(rollout).get("currentStepIndex")
        if step is not None and self.steps[-1:] != [step]:
            self.steps.append(int(step))
        stable = str(status(rollout).get("stableRS") or "")
        if stable and self.stable[-1:] != [stable]:
            self.stable.append(stable)
