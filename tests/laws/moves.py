"""The laws about one turn: what a stored status may become of the one before it, and on what evidence.

Every status that the controller stores is compared with the one it was decided on; what the turn saw is still in the
world's sight. People's wishes are read off that: annotations, and members that they patched. None of this calls the
code that it judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from rollouts.lib import durations
from tests import roads
from tests.builders import Json
from tests.laws.watch import HASH, Proof
from tests.world import World


def index_of(status: Json) -> int:
    """The current step's index; 0 where there are no steps."""
    index: int = status.get("currentStepIndex", 0)
    return index


@dataclass
class Moves:
    """Laws 4, 8, 14, 17, 24 and 28: steps, promotions and the ends of aborts have their reasons."""

    world: World
    proof: Proof
    began: dict[tuple[str, int], datetime] = field(default_factory=dict)
    """When the pause of (version, step) really began."""

    def check(self) -> None:
        """After a turn."""
        if self.world.change is None:
            return
        before, after = self.world.change
        if (before.get("currentPodHash"), before.get("currentStepHash")) != (
            after.get("currentPodHash"),
            after.get("currentStepHash"),
        ):
            self._begun(before, after)
        elif before.get("stableRS") != after.get("stableRS"):
            self._promoted(before, after)
        else:
            self._retried(before, after)
            self._moved(before, after)
        self._take_down(before, after)

    @property
    def _spec(self) -> Json:
        spec: Json = self.world.sight.rollout.raw["spec"]
        return spec

    @property
    def _steps(self) -> list[Json]:
        steps: list[Json] = self._spec["strategy"]["canary"].get("steps", [])
        return steps

    def _asked(self, verb: str) -> str:
        annotations = self.world.sight.rollout.raw["metadata"].get("annotations", {})
        value: str = annotations.get(f"rollouts.io/{verb}", "")
        return value

    def _begun(self, before: Json, after: Json) -> None:
        """Law 17: a new version or new steps start clean."""
        is_respelt = before.get("currentPodHash") == after["currentPodHash"] and before.get("abort")
        kept = [name for name in ("abort", "promoteFull", "pauseConditions", "controllerPause") if after.get(name)]
        assert not kept or is_respelt, f"law 17: a new version begins with {kept} of the old one"
        assert _of_versions(after) == {}, f"law 17: a new version begins with {_of_versions(after)}"
        assert _of_routing(after) == _of_routing(before), "law 17: what was seen of traffic changed with the version"
        if index_of(after) != 0:
            is_return = after["currentPodHash"] == before.get("stableRS") or self._may_return(after["currentPodHash"])
            assert is_return, "law 28: a new version does not begin at its first step"

    def _promoted(self, before: Json, after: Json) -> None:
        """Law 8: what becomes stable is all there, and nobody holds it back."""
        assert after["stableRS"] == after["currentPodHash"], "law 8: something else than the new version became stable"
        if not before.get("stableRS"):
            return
        assert not self._spec.get("paused"), "a version became stable under spec.paused"
        assert not before.get("abort") or before.get("promoteFull"), "law 19: a version that was given up became stable"
        available = self._seen(after["currentPodHash"])["availableReplicas"]
        desired = self._spec.get("replicas", 1)
        assert available >= self._enough(desired), f"law 8: {available} of {desired} pods, and stable"
        if not before.get("promoteFull") and not self._may_return(after["currentPodHash"]):
            asked_at = index_of(before) + self._asked("promote").startswith("step")
            assert asked_at >= len(self._steps) - 1, f"law 28: promoted from step {index_of(before)}"

    def _enough(self, desired: int) -> int:
        """The pods that the user says are enough of these."""
        threshold = self._spec["strategy"]["canary"].get("replicaProgressThreshold", {"type": "Percent", "value": 100})
        if threshold["type"] == "Pods":
            return min(desired, int(threshold["value"]))
        return math.ceil(Fraction(threshold["value"], 100) * desired)

    def _may_return(self, version: str) -> bool:
        """Law 24: steps may be skipped on the way back to a version that was stable before, and to no other."""
        return "rollbackWindow" in self._spec and version in self.proof.proven

    def _retried(self, before: Json, after: Json) -> None:
        """Law 24: only people bring a version back that was given up."""
        if not before.get("abort") or after.get("abort"):
            return
        is_asked = self._asked("retry") or self._asked("promote").startswith("full") or before.get("promoteFull")
        is_void = after["currentPodHash"] == after["stableRS"] or not after["stableRS"]
        assert is_asked or is_void, "law 24: an abort ended by itself"

    def _moved(self, before: Json, after: Json) -> None:
        """No step is left without its reason."""
        left, reached = index_of(before), index_of(after)
        if left == reached or not self._steps:
            return
        if after.get("abort"):
            assert reached == 0, f"law 4: aborted, and at step {reached}"
            return
        version = after["currentPodHash"]
        is_hurried = before.get("promoteFull") or self._asked("promote").startswith("full")
        is_return = self._may_return(version) and reached == len(self._steps)
        if version == after["stableRS"] or is_hurried or is_return or left > len(self._steps):
            return
        assert reached == left + 1, f"from step {left} to step {reached}"
        if self._asked("promote").startswith("step"):
            return
        assert not self._spec.get("paused"), "a step was left under spec.paused"
        self._has_reason(before, version, left)

    def _has_reason(self, before: Json, version: str, index: int) -> None:
        match self._steps[index]:
            case {"setWeight": weight}:
                if self.world.routes:
                    self._is_sent(version, weight)
                else:
                    self._is_reached(version, before["stableRS"], weight)
            case {"setCanaryScale": _}:
                assert self._seen(version)["availableReplicas"] or not self._seen(version)["replicas"]
            case {"setHeaderRoute": _} | {"setMirrorRoute": _}:
                pass
            case {"pause": pause}:
                is_resumed = not _is_at_pause(before) or self._asked("resume")
                assert is_resumed or "duration" in pause, "a pause without duration ended by itself"
                if not is_resumed:
                    began = self.began[version, index]
                    ends_at = began + timedelta(seconds=_seconds(pause["duration"]))
                    assert self.world.now >= ends_at, f"law 14: paused at {began}, and gone on at {self.world.now}"
            case _:
                assert (version, str(index)) in self.proof.passed, f"law 28: step {index} was left without a pass"

    def _is_sent(self, version: str, weight: int) -> None:
        """The routers were seen to send this weight, neither more nor less, to this version."""
        services = {name: copied.raw for name, copied in self.world.sight.services.items()}
        if self.world.is_veiled():
            return
        strategy = self._spec["strategy"]["canary"]
        wanted = Fraction(weight, strategy["trafficRouting"].get("maxTrafficWeight", 100))
        for name, copied in self.world.sight.routes.items():
            for way in roads.ways(services, copied.raw):
                share = way.get(version, Fraction(0))
                assert share == wanted, f"law 2: {name} sends {share} to {version}, the step asked for {wanted}"

    def _is_reached(self, version: str, stable: str, weight: int) -> None:
        """The pods that this weight means are there: the nearest share, and never none of either."""
        desired = self._spec.get("replicas", 1)
        new, old = self._seen(version), self._seen(stable)
        share = desired * weight / 100
        if "replicaProgressThreshold" in self._spec["strategy"]["canary"]:
            assert new["availableReplicas"] >= self._enough(math.floor(share)), f"law 1: {new} is not enough of {share}"
            return
        assert abs(new["availableReplicas"] - share) < 1, f"law 1: {new} is not {weight} % of {desired}"
        assert new["availableReplicas"] + old["replicas"] in (desired, desired + 1), f"law 5: {new} and {old}"
        others = [
            copied.raw
            for copied in self.world.sight.replica_sets.values()
            if copied.raw["metadata"]["labels"].get(HASH) not in (version, stable)
            and self.world.sight.is_own(copied.raw)
        ]
        left = [raw for raw in others if raw.get("status", {}).get("availableReplicas")]
        assert not left, "a step was left with pods of earlier versions"

    def _seen(self, version: str) -> Json:
        """What the turn saw of a version's pods."""
        for copied in self.world.sight.replica_sets.values():
            if copied.raw["metadata"]["labels"].get(HASH) == version and self.world.sight.is_own(copied.raw):
                return {"replicas": 0, "availableReplicas": 0, **copied.raw.get("status", {})}
        return {"replicas": 0, "availableReplicas": 0}

    def _take_down(self, before: Json, after: Json) -> None:
        if _is_at_pause(after) and not _is_at_pause(before):
            self.began[after["currentPodHash"], index_of(after)] = self.world.now


