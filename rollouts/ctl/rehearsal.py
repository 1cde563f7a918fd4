"""A Rollout played forward in memory, by the controller's own core: what `rollouts plan` shows.

A stand-in for a cluster on a clock of its own: pods become available after a fixed time, analyses pass as early as they
can, and a person ends a pause at once. Every decision is `decide`'s; nothing here knows what a rollout does next.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from rollouts.api import conditions as c
from rollouts.api import parse
from rollouts.api.status import RolloutStatus
from rollouts.core import actions as act
from rollouts.core import conditions, naming
from rollouts.core.actions import Action
from rollouts.core.decide import decide
from rollouts.core.plan import Plan
from rollouts.ctl import rehearsed_analysis, seeing
from rollouts.ctl.amounts import exact, retold
from rollouts.ctl.family import Family, Json
from rollouts.kube.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, REPLICA_SETS
from rollouts.lib import timestamps

START = datetime(2000, 1, 1, tzinfo=UTC)
TURNS_MAX = 5000  # a plan that is not at its end by then is not going to be
PERSON = {"pauseConditions": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How things stood after a turn; counts are available pods, `at` seconds since the new version was wanted."""

    at: int
    status: RolloutStatus
    words: str
    """What the Rollout says it waits for."""
    new: int
    old: int
    total: int
    """Pods asked for, of all versions."""
    is_person_needed: bool = False


@dataclass(slots=True)
class _Pods:
    made_at: list[datetime] = field(default_factory=list)


