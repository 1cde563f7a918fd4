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


def percent(value: int | str, total: int, *, up: bool) -> int:
    """maxSurge and maxUnavailable, computed plainly."""
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * total / 100
    return int(share) + (1 if up and share != int(share) else 0)


@dataclass
class Capacity:
    """Law 5: no write takes available pods below the minimum, and none asks for more than the maximum.

    The outside can break both (a lower spec.replicas, a crash of pods); a write must then not make it worse.
    """

    world: World

    def check(self, name: str, replicas: int) -> None:
        """Before `name` is scaled to `replicas`."""
        desired = self.world.rollout["spec"].get("replicas", 1)
        canary = self.world.rollout["spec"]["strategy"]["canary"]
        surge = percent(canary.get("maxSurge", "25%"), desired, up=True)
        unavailable = min(desired, percent(canary.get("maxUnavailable", "25%"), desired, up=False))
        if surge == 0 and unavailable == 0:
            unavailable = min(1, desired)
        before, after = self._available(None, 0), self._available(name, replicas)
        assert after >= min(before, desired - unavailable), f"law 5: {name} to {replicas} leaves {after} of {desired}"
        total_before = sum(raw["spec"]["replicas"] for raw in self.world.replica_sets.values())
        total = total_before - self.world.replica_sets[name]["spec"]["replicas"] + replicas
        assert total <= max(total_before, desired + surge), (
            f"law 5: {total} pods asked for, {desired} + {surge} allowed"
        )

    def _available(self, scaled: str | None, replicas: int) -> int:
        """Pods that stay available when one ReplicaSet is scaled: its unready pods go first."""
        total = 0
        for name, raw in self.world.replica_sets.items():
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
            if "analysis" in step and (stable, index) not in self.skipped:
                assert (stable, str(index)) in self.passed, f"law 28: {stable} is stable, step {index} has no pass"
        if "analysis" in self.world.rollout["spec"]["strategy"]["canary"]:
            assert (stable, "") in self.passed, f"law 28: {stable} is stable, its background has nothing good to show"

    def _take_down(self) -> None:
        for run in self.world.runs.values():
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
class Truth:
    """What clients trust: the status answers the spec it names, and Healthy means all of it and nothing else."""

    world: World

    def check(self) -> None:
        """At rest."""
        status, spec = self.world.status, self.world.rollout["spec"]
        assert status["observedGeneration"] == str(self.world.rollout["metadata"]["generation"])
        assert status["phase"] in ("Healthy", "Progressing", "Paused", "Degraded")
        true = [c["type"] for c in status["conditions"] if c["type"] in STANDARD and c["status"] == "True"]
        assert len(true) == 1, f"exactly one of {STANDARD} is True, not {true}"
        types = [c["type"] for c in status["conditions"]]
        assert len(types) == len(set(types)), types
        if status["phase"] == "Healthy":
            assert status["stableRS"] == status["currentPodHash"]
            assert status["availableReplicas"] >= spec.get("replicas", 1)
            assert [raw["spec"]["replicas"] for raw in self._with_pods()] in ([spec.get("replicas", 1)], [])

    def _with_pods(self) -> list[Json]:
        return [raw for raw in self.world.replica_sets.values() if raw["spec"]["replicas"] > 0]


STANDARD = ("Ready", "Reconciling", "Stalled")
