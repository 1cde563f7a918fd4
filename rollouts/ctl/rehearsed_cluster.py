"""The stand-in for a cluster in which `rollouts plan` plays a Rollout, on a clock of its own.

Pods become available after a fixed time, analyses and experiments pass as early as they can, step plugins are done at
once, and traffic goes at once where Services and routers lead it. What a router writes is its own rendering, stored
whole. Nothing here knows what a rollout does next.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from rollouts.api import parse
from rollouts.api.rollout import DEFAULT_REPLICAS
from rollouts.core import actions as act
from rollouts.core import naming
from rollouts.core.actions import Action
from rollouts.core.observed import StepAnswerSeen
from rollouts.core.roads import Roads
from rollouts.ctl import pod_template, rehearsed_analysis, rehearsed_experiment
from rollouts.ctl.family import Family, Json, name_of
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    INGRESSES,
    POD_TEMPLATES,
    REPLICA_SETS,
    SERVICES,
)
from rollouts.lib import timestamps
from rollouts.ports import StepAnswer, StepPhase, TrafficIntent, Unknown

START = datetime(2000, 1, 1, tzinfo=UTC)

Stored = dict[str, Any]

OnReplicaSet = act.CreateReplicaSet | act.ScaleReplicaSet | act.PatchReplicaSet | act.DeleteReplicaSet
OnRun = act.CreateAnalysisRun | act.TerminateAnalysisRun | act.DeleteAnalysisRun
OnExperiment = act.CreateExperiment | act.TerminateExperiment | act.DeleteExperiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """What a play begins with. `workload` is what the Rollout takes its pod template from, where that is not itself."""

    rollout: Json
    workload: Json | None = None
    templates: tuple[Json, ...] = ()
    services: tuple[Json, ...] = ()
    ingresses: tuple[Json, ...] = ()


class Cluster:
    """One play's cluster. `available_after` is in seconds: until a pod is ready, and minReadySeconds."""

    def __init__(self, cast: Cast, *, available_after: int) -> None:
        self.now = START
        self.version = 0
        """Counts what was written."""
        self.replica_sets: dict[str, Stored] = {}
        self._available_after = timedelta(seconds=available_after)
        self._templates = cast.templates
        self._runs: dict[str, Stored] = {}
        self._experiments: dict[str, Stored] = {}
        self.step_answers: tuple[StepAnswerSeen, ...] = ()
        """What step plugins answered: that they are done."""
        self._made_at: dict[str, list[datetime]] = {}
        """When the pods of each ReplicaSet were made, oldest first."""
        self.rollout = self._given(cast.rollout)
        self.workload = None if cast.workload is None else self._given(cast.workload)
        self._services = {name_of(each): self._given(each) for each in cast.services}
        self._ingresses = {name_of(each): self._given(each) for each in cast.ingresses}

    def apply(self, stored: Stored, spec: Json) -> None:
        """Somebody applies a new spec of an object."""
        stored["spec"] = copy.deepcopy(dict(spec))
        stored["metadata"]["generation"] += 1
        self._touch(stored)

    def apply_template(self, stored: Stored, template: Json) -> None:
        """Somebody applies a new pod template of a workload."""
        stored |= copy.deepcopy(pod_template.replaced(stored, template))
        stored["metadata"]["generation"] += 1
        self._touch(stored)

    def report(self, stored: Stored, status: Mapping[str, Any]) -> None:
        """An object's status, where it is another one than before."""
        if stored.get("status") != status:
            stored["status"] = dict(status)
            self._touch(stored)

    def resume(self) -> None:
        """A person ends the pause of the Rollout."""
        merge(self.rollout["status"], {"pauseConditions": None})
        self._touch(self.rollout)

    def family(self) -> Family:
        """Everything as a command would read it."""
        by_kind: dict[str, tuple[Json, ...]] = {
            REPLICA_SETS.plural: tuple(self.replica_sets.values()),
            ANALYSIS_RUNS.plural: tuple(self._runs.values()),
            EXPERIMENTS.plural: tuple(self._experiments.values()),
            SERVICES.plural: tuple(self._services.values()),
            INGRESSES.plural: tuple(self._ingresses.values()),
        }
        for kind in (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES):
            by_kind[kind.plural] = tuple(each for each in self._templates if each.get("kind") == kind.name)
        return Family(
            rollout=copy.deepcopy(self.rollout),
            objects=copy.deepcopy(by_kind),
            workload=copy.deepcopy(self.workload),
        )

    def carry_out(self, action: Action, roads: Roads) -> None:
        """Do what was decided. `roads` are the routers as they were seen when it was."""
        match action:
            case act.PatchRollout():
                self._patch(self.rollout, action.patch)
            case act.PatchService():
                self._patch(self._services[action.name], action.patch)
            case act.SetTraffic():
                self._set_traffic(action.intent, roads)
            case act.ScaleWorkload():
                assert self.workload is not None
                self._patch(self.workload, {"spec": {"replicas": action.replicas}})
            case act.CreateAnalysisRun() | act.TerminateAnalysisRun() | act.DeleteAnalysisRun():
                self._on_run(action)
            case act.CreateExperiment() | act.TerminateExperiment() | act.DeleteExperiment():
                self._on_experiment(action)
            case act.RunStepPlugin():
                self._answer(action)
            case act.EvictPod() | act.PatchPod() | act.Measure():
                pass  # there are no single pods, and runs take their course
            case _:
                self._on_replica_set(action)

    def fill(self) -> None:
        """Pods as ReplicaSets and the workload ask for them, and runs as far as they are."""
        for name, stored in self.replica_sets.items():
            made_at = self._made_at.setdefault(name, [])
            wanted = int(stored["spec"]["replicas"])
            made_at += [self.now] * (wanted - len(made_at))
            del made_at[wanted:]  # the youngest are last, and go first
            available = sum(1 for made in made_at if self.now >= made + self._available_after)
            counts = {"replicas": len(made_at), "readyReplicas": available, "availableReplicas": available}
            self.report(stored, {**counts, "observedGeneration": stored["metadata"]["generation"]})
        if self.workload is not None:
            self.report(self.workload, {"readyReplicas": self.workload_pods()})
        for stored in self._runs.values():
            self.report(stored, rehearsed_analysis.status_at(parse.parse_analysis_run(stored).value, self.now))
        for stored in self._experiments.values():
            experiment = parse.parse_experiment(stored).value
            after = self._available_after
            self.report(stored, rehearsed_experiment.status_at(experiment, self.now, available_after=after))

    def wanted_pods(self) -> int:
        """The pods that all versions and the experiments under way ask for."""
        versions = sum(int(each["spec"]["replicas"]) for each in self.replica_sets.values())
        experiments = (parse.parse_experiment(each).value for each in self._experiments.values())
        return versions + sum(map(rehearsed_experiment.pods, experiments))

    def workload_pods(self) -> int:
        """The pods of the workload itself."""
        if self.workload is None or self.workload["kind"] == POD_TEMPLATES.name:
            return 0
        return int(self.workload["spec"].get("replicas", DEFAULT_REPLICAS))

    def next_moments(self) -> Iterable[datetime]:
        """The moments ahead at which a pod becomes available or a run comes further."""
        pods = (made + self._available_after for each in self._made_at.values() for made in each)
        runs = (
            rehearsed_analysis.changes_at(parse.parse_analysis_run(each).value, self.now)
            for each in self._runs.values()
        )
        experiments = (
            moment
            for each in self._experiments.values()
            for moment in rehearsed_experiment.changes_at(
                parse.parse_experiment(each).value, self.now, available_after=self._available_after
            )
        )
        return (moment for moment in (*pods, *runs, *experiments) if moment is not None and moment > self.now)

    def _given(self, stored: Json) -> Stored:
        """An object of the files as the cluster has it."""
        given = copy.deepcopy(dict(stored))
        meta = given.setdefault("metadata", {})
        meta |= {"uid": f"{given['kind']}/{meta['name']}", "generation": 1}
        meta["creationTimestamp"] = timestamps.render(START)
        given.pop("status", None)
        self._touch(given)
        return given

    def _on_replica_set(self, action: OnReplicaSet) -> None:
        match action:
            case act.CreateReplicaSet():
                self._create(self.replica_sets, action.name, action.manifest)
            case act.ScaleReplicaSet():
                patch = {"metadata": {"annotations": action.annotations}, "spec": {"replicas": action.replicas}}
                self._patch(self.replica_sets[action.name], patch)
            case act.PatchReplicaSet():
                self._patch(self.replica_sets[action.name], action.patch)
                self._wear(self.replica_sets[action.name])
            case act.DeleteReplicaSet():
                self._delete(self.replica_sets, action.name)
                self._made_at.pop(action.name, None)
            case _:
                assert_never(action)

    def _on_run(self, action: OnRun) -> None:
        match action:
            case act.CreateAnalysisRun():
                self._create(self._runs, action.name, action.manifest)
            case act.TerminateAnalysisRun():
                self._patch(self._runs[action.name], {"spec": {"terminate": True}})
            case act.DeleteAnalysisRun():
                self._delete(self._runs, action.name)
            case _:
                assert_never(action)

    def _on_experiment(self, action: OnExperiment) -> None:
        match action:
            case act.CreateExperiment():
                self._create(self._experiments, action.name, action.manifest)
            case act.TerminateExperiment():
                self._patch(self._experiments[action.name], {"spec": {"terminate": True}})
            case act.DeleteExperiment():
                self._delete(self._experiments, action.name)
            case _:
                assert_never(action)

    def _answer(self, action: act.RunStepPlugin) -> None:
        """A plugin is done at once; the answer wakes its Rollout, as a write would."""
        answer = StepAnswer(phase=StepPhase.SUCCESSFUL)
        seen = StepAnswerSeen(
            key=action.key, operation=action.operation, ordinal=action.ordinal, at=self.now, answer=answer
        )
        self.step_answers = (*self.step_answers, seen)
        self.version += 1

    def _set_traffic(self, intent: TrafficIntent, roads: Roads) -> None:
        rendered = roads.rendered(intent)
        assert not isinstance(rendered, Unknown), "everything here is readable"
        for _, manifest in rendered:
            name = name_of(manifest)
            if name not in self._ingresses:
                self._create(self._ingresses, name, manifest)
            elif self._ingresses[name] != manifest:
                self._ingresses[name] = copy.deepcopy(dict(manifest))
                self._touch(self._ingresses[name])

    @staticmethod
    def _wear(replica_set: Stored) -> None:
        """Pods are played by number alone, so they wear at once what their template says."""
        replica_set["metadata"].get("annotations", {}).pop(naming.METADATA_PENDING, None)

    def _create(self, kind: dict[str, Stored], name: str, manifest: Mapping[str, Any]) -> None:
        if name in kind:
            return
        stored = copy.deepcopy(dict(manifest))
        stored["metadata"] |= {"uid": name, "generation": 1, "creationTimestamp": timestamps.render(self.now)}
        kind[name] = stored
        self._touch(stored)

    def _patch(self, stored: Stored, patch: Mapping[str, Any]) -> None:
        spec = copy.deepcopy(stored.get("spec"))
        merge(stored, patch)
        if stored.get("spec") != spec:
            stored["metadata"]["generation"] += 1
        self._touch(stored)

    def _delete(self, kind: dict[str, Stored], name: str) -> None:
        kind.pop(name, None)
        self.version += 1

    def _touch(self, stored: Stored) -> None:
        self.version += 1
        stored["metadata"]["resourceVersion"] = str(self.version)


def merge(target: Stored, patch: Mapping[str, Any]) -> None:
    """RFC 7396 merge patch, in place."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping):
            inner = target.get(key)
            target[key] = inner if isinstance(inner, dict) else {}
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)