class Rehearsal:
    """One play. `available_after` is in seconds: until a pod is ready, and minReadySeconds."""

    def __init__(self, rollout: Json, templates: Iterable[Json], *, available_after: int) -> None:
        self.now = START
        self._began = START
        self._rollout: dict[str, Any] = copy.deepcopy(dict(rollout))
        self._available_after = timedelta(seconds=available_after)
        self._templates = tuple(templates)
        self._replica_sets: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, dict[str, Any]] = {}
        self._pods: dict[str, _Pods] = {}
        self._version = 0
        self._requeue_at: datetime | None = None
        meta = self._rollout.setdefault("metadata", {})
        meta |= {"uid": "rollout", "generation": 1, "creationTimestamp": timestamps.render(START)}
        meta.setdefault("namespace", "default")
        self._rollout.pop("status", None)
        self._touch(self._rollout)

    def want(self, spec: Json) -> None:
        """Somebody applies a new spec now."""
        self._rollout["spec"] = copy.deepcopy(dict(spec))
        self._rollout["metadata"]["generation"] += 1
        self._touch(self._rollout)
        self._began = self.now

    def moments(self) -> Iterator[Moment]:
        """Play until nothing moves any more, through every pause that a person has to end."""
        for _ in range(TURNS_MAX):
            before = self._version
            self._fill()
            plan = self._turn()
            yield self._moment(plan)
            if self._version != before:
                continue
            due = self._next()
            if due is not None:
                self.now = due
            elif plan.status.pause_conditions:
                yield self._moment(plan, is_person_needed=True)
                merge(self._rollout["status"], PERSON)
                self._touch(self._rollout)
            else:
                return

    def _turn(self) -> Plan[RolloutStatus]:
        plan = decide(seeing.seen(self._family()), now=self.now)
        for action in plan.actions:
            self._carry_out(action)
        status = plan.status.to_json()
        if status != self._rollout.get("status"):
            self._rollout["status"] = status
            self._touch(self._rollout)
        self._requeue_at = plan.requeue_at
        return plan

    def _family(self) -> Family:
        by_kind: dict[str, tuple[Json, ...]] = {
            REPLICA_SETS.plural: tuple(self._replica_sets.values()),
            ANALYSIS_RUNS.plural: tuple(self._runs.values()),
        }
        for kind in (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES):
            by_kind[kind.plural] = tuple(each for each in self._templates if each.get("kind") == kind.name)
        return Family(rollout=copy.deepcopy(self._rollout), objects=copy.deepcopy(by_kind))

    def _carry_out(self, action: Action) -> None:
        match action:
            case act.CreateReplicaSet():
                self._create(self._replica_sets, action.name, action.manifest)
            case act.ScaleReplicaSet():
                patch = {"metadata": {"annotations": action.annotations}, "spec": {"replicas": action.replicas}}
                self._patch(self._replica_sets[action.name], patch)
            case act.PatchReplicaSet():
                self._patch(self._replica_sets[action.name], action.patch)
                self._settle_pods(self._replica_sets[action.name])
            case act.PatchRollout():
                self._patch(self._rollout, action.patch)
            case act.CreateAnalysisRun():
                self._create(self._runs, action.name, action.manifest)
            case act.TerminateAnalysisRun():
                self._patch(self._runs[action.name], {"spec": {"terminate": True}})
            case act.DeleteReplicaSet() | act.DeleteAnalysisRun():
                self._delete(action.name)
            case act.EvictPod() | act.PatchPod() | act.Measure():
                pass  # there are no single pods, and runs take their course
            case _:
                assert_never(action)

    @staticmethod
    def _settle_pods(replica_set: dict[str, Any]) -> None:
        """Pods are played by number alone, so they wear at once what their template says."""
        replica_set["metadata"].get("annotations", {}).pop(naming.METADATA_PENDING, None)

    def _create(self, kind: dict[str, dict[str, Any]], name: str, manifest: Mapping[str, Any]) -> None:
        if name in kind:
            return
        stored = copy.deepcopy(dict(manifest))
        stored["metadata"] |= {"uid": name, "generation": 1, "creationTimestamp": timestamps.render(self.now)}
        kind[name] = stored
        self._touch(stored)

    def _patch(self, stored: dict[str, Any], patch: Mapping[str, Any]) -> None:
        spec = copy.deepcopy(stored.get("spec"))
        merge(stored, patch)
        if stored.get("spec") != spec:
            stored["metadata"]["generation"] += 1
        self._touch(stored)

    def _delete(self, name: str) -> None:
        for kind in (self._replica_sets, self._runs):
            kind.pop(name, None)
        self._pods.pop(name, None)
        self._version += 1

    def _touch(self, stored: dict[str, Any]) -> None:
        self._version += 1
        stored["metadata"]["resourceVersion"] = str(self._version)

    def _fill(self) -> None:
        """Pods as the ReplicaSets ask for them, and runs as far as they are."""
        for name, stored in self._replica_sets.items():
            pods = self._pods.setdefault(name, _Pods()).made_at
            wanted = int(stored["spec"]["replicas"])
            pods += [self.now] * (wanted - len(pods))
            del pods[wanted:]  # the youngest are last, and go first
            available = sum(1 for made in pods if self.now >= made + self._available_after)
            counts = {"replicas": len(pods), "readyReplicas": available, "availableReplicas": available}
            self._report(stored, {**counts, "observedGeneration": stored["metadata"]["generation"]})
        for stored in self._runs.values():
            self._report(stored, rehearsed_analysis.status_at(parse.parse_analysis_run(stored).value, self.now))

    def _report(self, stored: dict[str, Any], status: Mapping[str, Any]) -> None:
        if stored.get("status") != status:
            stored["status"] = dict(status)
            self._touch(stored)

    def _next(self) -> datetime | None:
        """The next moment at which something happens by itself."""
        pods = (made + self._available_after for each in self._pods.values() for made in each.made_at)
        runs = (
            rehearsed_analysis.changes_at(parse.parse_analysis_run(each).value, self.now)
            for each in self._runs.values()
        )
        moments = (moment for moment in (self._requeue_at, *pods, *runs) if moment is not None)
        return min((moment for moment in moments if moment > self.now), default=None)

    def _moment(self, plan: Plan[RolloutStatus], *, is_person_needed: bool = False) -> Moment:
        ready = conditions.get(plan.status.conditions, c.READY)
        current = f"-{plan.status.current_pod_hash}"
        available = {name: int(each["status"]["availableReplicas"]) for name, each in self._counted()}
        new = sum(count for name, count in available.items() if name.endswith(current))
        words = ready.message if ready is not None else plan.status.message
        return Moment(
            at=int((self.now - self._began).total_seconds()),
            status=plan.status,
            words=retold(words, lambda moment: f"{exact((moment - self._began).total_seconds())} after the start"),
            new=new,
            old=sum(available.values()) - new,
            total=sum(int(each["spec"]["replicas"]) for each in self._replica_sets.values()),
            is_person_needed=is_person_needed,
        )

    def _counted(self) -> Iterable[tuple[str, dict[str, Any]]]:
        return ((name, each) for name, each in self._replica_sets.items() if each.get("status"))


def merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
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
