"""From the caches to what the core sees: one consistent moment per key, parsed once per version of each object.

Nothing here awaits, so a snapshot and the decision made on it see the same moment. What a cache cannot say is
Unreadable, with the reason. Rules of rollouts do not belong here; the only judgement made is whose an object is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollouts.api import parse
from rollouts.api.analysis import AnalysisRun, AnalysisTemplate, TemplateRef
from rollouts.api.codec import Problem
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import CanaryStrategy, ExperimentStep, Rollout
from rollouts.core import roles, sight
from rollouts.core.naming import REVISION
from rollouts.core.observed import Pod, ReplicaSet, RunSeen, Seen, Service, Unreadable
from rollouts.core.sight import Hidden
from rollouts.kube.errors import Unreachable
from rollouts.kube.kinds import ANALYSIS_RUNS, EXPERIMENTS, REPLICA_SETS, ROLLOUTS, SERVICES, Key, Kind
from rollouts.lib import selectors, timestamps
from rollouts.lib.members import mapping_at
from rollouts.runtime.cache import Cache, Entry, Json, metadata
from rollouts.runtime.readings import Readings
from rollouts.runtime.routes import Roads, Routes
from rollouts.runtime.triggers import named_templates, template_at
from rollouts.runtime.workloads import Checked, checked, seen_workload, workload_named

TEMPLATES_MAX = 50  # of one Rollout, with those that they name; what is beyond it is not looked for, and so not missing
BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the cache does not hold and was read for one turn: pods, where they matter, and a workload nobody watches.

    `workload` None: it is watched, or it does not exist.
    """

    pods: tuple[Pod, ...] | Unreadable | None = None
    workload: Entry | Unreadable | None = None


NOTHING = Read()