ROUTING = ("weights", "stablePingPong")
"""What a canary's status says of Services and routers: it was seen of the outside, and is no version's."""


def _of_routing(status: Json) -> Json:
    return {name: status["canary"][name] for name in ROUTING if name in status.get("canary", {})}


def _of_versions(status: Json) -> Json:
    """What the status says of one version; what its plugins began, and are to undo, is not said of the next one."""
    said = {name: value for name, value in status.get("canary", {}).items() if name not in ROUTING}
    if any(each["operation"] == "Abort" for each in said.get("stepPluginStatuses", [])):
        del said["stepPluginStatuses"]
    return said


def _is_at_pause(status: Json) -> bool:
    return "CanaryPauseStep" in [each["reason"] for each in status.get("pauseConditions", [])]


def _seconds(duration: Any) -> int:
    return duration if isinstance(duration, int) else durations.whole_seconds(duration) or 0


@dataclass
class Words:
    """What a stored status says is what the turn saw, and what is told is told once."""

    world: World
    told: set[tuple[str, str]] = field(default_factory=set)

    def check(self) -> None:
        """After a turn."""
        self._counts()
        self._notes()

    def _counts(self) -> None:
        if self.world.change is None or "InvalidSpec" in self.world.change[1].get("message", ""):
            return
        after = self.world.change[1]
        own = [copied.raw for copied in self.world.sight.replica_sets.values() if self.world.sight.is_own(copied.raw)]
        new = [raw for raw in own if raw["metadata"]["labels"].get(HASH) == after["currentPodHash"]]
        sums = {
            "replicas": _sum(own, "replicas"),
            "HPAReplicas": _sum(own, "replicas"),
            "readyReplicas": _sum(own, "readyReplicas"),
            "availableReplicas": _sum(own, "availableReplicas"),
        }
        if not self._is_beginning(after):
            sums["updatedReplicas"] = _sum(new, "replicas")
        assert {name: after.get(name, 0) for name in sums} == sums, "status counts pods that nobody saw"

    def _is_beginning(self, after: Json) -> bool:
        workload = next(
            (str(copied.raw["metadata"]["generation"]) for copied in self.world.sight.workloads.values()), ""
        )
        generation = str(self.world.sight.rollout.raw["metadata"]["generation"])
        return (after.get("observedGeneration"), after.get("workloadObservedGeneration", "")) != (generation, workload)

    def _notes(self) -> None:
        """Law 37: an event has a write to report, and is not told again."""
        news = [note for note in self.world.told_now if note.is_event]
        if self.world.is_lost or self.world.is_behind:  # such a turn is taken again, and told under the same keys
            self.told.clear()
            return
        assert not news or self.world.has_written, f"law 37: {news[0]} is told of nothing"
        for note in news:
            assert (note.reason, note.key) not in self.told, f"law 37: {note} is told twice"
            self.told.add((note.reason, note.key))


def _sum(sets: list[Json], name: str) -> int:
    return sum(raw.get("status", {}).get(name, 0) for raw in sets)
