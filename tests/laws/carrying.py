"""Laws 1, 9 and 10 as a watcher: before every write, what it sends to whom, told from the objects alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tests import roads
from tests.builders import Json
from tests.laws.watch import HASH, own_replica_sets, percent
from tests.world import World


@dataclass
class Carrying:
    """No write sends traffic to pods that are not there, and none takes away pods that traffic may reach."""

    world: World

    def before_traffic(self, services: Mapping[str, Json], routes: Mapping[str, Json]) -> None:
        """Before Services and routes become these."""
        for name, route in routes.items():
            before = roads.shares(self.world.services, self.world.routes[name])
            for version, share in roads.shares(services, route).items():
                if version and share > before.get(version, Fraction(0)):
                    self._must_carry(version, share, before)

    def check(self, name: str, replicas: int) -> None:
        """Before a ReplicaSet is scaled."""
        raw = self.world.replica_sets[name]
        if replicas >= raw["spec"]["replicas"] or any("lie" in route["spec"] for route in self.world.routes.values()):
            return
        version, desired = raw["metadata"]["labels"][HASH], self._desired()
        share = max(
            (
                roads.shares(self.world.services, route).get(version, Fraction(0))
                for route in self.world.routes.values()
            ),
            default=Fraction(0),
        )
        named = [n for n in self.world.services if roads.hash_of(self.world.services, n) == version]
        ready = min(self._ready(version), raw["spec"]["replicas"])
        if replicas == 0 and desired and ready:
            assert share == 0, f"law 1: {name} goes to 0 while {share} of the traffic reaches it"
            assert not named, f"law 9: {name} goes to 0 while {named} lead to it"
        if not self._is_declared():
            least = math.ceil(share * desired)
            assert replicas >= min(least, ready), (
                f"law 1: {name} goes to {replicas} of {ready}, {share} of {desired} reach it"
            )

    def evict(self) -> None:
        """Before a pod is evicted: law 5, as without routing."""
        left = sum(self._ready(raw["metadata"]["labels"][HASH]) for raw in own_replica_sets(self.world)) - 1
        desired = self._desired()
        assert left >= desired - max(1, self._unavailable(desired)), f"law 5: an eviction leaves {left} of {desired}"

    def rest(self) -> None:
        """At rest: law 3, weights are parts of the whole."""
        for name, route in self.world.routes.items():
            for way in roads.ways(self.world.services, route):
                assert min(way.values()) >= 0 and sum(way.values()) == 1, f"law 3: {name} sends {way}"

    def _must_carry(self, version: str, share: Fraction, before: Mapping[str, Fraction]) -> None:
        desired, ready = self._desired(), self._ready(version)
        if desired == 0 or self._is_declared():
            assert ready or desired == 0 or not any(self._ready(v) for v, s in before.items() if s and v), (
                f"law 1: {share} of the traffic would go to {version}, which has no ready pods"
            )
            return
        lost = {v for v, s in before.items() if s and self._ready(v) == 0}
        if lost:
            return  # anything is better than nothing
        needed = max(1, math.ceil(share * desired) - max(self._unavailable(desired), 1))
        assert ready >= needed, (
            f"law 1: {share} of the traffic of {desired} would go to {version}, which has {ready} ready"
        )

    def _unavailable(self, desired: int) -> int:
        canary = self.world.rollout["spec"]["strategy"]["canary"]
        return min(desired, percent(canary.get("maxUnavailable", "25%"), desired, up=False))

    def _ready(self, version: str) -> int:
        return sum(
            sum(1 for made in self.world.pods_of(name) if self.world.is_ready(raw, made))
            for name, raw in self.world.replica_sets.items()
            if raw["metadata"]["labels"][HASH] == version
        )

    def _desired(self) -> int:
        desired: int = self.world.rollout["spec"].get("replicas", 1)
        return desired

    def _is_declared(self) -> bool:
        canary = self.world.rollout["spec"]["strategy"]["canary"]
        return "replicaProgressThreshold" in canary or any("setCanaryScale" in s for s in canary.get("steps", []))
