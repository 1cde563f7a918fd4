"""The laws about a blue-green rollout, as watchers: where its active Service leads, and which pods go.

Each is told from the world's objects, and from what the turn saw of people's wishes. None of this calls the code that
it judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests import roads
from tests.builders import Json
from tests.laws.watch import HASH, own_replica_sets, own_runs, percent
from tests.world import World

ACTIVE = "web-active"
DELAY = 30  # seconds, where nobody says another


@dataclass
class Switching:
    """Laws 1, 8, 9 and 19: users reach pods that are there, and pods leave when nobody is led to them."""

    world: World
    left: dict[str, datetime] = field(default_factory=dict)
    """When users were last led away from a version."""
    given_up: set[str] = field(default_factory=set)
    """Versions whose delay is that of an abort."""

    def before_traffic(self, services: Mapping[str, Json], routes: Mapping[str, Json]) -> None:
        """Before Services become these."""
        before, after = roads.hash_of(self.world.services, ACTIVE), roads.hash_of(services, ACTIVE)
        if before == after:
            return
        desired, ready = self._desired(), self._ready(after)
        self.left[before] = self.world.now
        if not desired:
            return
        assert ready, f"law 1: users would be led to {after}, where nobody answers"
        if before and not self._ready(before):
            return  # anything is better than nothing
        is_back = before and after == self.world.status.get("stableRS")
        needed = desired - self._unavailable(desired) if is_back else desired
        assert ready >= needed, f"law 1: {ready} pods of {after} are ready for the traffic of {desired}"

    def before_scale(self, name: str, replicas: int) -> None:
        """Before a ReplicaSet is scaled."""
        raw = self.world.replica_sets[name]
        version, wanted = raw["metadata"]["labels"][HASH], raw["spec"]["replicas"]
        if replicas >= wanted:
            return
        ready, desired = min(self._ready(version), wanted), self._desired()
        if roads.hash_of(self.world.services, ACTIVE) in ("", version):
            assert replicas >= min(ready, desired), f"law 1: {name} goes to {replicas} of {desired}, and users reach it"
        is_wanted = (
            version == self.world.status.get("currentPodHash") and self._strategy.get("previewReplicaCount") == 0
        )
        if replicas == 0 and ready and desired and not (is_wanted and not self.world.status.get("abort")):
            leading = [each for each in self.world.services if roads.hash_of(self.world.services, each) == version]
            assert not leading, f"law 9: {name} goes to 0 while {leading} lead to it"
            self._in_time(version)

    def rest(self) -> None:
        """At rest: an abort has led users back as soon as stable can carry them, and gone when its delay was over."""
        status, desired = self.world.status, self._desired()
        if not status.get("abort"):
            return
        self.given_up.add(status["currentPodHash"])
        by_hash = {raw["metadata"]["labels"][HASH]: raw for raw in own_replica_sets(self.world)}
        stable, new = by_hash[status["stableRS"]], by_hash[status["currentPodHash"]]
        led = roads.hash_of(self.world.services, ACTIVE)
        if led and self._ready(status["stableRS"]) >= desired - self._unavailable(desired) and self._ready(led):
            assert led == status["stableRS"] or not self._ready(status["stableRS"]), "law 19: users are not led back"
        delay = self._strategy.get("abortScaleDownDelaySeconds", DELAY)
        if delay and led == status["stableRS"] and stable["status"]["availableReplicas"] >= desired:
            is_waiting = "scale-down-deadline" in new["metadata"]["annotations"]
            assert is_waiting or not new["spec"]["replicas"], "law 19: given up, and here to stay"

    def _in_time(self, version: str) -> None:
        strategy, left_at = self._strategy, self.left.get(version)
        is_kept = "scaleDownDelayRevisionLimit" not in strategy and version not in self.given_up
        if left_at is None or not is_kept or version == self.world.status.get("currentPodHash"):
            return
        waited = (self.world.now - left_at).total_seconds()
        assert waited >= strategy.get("scaleDownDelaySeconds", DELAY), f"{version} goes {waited} s after its users"

    @property
    def _strategy(self) -> Json:
        strategy: Json = self.world.sight.rollout.raw["spec"]["strategy"]["blueGreen"]
        return strategy

    def _unavailable(self, desired: int) -> int:
        return max(1, min(desired, percent(self._strategy.get("maxUnavailable", "25%"), desired, up=False)))

    def _desired(self) -> int:
        """What the turn saw, where that is less: it could not know better."""
        seen, stored = (raw["spec"].get("replicas", 1) for raw in (self.world.sight.rollout.raw, self.world.rollout))
        return int(min(seen, stored))

    def _ready(self, version: str) -> int:
        return sum(
            sum(1 for made in self.world.pods_of(raw["metadata"]["name"]) if self.world.is_ready(raw, made))
            for raw in own_replica_sets(self.world)
            if raw["metadata"]["labels"][HASH] == version
        )


@dataclass
class Way:
    """Laws 24 and 28: nobody is led to a version, and none becomes stable, before its gates and its pause are over.

    People waive both with a promotion in full; a version that was stable once may come back without them.
    """

    world: World
    waived: set[str] = field(default_factory=set)
    resumed: set[str] = field(default_factory=set)
    proven: set[str] = field(default_factory=set)
    passed: set[tuple[str, str]] = field(default_factory=set)
    began: dict[str, datetime] = field(default_factory=dict)
    """When the pause of a version began."""
    turned: str = ""
    """The version that users were led to in this turn."""

    def waive(self) -> None:
        """A person promotes in full."""
        self.waived.add(self._current)

    def resume(self) -> None:
        """A person ends a pause."""
        self.resumed.add(self._current)

    def before_traffic(self, services: Mapping[str, Json], routes: Mapping[str, Json]) -> None:
        """Before users are led elsewhere."""
        after = roads.hash_of(services, ACTIVE)
        if after == roads.hash_of(self.world.services, ACTIVE):
            return
        self.turned = after
        self._take_down()
        if after in self._free():
            return
        strategy = self._spec["strategy"]["blueGreen"]
        if "prePromotionAnalysis" in strategy:
            assert (after, "PrePromotion") in self.passed, f"law 28: users are led to {after}, which has not passed"
        if after in self.resumed:
            return
        assert strategy.get("autoPromotionEnabled", True), f"users are led to {after}, and nobody said so"
        seconds = strategy.get("autoPromotionSeconds", 0)
        if seconds:
            assert self.world.now >= self.began[after] + timedelta(seconds=seconds), f"law 14: {after} comes early"

    def check(self) -> None:
        """After a turn."""
        self._take_down()
        turned, self.turned = self.turned, ""
        if self.world.change is None:
            return
        before, after = self.world.change
        if "BlueGreenPause" in _reasons(after) and "BlueGreenPause" not in _reasons(before):
            self.began[after["currentPodHash"]] = self.world.now
        if self._spec.get("paused") and turned:
            assert after.get("abort"), "users were led elsewhere under spec.paused"
        if before.get("stableRS", "") != after.get("stableRS", ""):
            self._promoted(before, after)
        self.proven.add(after.get("stableRS", ""))

    def _promoted(self, before: Json, after: Json) -> None:
        version = after["stableRS"]
        assert version == after["currentPodHash"], "law 8: something else than the new version became stable"
        if not before.get("stableRS"):
            return
        assert after["blueGreen"]["activeSelector"] == version, f"law 8: {version} is stable, and users do not reach it"
        assert not self._spec.get("paused"), "a version became stable under spec.paused"
        for gate, kind in (("prePromotionAnalysis", "PrePromotion"), ("postPromotionAnalysis", "PostPromotion")):
            is_due = gate in self._spec["strategy"]["blueGreen"] and version not in self._free()
            assert not is_due or (version, kind) in self.passed, f"law 28: {version} is stable without its {kind}"

    def _free(self) -> set[str]:
        """Versions that need neither proof nor pause."""
        status = self.world.status
        is_first = not status.get("stableRS")
        return self.waived | self.proven | {status.get("stableRS", "")} | ({self._current} if is_first else set())

    @property
    def _current(self) -> str:
        version: str = self.world.status.get("currentPodHash", "")
        return version

    @property
    def _spec(self) -> Json:
        spec: Json = self.world.sight.rollout.raw["spec"]
        return spec

    def _take_down(self) -> None:
        for run in own_runs(self.world):
            if run.get("status", {}).get("phase") == "Successful":
                self.passed.add((run["metadata"]["labels"][HASH], run["metadata"]["labels"]["rollout-type"]))


def _reasons(status: Json) -> list[Any]:
    return [each["reason"] for each in status.get("pauseConditions", [])]