class Snapshots:
    """Makes what the core sees of a key out of the cache."""

    def __init__(
        self,
        cache: Cache,
        readings: Readings,
        routes: Routes,
        *,
        unreadable: Callable[[Kind], str | None],
        keeps_verbs: Callable[[], bool],
        instance_id: str,
    ) -> None:
        self._cache = cache
        self._readings = readings
        self._routes = routes
        self.unreadable = unreadable
        """Why objects of a kind cannot be seen; None: they can."""
        self._keeps_verbs = keeps_verbs
        self._instance_id = instance_id

    def require(self, *kinds: Kind) -> None:
        """Raises Unreachable while one of these kinds is unreadable, which is not the same as empty."""
        for kind in kinds:
            why = self.unreadable(kind)
            if why is not None:
                raise Unreachable(why)

    def parsed_rollout(self, key: Key, *, read: Read = NOTHING) -> Rollout | None:
        """The Rollout alone, to find out what else must be read; None: it is gone."""
        entry = self._cache.get(ROLLOUTS, key)
        return None if entry is None else self._checked(entry, read)[0]

    def versions(self, key: Key) -> tuple[ReplicaSet, ...]:
        """The ReplicaSets that the Rollout owns, in no order."""
        entry = self._cache.get(ROLLOUTS, key)
        owned = () if entry is None else self._cache.owned(REPLICA_SETS, entry.uid)
        return tuple(each.parsed("replica_set", _replica_set) for each in owned)

    def unwatched_workload(self, key: Key) -> tuple[Kind, Key] | None:
        """The workload that a Rollout names and no watch tells of, so that it must be read."""
        entry = self._cache.get(ROLLOUTS, key)
        named = None if entry is None else workload_named(entry)
        return named if named is not None and named[0] == REPLICA_SETS else None

    def watched_workload(self, key: Key) -> Entry | None:
        """The workload that a Rollout names and that a watch tells of, as far as it exists."""
        entry = self._cache.get(ROLLOUTS, key)
        named = None if entry is None else workload_named(entry)
        return None if named is None or named[0] == REPLICA_SETS else self._cache.get(*named)

    def hidden(self, key: Key, *, read: Read = NOTHING) -> Hidden | None:
        """What cannot be seen and without which nothing can be decided; None: nothing is."""
        why = self.unreadable(REPLICA_SETS)
        if why is not None:
            return Hidden(reason=sight.VERSIONS_UNREADABLE, why=why)
        if isinstance(read.workload, Unreadable):
            return Hidden(reason=sight.WORKLOAD_UNREADABLE, why=read.workload.why)
        entry = self._cache.get(ROLLOUTS, key)
        named = None if entry is None else workload_named(entry)
        why = None if named is None else self.unreadable(named[0])
        return None if why is None else Hidden(reason=sight.WORKLOAD_UNREADABLE, why=why)

    def rollout(self, key: Key, *, read: Read = NOTHING) -> tuple[Seen, Roads] | None:
        """The Rollout and all that concerns it, and its routers as they were seen; None: it is gone."""
        entry = self._cache.get(ROLLOUTS, key)
        if entry is None:
            return None
        rollout, problems = self._checked(entry, read)
        workload = self._workload(entry, read)
        mine, others = self._replica_sets(entry, rollout)
        roads = self._routes.of(rollout)
        seen = Seen(
            rollout=rollout,
            problems=problems,
            replica_sets=mine,
            names_taken=others,
            analysis_runs=self._analysis_runs(entry),
            run_names_taken=self._run_names_taken(entry, mine),
            experiments=self._experiments(entry),
            experiment_names_taken=self._experiment_names_taken(entry, rollout, mine),
            templates=self._templates(entry),
            services=self._services(rollout),
            routes={road.name: road.seen for road in roads.served},
            routers_unserved=roads.unserved,
            route_problems=roads.problems,
            workload=None if workload is None else workload.parsed("workload", seen_workload),
            pods=read.pods,
            verb_owners=entry.verb_owners,
            keeps_verbs=self._keeps_verbs(),
            instance_id=self._instance_id,
        )
        return seen, roads

    def run(self, key: Key) -> RunSeen | None:
        """The AnalysisRun and the answers that its status does not show yet; None: it is gone."""
        entry = self._cache.get(ANALYSIS_RUNS, key)
        if entry is None:
            return None
        run, problems = entry.parsed("run", _run)
        counted = {result.name: result.count + result.error for result in run.status.metric_results}
        self._readings.settle(entry.uid, counted)
        return RunSeen(
            run=run,
            problems=problems,
            readings=self._readings.of(entry.uid),
            in_flight=self._readings.in_flight(entry.uid),
        )

    def _checked(self, entry: Entry, read: Read) -> Checked:
        return checked(entry, self._workload(entry, read))

    def _workload(self, entry: Entry, read: Read) -> Entry | None:
        """What the Rollout takes its pod template from, as far as it exists."""
        named = workload_named(entry)
        if named is None:
            return None
        if named[0] == REPLICA_SETS:
            return None if isinstance(read.workload, Unreadable) else read.workload
        return self._cache.get(*named)

    def _services(self, rollout: Rollout) -> Mapping[str, Service | Unreadable]:
        if rollout.spec.strategy is None:
            return {}
        names = roles.named(rollout.spec.strategy)
        why = self.unreadable(SERVICES)
        if why is not None:
            return dict.fromkeys(names, Unreadable(why=why))
        found = ((name, self._cache.get(SERVICES, Key(rollout.meta.namespace, name))) for name in names)
        return {name: entry.parsed("service", service_of) for name, entry in found if entry is not None}

    def _replica_sets(self, owner: Entry, rollout: Rollout) -> tuple[tuple[ReplicaSet, ...], dict[str, ReplicaSet]]:
        selector = rollout.spec.selector or {}
        owned = [_claimed(entry, selector, is_owned=True) for entry in self._cache.owned(REPLICA_SETS, owner.uid)]
        orphans = [
            _claimed(entry, selector, is_owned=False)
            for entry in self._cache.orphans(REPLICA_SETS, owner.key.namespace)
        ]
        mine = [*owned, *(orphan for orphan in orphans if orphan.is_selected and selector)]
        names = {replica_set.name for replica_set in mine}
        others = {
            entry.key.name: _claimed(entry, selector, is_owned=False)
            for entry in self._cache.named_after(REPLICA_SETS, owner.key)
            if entry.key.name not in names
        }
        return tuple(sorted(mine, key=lambda one: (one.created_at, one.name))), others

    def _analysis_runs(self, owner: Entry) -> tuple[AnalysisRun, ...] | Unreadable:
        why = self.unreadable(ANALYSIS_RUNS)
        if why is not None:
            return Unreadable(why=why)
        runs = [entry.parsed("run", _run)[0] for entry in self._cache.owned(ANALYSIS_RUNS, owner.uid)]
        return tuple(sorted(runs, key=lambda run: (run.meta.creation_timestamp or BEGINNING, run.meta.name)))

    def _run_names_taken(self, owner: Entry, versions: Iterable[ReplicaSet]) -> frozenset[str]:
        """Runs named as the runs of our versions would be, that somebody else controls."""
        stems: set[str] = set()
        for version in versions:
            stems |= {version.name, f"{version.name}-{version.annotations.get(REVISION, '')}"}
        return self._taken(ANALYSIS_RUNS, owner, stems)

    def _experiments(self, owner: Entry) -> tuple[Experiment, ...] | Unreadable:
        why = self.unreadable(EXPERIMENTS)
        if why is not None:
            return Unreadable(why=why)
        found = [entry.parsed("experiment", _experiment) for entry in self._cache.owned(EXPERIMENTS, owner.uid)]
        return tuple(sorted(found, key=lambda each: (each.meta.creation_timestamp or BEGINNING, each.meta.name)))

    def _experiment_names_taken(self, owner: Entry, rollout: Rollout, versions: Iterable[ReplicaSet]) -> frozenset[str]:
        """Experiments named as those of our steps would be, that somebody else controls."""
        strategy = rollout.spec.strategy
        steps = strategy.steps if isinstance(strategy, CanaryStrategy) else ()
        places = [index for index, step in enumerate(steps) if isinstance(step, ExperimentStep)]
        revisions = [f"{version.name}-{version.annotations.get(REVISION, '')}" for version in versions if places]
        stems = [*revisions, *(f"{revision}-{index}" for revision in revisions for index in places)]
        return self._taken(EXPERIMENTS, owner, stems)

    def _taken(self, kind: Kind, owner: Entry, stems: Iterable[str]) -> frozenset[str]:
        """Names one word longer than these stems, of objects that this owner does not control."""
        mine = {entry.key for entry in self._cache.owned(kind, owner.uid)}
        alike = [entry.key for stem in stems for entry in self._cache.named_after(kind, Key(owner.key.namespace, stem))]
        return frozenset(key.name for key in alike if key not in mine)

    def _templates(self, owner: Entry) -> Mapping[TemplateRef, AnalysisTemplate | Unreadable]:
        found: dict[TemplateRef, AnalysisTemplate | Unreadable] = {}
        todo = list(named_templates(owner))
        seen: set[TemplateRef] = set()
        while todo:
            ref = todo.pop()
            if ref in seen:
                continue
            seen.add(ref)
            if len(seen) > TEMPLATES_MAX:
                found[ref] = Unreadable(why=f"more than {TEMPLATES_MAX} templates are named, also by each other")
                continue
            kind, key = template_at(ref, owner.key.namespace)
            why = self.unreadable(kind)
            entry = self._cache.get(kind, key)
            if why is not None:
                found[ref] = Unreadable(why=why)
            elif entry is not None:
                found[ref] = entry.parsed("template", _template)
                todo.extend(named_templates(entry))
        return found


