"""The laws about steps that others carry out: Experiments, and plugins that may answer anything or nothing.

`Others` looks at what plugins were asked, after every turn and at rest, and at Experiments as anyone can see them; it
hands what they have proven to the watcher of promotions. None of this calls the code that it judges.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rollouts.ports import StepCall
from tests.builders import Json
from tests.laws.watch import COMPLETED, HASH, Proof
from tests.world import World

ENDS = ("Abort", "Terminate")


@dataclass
class Others:
    """Laws 13, 18, 19, 28, 32 and 33 for Experiments and plugins."""

    world: World
    proof: Proof
    meant: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Key -> the version, the step's index and its configuration that it was first asked about."""
    ended: dict[str, set[str]] = field(default_factory=dict)
    """Key -> the ends that its plugin was told."""
    failed: set[str] = field(default_factory=set)
    """Keys whose plugin said that it failed."""
    void: set[str] = field(default_factory=set)
    """Keys and Experiments of steps that have changed since."""
    heard: int = 0

    def forget(self) -> None:
        """The steps have changed: what they proved counts no more."""
        self.void |= set(self.meant) | set(self.world.experiments)

    def look(self) -> None:
        """Before a write: what was asked and what was said."""
        for method, call in self.world.calls[self.heard :]:
            self._asked(method, call)
        self.heard = len(self.world.calls)
        self._answered()
        for name, raw in self.world.experiments.items():
            is_passed = raw.get("status", {}).get("phase") == "Successful" and _is_proof(raw)
            if is_passed and name not in self.void:
                self.proof.passed.add((raw["metadata"]["labels"][HASH], name.split("-")[3]))

    def check(self) -> None:
        """After a turn. Law 32: no Experiment runs that the status does not name."""
        self.look()
        if self.world.has_written or self.world.is_behind or self.world.is_lost:
            return
        named = self.world.status.get("canary", {}).get("currentExperiment", "")
        running = [
            name
            for name, raw in self.world.experiments.items()
            if raw.get("status", {}).get("phase") not in COMPLETED and not raw["spec"].get("terminate")
        ]
        assert set(running) <= {named}, f"law 32: {running} run, and the status looks at {named!r}"

    def rest(self) -> None:
        """At rest: nothing that was begun for an update that is given up or replaced is left as it is."""
        status = self.world.status
        entries = status.get("canary", {}).get("stepPluginStatuses", [])
        current = {self._key(each) for each in entries if each["operation"] == "Run"}
        for key, (version, _, _) in self.meant.items():
            is_current = key in current and version == status.get("currentPodHash") and not status.get("abort")
            is_done = version == status.get("stableRS") or version in self.proof.proven
            if not is_current and not is_done and key not in self.failed:
                assert "Abort" in self.ended.get(key, ()), f"law 19: {key} of {version} was begun, and never undone"

    def _asked(self, method: str, call: StepCall) -> None:
        """Law 13: a key means one step of one version, and is not asked to go on once it was told to end."""
        version = call.rollout["status"]["currentPodHash"]
        index = call.key.split("/")[1]
        if call.operation in ENDS:
            assert method == "abort"
            self.ended.setdefault(call.key, set()).add(call.operation)
            return
        meaning = (version, index, str(call.config))
        assert self.meant.setdefault(call.key, meaning) == meaning, f"law 13: {call.key} means two things"
        assert not self.ended.get(call.key), f"law 19: {call.key} is asked to go on after {self.ended[call.key]}"

    def _answered(self) -> None:
        for each in self.world.step_answers:
            if each.operation != "Run" or each.answer is None or each.key not in self.meant:
                continue
            version, index, _ = self.meant[each.key]
            if each.answer.phase == "Failed":
                self.failed.add(each.key)
            if each.answer.phase == "Successful" and each.key not in self.void:
                self.proof.passed.add((version, index))

    @staticmethod
    def _key(entry: Json) -> str:
        return f"rollout-uid/{entry['index']}/{entry['startedAt']}"


def _is_proof(raw: Json) -> bool:
    """Pods that were there, and every analysis passed."""
    status = raw["status"]
    return "availableAt" in status and all(each["phase"] == "Successful" for each in status["analysisRuns"])
