"""A play of a blue-green rollout: what is switching.py's of the laws, in place of what a canary is held to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from hypothesis import note

from tests.builders import Json
from tests.cluster import Crash
from tests.laws.plays import Play, begin
from tests.laws.switching import Switching, Way
from tests.laws.watch import HASH, own_replica_sets


class SwitchPlay:
    """A play with the watchers of a blue-green rollout in it."""

    def __init__(self, rollout: Json, answers: list[Any], *, workload: Json | None = None) -> None:
        def answer(metric: str, now: datetime) -> Any:
            return answers[-1]

        self.play: Play = begin(rollout, answer, workload=workload)
        self.world = world = self.play.world
        self.switching, self.way = Switching(world), Way(world)
        world.before_scale = self._before_scale
        world.before_traffic = self._before_traffic
        world.before_write = self._before_write
        world.after_turn = lambda world: self._after_turn()

    def _before_scale(self, name: str, replicas: int) -> None:
        self.switching.before_scale(name, replicas)
        self.play.aborts.check(name, replicas)

    def _before_traffic(self, services: Any, routes: Any) -> None:
        self.switching.before_traffic(services, routes)
        self.way.before_traffic(services, routes)

    def _before_write(self, what: str) -> None:
        kind, _, name = what.partition(" ")
        if kind == "delete":
            self.play.deletions.check(name)
        self.play.befall(what)

    def _after_turn(self) -> None:
        self.way.check()
        self.play.pauses.check()
        self.play.runs.check()

    def rest(self) -> None:
        """Let the controller come to rest; law 22: it is one."""
        self._survive(lambda: self.world.settle(late=self.play.laggards))
        self.switching.rest()
        self._healthy()

    def wait(self, seconds: int) -> None:
        """Let time pass; law 12: nothing is left that nobody came back for."""
        end = self.world.now.timestamp() + seconds
        self._survive(lambda: self.world.run(end - self.world.now.timestamp()))
        writes = self.world.writes
        self.rest()
        assert self.world.writes == writes, f"law 12: nothing asked for a turn at {self.world.now}"

    def _survive(self, go: Callable[[], None]) -> None:
        while True:
            try:
                return go()
            except Crash:
                self.way.check()
                self.world.forget_memory()
            except AssertionError:
                note(self.world.told())
                raise

    def _healthy(self) -> None:
        """What clients trust: Healthy means that users reach all of the wanted version."""
        status, desired = self.world.status, self.world.rollout["spec"].get("replicas", 1)
        assert status["observedGeneration"] == str(self.world.rollout["metadata"]["generation"])
        true = [c["type"] for c in status["conditions"] if c["status"] == "True"]
        assert len([kind for kind in true if kind in ("Ready", "Reconciling", "Stalled")]) == 1
        if status["phase"] != "Healthy":
            return
        version = status["currentPodHash"]
        assert version == status["stableRS"] == status["blueGreen"]["activeSelector"]
        (new,) = (raw for raw in own_replica_sets(self.world) if raw["metadata"]["labels"][HASH] == version)
        assert new["spec"]["replicas"] == new["status"]["availableReplicas"] == desired
        assert status.get("availableReplicas", 0) == status.get("HPAReplicas", 0) == desired
        assert f"{HASH}={version}" in status["selector"]