def service_of(entry: Entry) -> Service:
    """A Service as a decision needs it."""
    return Service(
        name=entry.key.name,
        resource_version=entry.version,
        selector=mapping_at(entry.object, "spec", "selector"),
        annotations=mapping_at(entry.object, "metadata", "annotations"),
    )


def _run(entry: Entry) -> tuple[AnalysisRun, tuple[Problem, ...]]:
    parsed = parse.parse_analysis_run(entry.object)
    return parsed.value, tuple(problem for problem in parsed.problems if problem.path.startswith("spec"))


def _experiment(entry: Entry) -> Experiment:
    return parse.parse_experiment(entry.object).value


def _template(entry: Entry) -> AnalysisTemplate | Unreadable:
    parsed = parse.parse_analysis_template(entry.object)
    for problem in parsed.problems:
        if problem.path.startswith("spec"):
            return Unreadable(why=f"{entry.kind.name} {entry.key}: {problem.path}: {problem.message}")
    return parsed.value


def _claimed(entry: Entry, selector: Mapping[str, Any], *, is_owned: bool) -> ReplicaSet:
    seen = entry.parsed("replica_set", _replica_set)
    is_selected = selectors.matches(selector, seen.labels)
    if (seen.is_owned, seen.is_selected) == (is_owned, is_selected):
        return seen
    return dataclasses.replace(seen, is_owned=is_owned, is_selected=is_selected)


def _replica_set(entry: Entry) -> ReplicaSet:
    meta, spec, status = metadata(entry.object), mapping_at(entry.object, "spec"), mapping_at(entry.object, "status")
    return ReplicaSet(
        name=entry.key.name,
        uid=entry.uid,
        resource_version=entry.version,
        created_at=timestamps.parse(str(meta.get("creationTimestamp", ""))) or BEGINNING,
        is_deleting=entry.is_deleting,
        is_owned=True,
        is_selected=True,
        owners=tuple(owner for owner in meta.get("ownerReferences") or () if isinstance(owner, Mapping)),
        labels=mapping_at(meta, "labels"),
        annotations=mapping_at(meta, "annotations"),
        template=mapping_at(spec, "template"),
        generation=_count(meta, "generation"),
        observed_generation=_count(status, "observedGeneration"),
        min_ready_seconds=_count(spec, "minReadySeconds"),
        wanted=_count(spec, "replicas", default=1),
        current=_count(status, "replicas"),
        ready=_count(status, "readyReplicas"),
        available=_count(status, "availableReplicas"),
        failure=_true_condition(status, "ReplicaFailure"),
    )


def pods_of(listed: Iterable[Json]) -> tuple[Pod, ...]:
    """Pods as the core sees them, from a list of the API server's."""
    return tuple(
        _pod(each) for each in listed if mapping_at(each, "status").get("phase") not in ("Succeeded", "Failed")
    )


def _pod(stored: Json) -> Pod:
    meta, status = metadata(stored), mapping_at(stored, "status")
    owner: Json = next((each for each in meta.get("ownerReferences") or () if each.get("controller")), {})
    return Pod(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        created_at=timestamps.parse(str(meta.get("creationTimestamp", ""))) or BEGINNING,
        is_deleting=bool(meta.get("deletionTimestamp")),
        is_available=_true_condition(status, "Ready") is not None,
        replica_set_uid=str(owner.get("uid", "")),
        labels=mapping_at(meta, "labels"),
        annotations=mapping_at(meta, "annotations"),
    )


def _count(value: Json, name: str, *, default: int = 0) -> int:
    member = value.get(name)
    return member if isinstance(member, int) else default


def _true_condition(status: Json, kind: str) -> Json | None:
    conditions = status.get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind and each.get("status") == "True"), None)
