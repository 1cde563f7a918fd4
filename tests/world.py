"""A cluster in memory, with one Rollout in it, played to the end on a clock of its own.

Objects are JSON, versioned and merge-patched as the API server does it; pods are counted by age, ReplicaSets filled by
a small stand-in for their controller. `turn` is one turn of the real controller: snapshot, decide, carry out, write the
status, and the same for each AnalysisRun. Nothing here knows the rules of a rollout. What the snapshot shows is in
sight.py, a copy that a test may let lag behind; writes may be made to fail or to be the last ones before a crash.

Time passes only as far as something is due: no turn is taken that nobody asked for, so what a decision forgets to
come back for stays undone.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never

from rollouts.api import codec, strict
from rollouts.api.analysis import AnalysisRunStatus
from rollouts.api.findings import Kind, at
from rollouts.api.status import RolloutStatus
from rollouts.core import actions as act
from rollouts.core import naming
from rollouts.core.decide import decide, wants_pods
from rollouts.core.measured import decide_run
from rollouts.core.observed import Pod, ReadingSeen, Seen, VerbOwner
from rollouts.core.plan import Note
from rollouts.lib import timestamps
from tests import roads
from tests.builders import NOON, Json
from tests.cluster import Conflict, Settings, Unreachable, merge, with_patch
from tests.late import Late
from tests.sight import KINDS, Sight
from tests.stepping import SteppedCluster

TURNS_MAX = 200  # a play that does not come to rest within so many turns is a bug of its own


class World(SteppedCluster):
    """See the module."""

    def __init__(
        self,
        rollout: Json,
        *,
        templates: Iterable[Json] = (),
        settings: Settings | None = None,
        workload: Json | None = None,
        has_ingresses: bool = False,
    ) -> None:
        super().__init__(rollout, settings or Settings())
        if workload is not None:
            self.workloads[workload["metadata"]["name"]] = copy.deepcopy(workload)
            self.start_workloads()
        self.services, self.routes = roads.built(rollout, has_ingresses=has_ingresses)
        self.late = Late()
        self.templates = {template["metadata"]["name"]: template for template in templates}
        self.readings: dict[str, list[ReadingSeen]] = {}
        self.step_plugins = {"change": "", "broken": "ImportError: no module named gone"}
        self.verb_owners: dict[str, VerbOwner] = {}
        self.story: list[tuple[datetime, Note]] = []
        self.after_turn: Callable[[World], None] = lambda world: None
        self.after_rest: Callable[[World], None] = lambda world: None
        self.is_lost = False
        """A write failed, so the key comes again."""
        self.is_behind = False
        """A cache stayed behind in this turn."""
        self.pods_listed = 0
        """How often a decision had its pods listed."""
        self.requeue_at: datetime | None = None
        self._run_requeues: dict[str, datetime | None] = {}
        self._version_seen = ""
        self.change: tuple[Json, Json] | None = None
        """The Rollout's status before and after this turn, if it was stored."""
        self.told_now: list[Note] = []
        """What this turn told of the Rollout."""
        self.has_written = False
        """Whether anything was written in this turn, or could have been."""
        self.sight = Sight(self)

    # What people and the outside do

    def edit(self, change: Json) -> None:
        """Merge-patch the Rollout as a person does; a changed spec is a new generation."""
        before = copy.deepcopy(self.rollout["spec"])
        merge(self.rollout, change)
        if self.rollout["spec"] != before:
            self.rollout["metadata"]["generation"] += 1
        self._touch(self.rollout)

    def set_image(self, image: str) -> None:
        """A new version, where the pod template is."""
        holder = next(iter(self.workloads.values()), self.rollout)
        template = copy.deepcopy(holder["spec"]["template"])
        template["spec"]["containers"][0]["image"] = image
        if holder is self.rollout:
            self.edit({"spec": {"template": template}})
        else:
            self.edit_workload(holder["metadata"]["name"], {"template": template})

    def edit_workload(self, name: str, spec: Json) -> None:
        """Merge-patch the spec of a Deployment as its owner does."""
        self.workloads[name]["metadata"]["generation"] += 1
        self.alter(self.workloads[name], spec)

    def patch_status(self, change: Json) -> None:
        """Merge-patch the status subresource, as the kubectl plugin does."""
        merge(self.rollout.setdefault("status", {}), change)
        self._touch(self.rollout)

    def annotate(
        self, verb: str, value: str | None, *, is_applied: bool = False, manager: str = "kubectl-annotate"
    ) -> None:
        """Put a verb on the Rollout, or take it away."""
        key = naming.VERB_PREFIX + verb
        self.edit({"metadata": {"annotations": {key: value}}})
        self.verb_owners[key] = VerbOwner(manager=manager, at=self.now.replace(microsecond=0), is_applied=is_applied)

    def terminate(self, run: str) -> None:
        """End a run early, as `kubectl argo rollouts terminate` does."""
        merge(self.runs[run], {"spec": {"terminate": True}})
        self._touch(self.runs[run])

    def put_run(self, name: str, *, phase: str) -> None:
        """Somebody else's AnalysisRun of this name, if the name is free."""
        if name not in self.runs:
            meta = {"name": name, "namespace": "shop", "uid": f"not-ours-{name}", "labels": {}}
            meta["creationTimestamp"] = timestamps.render(self.now)
            self.runs[name] = {"metadata": meta, "spec": {"metrics": []}, "status": {"phase": phase}}
            self._touch(self.runs[name])

    def apply_service(self, name: str, version: str | None = None) -> None:
        """Write a Service as its user has it, which names no version; or one that the user wants."""
        self.alter(self.services[name], {"selector": {naming.POD_HASH_LABEL: version}})

    def new_service(self, name: str) -> None:
        """Make a Service as its user has it."""
        self.services[name] = roads.new_service(name)
        self._touch(self.services[name])

    def hide_route(self, name: str, why: str) -> None:
        """From now on a router cannot tell which weights are in force."""
        self.alter(self.routes[name], {"unknown": why})

    def alter(self, raw: Json, spec: Json) -> None:
        """Merge-patch the spec of an object around the Rollout."""
        merge(raw["spec"], spec)
        self._touch(raw)

    # Time

    def run(self, seconds: float) -> None:
        """Let time pass, stopping at every moment at which something is due."""
        end = self.now + timedelta(seconds=seconds)
        self.settle()
        while True:
            times = (*self._pod_times(), *self._experiment_times(), *self._run_times(), *self.late.arrivals.values())
            due = [at for at in (*times, self.requeue_at) if at and at > self.now]
            if not due or min(due) > end:
                break
            self.now = min(due)
            self.settle()
        self.now = end

    def settle(self, late: list[tuple[str, ...]] | None = None) -> None:
        """Take turns until nothing is written any more.

        `late`: the caches that stay behind in the next turns; "pods" stands for the ReplicaSet controller.
        """
        for _ in range(TURNS_MAX):
            for route in self.late.caught_up(self.routes, self.now):
                self._touch(route)
            before = self._version
            behind = late.pop(0) if late else ()
            if "pods" not in behind:
                self.fill()
            self.is_behind = bool(behind)
            self.sight.deliver(*(kind for kind in KINDS if kind not in behind))
            self.turn()
            was_lost, self.is_lost = self.is_lost, False
            if self._version == before and not behind and not was_lost:
                self.after_rest(self)
                return
        raise AssertionError(f"no rest after {TURNS_MAX} turns:\n" + self.told())

    # The controller

    def turn(self) -> None:
        """One turn for the Rollout, then one for each run that was seen."""
        writes, self.change, self.told_now = self.writes, None, []
        self._rollout_turn()
        for name in sorted(name for name, run in self.sight.runs.items() if self.sight.is_own(run.raw)):
            self._run_turn(name)
        self.has_written = self.writes != writes or self.is_lost
        self.after_turn(self)

    def seen(self) -> Seen:
        """The snapshot that a decision gets."""
        seen = self.sight.seen(templates=self.templates.values(), pods=self._pods_seen(), verb_owners=self.verb_owners)
        return dataclasses.replace(seen, step_plugins=self.step_plugins, step_answers=tuple(self.step_answers))

    def _rollout_turn(self) -> None:
        seen = self.seen()
        plan = decide(seen, now=self.now)
        self.requeue_at = plan.requeue_at
        self._version_seen = seen.rollout.meta.resource_version
        done = self._carry_out_all(plan.actions)
        if self._write_status(self.rollout, seen.rollout.raw.get("status", {}), plan.status.to_json()):
            self.told_now = [note for note in plan.notes if not note.of or note.of in done]
            self.story += [(self.now, note) for note in self.told_now]

    def _run_turn(self, name: str) -> None:
        raw = self.sight.runs[name].raw
        seen = self.sight.run(name, tuple(self.readings.get(raw["metadata"]["uid"], ())))
        plan = decide_run(seen, now=self.now)
        self._version_seen = seen.run.meta.resource_version
        self._carry_out_all(plan.actions)
        if name in self.runs and self._write_status(self.runs[name], raw.get("status", {}), codec.encode(plan.status)):
            self.story += [(self.now, note) for note in plan.notes]
        self._run_requeues[name] = plan.requeue_at

    def _carry_out_all(self, actions: Iterable[act.Action]) -> set[str]:
        """First to last; the first failure stops the rest. Returns the names of the objects that were written."""
        done: set[str] = set()
        try:
            for action in actions:
                self._carry_out(action)
                done.add(getattr(action, "name", ""))
        except (Conflict, Unreachable):
            self.is_lost = True
        return done

    def _carry_out(self, action: act.Action) -> None:
        match action:
            case act.Measure():
                self._measure(action)
            case act.EvictPod():
                self._evict(action)
            case act.PatchPod():
                self._patch_pod(action.name, action.uid, action.patch)
            case act.PatchRollout():
                self._patch_rollout(action)
            case act.PatchService():
                self.before_traffic(with_patch(self.services, action.name, action.patch), self.routes)
                self._patch(self.services, action.name, action.patch, action.seen_version)
            case act.SetTraffic():
                self._set_traffic(action)
            case act.ScaleWorkload():
                self.before_workload(action.name, action.replicas)
                self._patch(self.workloads, action.name, {"spec": {"replicas": action.replicas}}, action.seen_version)
            case act.CreateAnalysisRun() | act.TerminateAnalysisRun() | act.DeleteAnalysisRun():
                self._carry_out_run(action)
            case act.CreateExperiment() | act.TerminateExperiment() | act.DeleteExperiment() | act.RunStepPlugin():
                self._carry_out_step(action)
            case _:
                self._carry_out_replica_set(action)

    def _carry_out_replica_set(
        self, action: act.CreateReplicaSet | act.ScaleReplicaSet | act.PatchReplicaSet | act.DeleteReplicaSet
    ) -> None:
        match action:
            case act.CreateReplicaSet():
                self._create(self.replica_sets, action.name, action.manifest)
            case act.ScaleReplicaSet():
                if action.name in self.replica_sets:
                    self.before_scale(action.name, action.replicas)
                patch = {"metadata": {"annotations": dict(action.annotations)}, "spec": {"replicas": action.replicas}}
                self._patch(self.replica_sets, action.name, patch, action.seen_version)
            case act.PatchReplicaSet():
                self._patch(self.replica_sets, action.name, action.patch, action.seen_version)
            case act.DeleteReplicaSet():
                self._delete(self.replica_sets, action.name, action.uid)
            case _:
                assert_never(action)

    def _set_traffic(self, action: act.SetTraffic) -> None:
        for name in sorted(self.sight.routes):
            raw, version = self.sight.routes[name].raw, self.sight.routes[name].version
            for patch in roads.changes(raw, self.sight.rollout.raw, action.intent):
                self.before_traffic(self.services, with_patch(self.routes, name, patch))
                before = copy.deepcopy(self.routes[name]["spec"])
                self._patch(self.routes, name, patch, version)
                self.late.asked(name, before=before, after=self.routes[name]["spec"], now=self.now)
                version = self.routes[name]["metadata"]["resourceVersion"]

    def _patch_rollout(self, action: act.PatchRollout) -> None:
        if self.rollout["metadata"]["resourceVersion"] != self._version_seen:
            raise Conflict(action)
        with self._writing("patch rollout"):
            self.edit(copy.deepcopy(dict(action.patch)))
        self._version_seen = self.rollout["metadata"]["resourceVersion"]

    def _measure(self, action: act.Measure) -> None:
        answers = self.readings.setdefault(action.run_uid, [])
        if any((answer.metric, answer.ordinal) == (action.metric, action.ordinal) for answer in answers):
            return
        value = self.settings.reading(action.metric, self.now)
        reading = ReadingSeen(metric=action.metric, ordinal=action.ordinal, started_at=self.now, finished_at=self.now)
        if isinstance(value, Exception):
            reading = dataclasses.replace(reading, error=str(value))
        else:
            reading = dataclasses.replace(reading, value=value, text=str(value))
        answers.append(reading)
        self._version += 1  # an answer wakes the run's key, as a write would

    def _evict(self, action: act.EvictPod) -> None:
        name, _, _ = action.name.rpartition("-")
        with self._writing(f"evict {action.name}"):
            if name in self.pods and self.pods[name].drop(action.uid):
                self._count(self.replica_sets[name])

    def _write_status(self, raw: Json, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Whether the status now says so; False: the write was refused or lost."""
        if before == after:
            return True
        try:
            if raw["metadata"]["resourceVersion"] != self._version_seen:
                raise Conflict("status")
            with self._writing("status"):
                _taken(RolloutStatus if raw is self.rollout else AnalysisRunStatus, after)
                if raw is self.rollout:
                    self.change = dict(before), dict(after)
                raw["status"] = copy.deepcopy(dict(after))
                self._touch(raw)
        except (Conflict, Unreachable):
            self.is_lost = True
            return False
        return True

    def _run_times(self) -> list[datetime | None]:
        return [at for name, at in self._run_requeues.items() if name in self.runs]

    def _pods_seen(self) -> tuple[Pod, ...] | None:
        if not wants_pods(*self.sight.versions()):
            return None
        self.pods_listed += 1
        return tuple(
            Pod(
                name=pod.name,
                uid=pod.name,
                created_at=pod.made_at,
                is_deleting=False,
                is_available=self.is_ready(self.replica_sets[name], pod.made_at),
                replica_set_uid=self.replica_sets[name]["metadata"]["uid"],
                labels=dict(pod.metadata.get("labels", {})),
                annotations=dict(pod.metadata.get("annotations", {})),
            )
            for name, pods in self.pods.items()
            if name in self.replica_sets
            for pod in pods.each
        )

    # What tests look at

    def is_edited(self) -> bool:
        """Whether the spec has changed since the status answered it."""
        return self.status.get("observedGeneration") != str(self.rollout["metadata"]["generation"])

    def forget_memory(self) -> None:
        """The controller starts again: what it only remembered is gone."""
        self.readings.clear()
        self.step_answers.clear()
        self._run_requeues.clear()
        self.requeue_at = self.now

    def told(self) -> str:
        """The story so far, a line for each note."""
        return "\n".join(
            f"{int((at - NOON).total_seconds()):6d}s {note.reason}: {note.message}" for at, note in self.story
        )

    def reasons(self) -> list[str]:
        """The reasons of all notes that became Events, in order."""
        return [note.reason for _, note in self.story if note.is_event]

    @property
    def status(self) -> Json:
        """The Rollout's status as stored."""
        status: Json = self.rollout.get("status", {})
        return status

    def sizes(self) -> dict[str, int]:
        """spec.replicas by image."""
        return {
            raw["spec"]["template"]["spec"]["containers"][0]["image"]: raw["spec"]["replicas"]
            for raw in self.replica_sets.values()
        }


def _taken(kind: type, status: Mapping[str, Any]) -> None:
    """The API server takes no status that lacks what its schema requires."""
    lacking = [finding for finding in strict.fields(kind, status, at("status")) if finding.kind is Kind.REQUIRED]
    assert not lacking, lacking
