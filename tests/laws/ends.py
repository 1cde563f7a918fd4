"""The laws about rest: what is true whenever nothing more is written until time passes or something outside changes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests import roads
from tests.builders import Json
from tests.laws.watch import COMPLETED, HASH, own_replica_sets, own_runs, refs
from tests.world import World

STANDARD = ("Ready", "Reconciling", "Stalled")
UNTIMED = {"pause", "analysis", "experiment"}
DEADLINE = "scale-down-deadline"
HISTORY = 10  # revisionHistoryLimit, where nobody says one


@dataclass
class Truth:
    """What clients trust: the status answers the spec it names, and Healthy means all of it and nothing else."""

    world: World

    def check(self) -> None:
        """At rest."""
        status = self.world.status
        assert status["observedGeneration"] == str(self.world.rollout["metadata"]["generation"])
        assert status["phase"] in ("Healthy", "Progressing", "Paused", "Degraded")
        true = [c["type"] for c in status["conditions"] if c["type"] in STANDARD and c["status"] == "True"]
        assert len(true) == 1, f"exactly one of {STANDARD} is True, not {true}"
        types = [c["type"] for c in status["conditions"]]
        assert len(types) == len(set(types)), types
        if status["phase"] == "Healthy":
            self._healthy(status)
        is_completed = status["stableRS"] == status["currentPodHash"]
        completed = next(c["status"] for c in status["conditions"] if c["type"] == "Completed")
        assert completed == str(is_completed)

    def _healthy(self, status: Json) -> None:
        desired = self.world.rollout["spec"].get("replicas", 1)
        assert status["stableRS"] == status["currentPodHash"]
        assert status["availableReplicas"] >= desired
        new = [raw for raw in own_replica_sets(self.world) if raw["metadata"]["labels"][HASH] == status["stableRS"]]
        others = [raw for raw in own_replica_sets(self.world) if raw not in new]
        assert [raw["spec"]["replicas"] for raw in new] == [desired]
        left = [raw for raw in others if raw["spec"]["replicas"] or raw["status"]["replicas"]]
        if not self.world.routes:
            assert not left
            return
        if self.world.is_veiled():
            return
        untimed = [raw for raw in left if DEADLINE not in raw["metadata"]["annotations"]]
        assert not untimed, "an earlier version is here to stay"
        for name, route in self.world.routes.items():
            sent = {version for version, share in roads.shares(self.world.services, route).items() if share}
            assert sent == {status["stableRS"]}, f"Healthy, and {name} sends traffic to {sent}"


@dataclass
class Rest:
    """Laws 18, 19, 24 and 32, and the history: what is over is over."""

    world: World

    def check(self) -> None:
        """At rest."""
        self._abort()
        self._runs()
        self._verbs()
        self._history()

    def _abort(self) -> None:
        """Law 19: once stable can carry everything, a version that was given up has no pod left, whatever holds."""
        status, desired = self.world.status, self.world.rollout["spec"].get("replicas", 1)
        if not status.get("abort"):
            return
        assert status["phase"] == "Degraded"
        assert not status.get("pauseConditions")
        by_hash = {raw["metadata"]["labels"][HASH]: raw for raw in own_replica_sets(self.world)}
        stable, canary = by_hash[status["stableRS"]], by_hash[status["currentPodHash"]]
        if self.world.routes:
            self._led_back(stable, canary)
        elif stable["status"]["availableReplicas"] >= desired:
            assert canary["spec"]["replicas"] == 0, "law 19: given up, and not gone"
        assert stable["spec"]["replicas"] <= max(desired, stable["status"]["replicas"])

    def _led_back(self, stable: Json, canary: Json) -> None:
        """All traffic is where it can be carried; then the pods of what was given up go, unless they are to stay."""
        desired, strategy = (
            self.world.rollout["spec"].get("replicas", 1),
            self.world.rollout["spec"]["strategy"]["canary"],
        )
        if stable["status"]["availableReplicas"] < desired or not desired or self.world.is_veiled():
            return
        for name, route in self.world.routes.items():
            share = roads.shares(self.world.services, route).get(canary["metadata"]["labels"][HASH], 0)
            assert not share, f"law 19: given up, and {name} sends {share} of the traffic to it"
        is_kept = strategy.get("abortScaleDownDelaySeconds") == 0 or DEADLINE in canary["metadata"]["annotations"]
        assert is_kept or not canary["spec"]["replicas"], "law 19: given up, and here to stay"

    def _runs(self) -> None:
        """Laws 32 and 33: only runs that the status names go on, none does once the version is settled."""
        status = self.world.status
        is_settled = status.get("abort") or status.get("promoteFull") or status["stableRS"] == status["currentPodHash"]
        for run in own_runs(self.world):
            is_over = run.get("status", {}).get("phase") in COMPLETED
            named = run["metadata"]["name"] in refs(status)
            assert is_over or (named and not is_settled), f"law 32: {run['metadata']['name']} goes on"
        for name in refs(status):
            run = self.world.runs.get(name, {})
            assert not run or run in own_runs(self.world), f"law 33: {name} is somebody else's"
            if not is_settled:
                self._verdict(run.get("status", {}).get("phase"))

    def _verdict(self, phase: str | None) -> None:
        """Law 28: what a run says of a version under way has been acted on."""
        assert phase not in ("Failed", "Error"), "a run failed, and the update goes on"
        pauses = [each["reason"] for each in self.world.status.get("pauseConditions", [])]
        assert phase != "Inconclusive" or "InconclusiveAnalysisRun" in pauses, "nothing proven, and nobody asked"

    def _verbs(self) -> None:
        """Law 18: what people wrote is answered, once, and taken away."""
        annotations = self.world.rollout["metadata"].get("annotations", {})
        owners = self.world.verb_owners
        left = [key for key in annotations if key in owners and not owners[key].is_applied]
        assert not left, f"law 18: {left} is not answered"
        records = self.world.status.get("verbs", [])
        assert not [record for record in records if record["outcome"] == "Accepted"], records
        for one, other in itertools.combinations(records, 2):
            same = all(one.get(name) == other.get(name) for name in ("verb", "value", "requestedAt"))
            is_repeated = same and "Refused" not in (one["outcome"], other["outcome"])
            assert not is_repeated, f"law 18: {one} was carried out twice"

    def _history(self) -> None:
        """Old versions without pods are kept up to the limit."""
        status, limit = self.world.status, self.world.rollout["spec"].get("revisionHistoryLimit", HISTORY)
        kept = (status["stableRS"], status["currentPodHash"])
        old = [raw for raw in own_replica_sets(self.world) if raw["metadata"]["labels"][HASH] not in kept]
        if not [raw for raw in old if raw["spec"]["replicas"] or raw["status"]["replicas"]]:
            assert len(old) <= limit, f"{len(old)} old versions, {limit} wanted"


@dataclass
class Deadline:
    """Law 20: the deadline passes when nothing has moved for so long, and only then."""

    world: World
    moved_at: datetime | None = None
    """When anything moved last."""
    progressed_at: datetime | None = None
    """When a turn saw something last that is nearer to the wanted version; what people patched is not seen to move."""
    was_untimed: bool = False
    """Whether no clock ran since the last turn."""
    sizes: tuple[int, ...] = ()
    before: Json = field(default_factory=dict)
    fired: str = ""
    """The words of a deadline that has passed."""

    def look(self) -> None:
        """After a turn."""
        status, sizes, before = self.world.status, self._sizes(), self.before
        is_progress = self._is_untimed() or self._is_nearer(before, status)
        is_ours = self.world.change is not None and self._is_nearer(*self.world.change)
        if self.was_untimed:
            self.progressed_at = self.world.now
        self._not_early(status)
        if is_ours or self.progressed_at is None:
            self.progressed_at = self.world.now
        self.was_untimed = self._is_untimed()
        if is_progress or sizes != self.sizes or self.moved_at is None:
            self.moved_at = self.world.now
        self.sizes, self.before = sizes, dict(status)

    @staticmethod
    def _is_nearer(before: Json, after: Json) -> bool:
        places = ("stableRS", "currentPodHash", "currentStepHash", "currentStepIndex", "updatedReplicas")
        if [before.get(name) for name in places] != [after.get(name) for name in places]:
            return True
        if _plugin(before) != _plugin(after):
            return True
        if before.get("phase") == "Healthy" != after.get("phase"):  # from here on there is something to reach
            return True
        old_before, old_after = (each.get("replicas", 0) - each.get("updatedReplicas", 0) for each in (before, after))
        more = ("readyReplicas", "availableReplicas")
        return old_after < old_before or any(after.get(name, 0) > before.get(name, 0) for name in more)

    def check(self) -> None:
        """At rest."""
        status = self.world.status
        is_restarting = self.world.rollout["spec"].get("restartAt") != status.get("restartedAt")
        if status["phase"] != "Progressing" or is_restarting or self._is_untimed() or self.moved_at is None:
            return
        passes_at = self.moved_at + timedelta(seconds=self._seconds() + 2)
        assert self.world.now <= passes_at, f"law 20: nothing has moved since {self.moved_at}: {status['message']}"

    def _seconds(self) -> int:
        seconds: int = self.world.rollout["spec"].get("progressDeadlineSeconds", 600)
        return seconds

    def _sizes(self) -> tuple[int, ...]:
        return tuple(raw["spec"]["replicas"] for raw in self.world.replica_sets.values())

    def _not_early(self, status: Json) -> None:
        said: Json = next((c for c in status.get("conditions", []) if c["type"] == "Progressing"), {})
        words = said.get("message", "") if said.get("status") == "False" else ""
        fired, self.fired = self.fired, words if "timed out" in words else ""
        if self.fired and self.fired != fired and self.progressed_at is not None:
            # the abort that it leads to is no progress of before
            waited = (self.world.now - self.progressed_at).total_seconds()
            assert waited >= self._seconds(), f"law 20: it passed after {waited} s"

    def _is_untimed(self) -> bool:
        status, spec = self.world.status, self.world.rollout["spec"]
        if spec.get("paused") or status.get("pauseConditions") or status.get("abort"):
            return True
        steps = spec["strategy"]["canary"].get("steps", [])
        index = status.get("currentStepIndex", 0)
        if status.get("stableRS") == status.get("currentPodHash"):
            return False
        if index >= len(steps):
            return "analysis" in spec["strategy"]["canary"] and self._is_all_there()
        return bool(UNTIMED & set(steps[index])) or _plugin(status) == "Running"

    def _is_all_there(self) -> bool:
        """What a promotion can still lack is a proof, and no deadline bounds that."""
        version, desired = self.world.status.get("currentPodHash"), self.world.rollout["spec"].get("replicas", 1)
        new = [raw for raw in own_replica_sets(self.world) if raw["metadata"]["labels"][HASH] == version]
        return any(raw.get("status", {}).get("availableReplicas", 0) >= desired for raw in new)


def _plugin(status: Json) -> str | None:
    """What the plugin of the current step said last; None: there is none, or it was not asked."""
    entries = status.get("canary", {}).get("stepPluginStatuses", [])
    runs = [each for each in entries if each["operation"] == "Run" and each["index"] == status.get("currentStepIndex")]
    is_over = any(each["operation"] == "Abort" for each in entries)
    return runs[0]["phase"] if runs and runs[0]["executions"] and not is_over else None
