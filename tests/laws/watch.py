"""The laws as watchers: each looks at the world before every write or after every turn, and raises when it is broken.

They read the world's objects as anyone could; none of them calls the code that it judges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.builders import Json
from tests.world import World

HASH = "rollouts-pod-template-hash"
JUDGED = {"analysis", "experiment", "plugin"}
COMPLETED = ("Successful", "Failed", "Error", "Inconclusive")


def own_replica_sets(world: World) -> list[Json]:
    """The ReplicaSets that the Rollout controls."""
    return [raw for raw in world.replica_sets.values() if world.sight.is_own(raw)]


def own_runs(world: World) -> list[Json]:
    """The AnalysisRuns that the Rollout controls."""
    return [raw for raw in world.runs.values() if world.sight.is_own(raw)]


def refs(status: Json) -> set[str]:
    """Names of the runs that a status looks at."""
    gates = ("currentStepAnalysisRunStatus", "currentBackgroundAnalysisRunStatus")
    return {status["canary"][gate]["name"] for gate in gates if gate in status.get("canary", {})}


def percent(value: int | str, total: int, *, up: bool) -> int:
    """maxSurge and maxUnavailable, computed plainly."""
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * total / 100
    return int(share) + (1 if up and share != int(share) else 0)


@dataclass
class Capacity:
    """Law 5: no write takes available pods below the minimum, and none asks for more than the maximum.

    The outside can break both (a lower spec.replicas, a crash of pods); a write must then not make it worse. Pods that
    are evicted count alike, except that one of them may always go.
    """

    world: World

    def check(self, name: str, replicas: int) -> None:
        """Before `name` is scaled to `replicas`."""
        desired, surge, unavailable = self._allowed()
        before, after = self._available(None, 0), self._available(name, replicas)
        assert after >= min(before, desired - unavailable), f"law 5: {name} to {replicas} leaves {after} of {desired}"
        total_before = sum(raw["spec"]["replicas"] for raw in own_replica_sets(self.world))
        total = total_before - self.world.replica_sets[name]["spec"]["replicas"] + replicas
        assert total <= max(total_before, desired + surge), (
            f"law 5: {total} pods asked for, {desired} + {surge} allowed"
        )

    def rest(self) -> None:
        """At rest no pod beyond the maximum waits to come, unless it leads back to stable; and when all pods that there
        are have come, spec.replicas is reached."""
        desired, surge, _ = self._allowed()
        own = own_replica_sets(self.world)
        total = sum(raw["spec"]["replicas"] for raw in own)
        is_whole = total <= desired + surge or self.world.status.get("abort")
        if all(raw["spec"]["replicas"] == raw["status"]["availableReplicas"] for raw in own):
            assert total >= desired, f"law 6: {total} pods at rest, {desired} wanted"
        else:
            assert is_whole, f"law 5: {total} pods asked for at rest, {desired} + {surge} allowed"

    def evict(self) -> None:
        """Before a pod is evicted."""
        desired, _, unavailable = self._allowed()
        left = self._available(None, 0) - 1
        assert left >= desired - max(1, unavailable), f"law 5: an eviction leaves {left} of {desired}"

    def _allowed(self) -> tuple[int, int, int]:
        """Pods desired, more, and fewer."""
        desired = self.world.rollout["spec"].get("replicas", 1)
        canary = self.world.rollout["spec"]["strategy"]["canary"]
        surge = percent(canary.get("maxSurge", "25%"), desired, up=True)
        unavailable = min(desired, percent(canary.get("maxUnavailable", "25%"), desired, up=False))
        if surge == 0 and unavailable == 0:
            unavailable = min(1, desired)
        return desired, surge, unavailable

    def _available(self, scaled: str | None, replicas: int) -> int:
        """Pods that stay available when one ReplicaSet is scaled: its unready pods go first."""
        total = 0
        for raw in own_replica_sets(self.world):
            name = raw["metadata"]["name"]
            ready = sum(1 for made in self.world.pods_of(name) if self.world.is_ready(raw, made))
            total += min(ready, replicas if name == scaled else raw["spec"]["replicas"])
        return total


@dataclass
class Proof:
    """Law 28: a version becomes stable only when every gate on its way has a pass on record, or a person waived it."""

    world: World
    stable: str = ""
    waived: set[str] = field(default_factory=set)
    proven: set[str] = field(default_factory=set)
    skipped: set[tuple[str, int]] = field(default_factory=set)
    passed: set[tuple[str, str]] = field(default_factory=set)
    """(version, step index) of gates that passed; "" stands for the background. Runs may be deleted after that."""
    void: set[str] = field(default_factory=set)
    """Runs of steps that have changed since."""

    def waive(self) -> None:
        """A person promoted the current version in full."""
        self.waived.add(self.world.status.get("currentPodHash", ""))

    def skip(self) -> None:
        """A person stepped over the current step."""
        status = self.world.status
        self.skipped.add((status.get("currentPodHash", ""), status.get("currentStepIndex", 0)))

    def forget(self, version: str) -> None:
        """The steps of a version changed: what was passed or skipped on the way counts no more."""
        self.skipped = {each for each in self.skipped if each[0] != version}
        self.passed = {each for each in self.passed if each[0] != version or not each[1]}
        self.void |= {name for name in self.world.runs}

    def check(self) -> None:
        """After a turn."""
        self._take_down()
        status = self.world.status
        stable = status.get("stableRS", "")
        if stable == self.stable:
            return
        before, self.stable = self.stable, stable
        may_return = stable in self.proven and "rollbackWindow" in self.world.rollout["spec"]
        self.proven.add(stable)
        if not before or stable in self.waived or may_return:
            return
        steps = self.world.rollout["spec"]["strategy"]["canary"].get("steps", [])
        for index, step in enumerate(steps):
            if JUDGED & set(step) and (stable, index) not in self.skipped:
                assert (stable, str(index)) in self.passed, f"law 28: {stable} is stable, step {index} has no pass"
        if "analysis" in self.world.rollout["spec"]["strategy"]["canary"]:
            assert (stable, "") in self.passed, f"law 28: {stable} is stable, its background has nothing good to show"

    def _take_down(self) -> None:
        for run in own_runs(self.world):
            if run["metadata"]["name"] in self.void and "step-index" in run["metadata"]["labels"]:
                continue
            labels, status = run["metadata"]["labels"], run.get("status", {})
            is_background = labels["rollout-type"] == "Background"
            is_good = any(result["successful"] > 0 for result in status.get("metricResults", []))
            if is_good if is_background else status.get("phase") == "Successful":
                self.passed.add((labels[HASH], labels.get("step-index", "")))


@dataclass
class Pauses:
    """Law 14: the start of a pause is written once."""

    world: World
    started: dict[tuple[Any, ...], datetime] = field(default_factory=dict)

    def forget(self) -> None:
        """People or a new version may begin a pause anew."""
        self.started.clear()

    def check(self) -> None:
        """After a turn."""
        status = self.world.status
        for pause in status.get("pauseConditions", []):
            key = (status["currentPodHash"], status.get("currentStepIndex"), pause["reason"])
            assert self.started.setdefault(key, pause["startTime"]) == pause["startTime"], f"law 14: {key} moved"


@dataclass
class Aborts:
    """Laws 19 and 24: an aborted canary is never scaled up, and only people or a new version end an abort."""

    world: World

    def check(self, name: str, replicas: int) -> None:
        """Before a ReplicaSet is scaled."""
        status, raw = self.world.status, self.world.replica_sets[name]
        version = raw["metadata"]["labels"][HASH]
        is_canary = version == status.get("currentPodHash") != status.get("stableRS")
        is_given_up = status.get("abort") and not status.get("promoteFull")
        if is_given_up and is_canary and not self.world.is_edited():
            assert replicas <= raw["spec"]["replicas"], "law 19: an aborted canary grows"


@dataclass
class Holds:
    """Under spec.paused no pod goes from stable to the canary, but for what a change of spec.replicas asks for."""

    world: World
    is_resized: bool = False
    """Whether spec.replicas was written since the last rest without a hold: its change may still be under way."""

    def settle(self) -> None:
        """At rest."""
        self.is_resized = self.is_resized and self.world.rollout["spec"].get("paused", False)

    def resize(self) -> None:
        """spec.replicas was written."""
        self.is_resized = True

    def check(self, name: str, replicas: int) -> None:
        """Before a ReplicaSet is scaled by a turn that saw the hold."""
        if self.is_resized or not self.world.sight.rollout.raw["spec"].get("paused"):
            return
        status, raw = self.world.status, self.world.replica_sets[name]
        version, before = raw["metadata"]["labels"][HASH], raw["spec"]["replicas"]
        if version == status["stableRS"]:
            assert replicas >= before, "stable shrinks under spec.paused"
        elif version == status["currentPodHash"]:
            assert replicas <= before, "the canary grows under spec.paused"


@dataclass
class Deletions:
    """Law 8: nothing that serves, measures or may be returned to is deleted."""

    world: World

    def check(self, name: str) -> None:
        """Before an object is deleted."""
        status = self.world.status
        if name in self.world.replica_sets:
            raw = self.world.replica_sets[name]
            assert raw["metadata"]["labels"][HASH] not in (status["stableRS"], status["currentPodHash"])
            assert not raw["spec"]["replicas"] and not self.world.pods_of(name), f"law 8: {name} has pods"
            self._is_beyond_the_limit(raw)
            return
        run = self.world.runs.get(name) or self.world.experiments[name]
        assert run["status"].get("phase") in COMPLETED, f"{name} is not over"
        named = {*refs(status), status.get("canary", {}).get("currentExperiment")}
        assert name not in named, f"{name} is what the status looks at"

    def _is_beyond_the_limit(self, raw: Json) -> None:
        status, limit = self.world.status, self.world.rollout["spec"].get("revisionHistoryLimit", 10)
        kept = (status["stableRS"], status["currentPodHash"])
        old = [other for other in own_replica_sets(self.world) if other["metadata"]["labels"][HASH] not in kept]
        assert len(old) > limit, f"{len(old)} old versions are there, {limit} may be"
        newer = [other for other in old if other is not raw and _age(other) >= _age(raw)]
        assert len(newer) >= limit, "an older version is kept instead"


def _age(raw: Json) -> str:
    created: str = raw["metadata"]["creationTimestamp"]
    return created


@dataclass
class Runs:
    """Law 33: one run per version, gate and attempt."""

    world: World

    def check(self) -> None:
        """After a turn."""
        gates = []
        for run in own_runs(self.world):
            labels = run["metadata"]["labels"]
            if run.get("status", {}).get("phase") not in COMPLETED and not run["spec"].get("terminate"):
                gates.append((labels[HASH], labels["rollout-type"], labels.get("step-index")))
        assert len(gates) == len(set(gates)), f"law 33: two runs answer one gate: {gates}"
