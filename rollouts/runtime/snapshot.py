"""From the caches to what the core sees: one consistent moment per key, parsed once per version of each object.

Nothing here awaits, so a snapshot and the decision made on it see the same moment. What a cache cannot say is
Unreadable, with the reason. Rules of rollouts do not belong here; the only judgement made is whose an object is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rollouts.api import parse, validate
from rollouts.api.analysis import AnalysisRun, AnalysisTemplate, TemplateRef
from rollouts.api.codec import Problem
from rollouts.api.findings import Finding
from rollouts.api.rollout import Rollout
from rollouts.core.naming import REVISION
from rollouts.core.observed import Pod, ReplicaSet, RunSeen, Seen, Unreadable
from rollouts.kube.errors import Unreachable
from rollouts.kube.kinds import ANALYSIS_RUNS, REPLICA_SETS, ROLLOUTS, Key, Kind
from rollouts.lib import selectors, timestamps
from rollouts.runtime.cache import Cache, Entry, Json, metadata
from rollouts.runtime.readings import Readings
from rollouts.runtime.triggers import NESTING_MAX, named_templates, template_at

BEGINNING = datetime.fromtimestamp(0, UTC)


class Snapshots:
    """Makes what the core sees of a key out of the cache."""

    def __init__(
        self,
        cache: Cache,
        readings: Readings,
        *,
        unreadable: Callable[[Kind], str | None],
        keeps_verbs: Callable[[], bool],
        instance_id: str,
    ) -> None:
        self._cache = cache
        self._readings = readings
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

    def parsed_rollout(self, key: Key) -> Rollout | None:
        """The Rollout alone, to find out what else must be read; None: it is gone."""
        entry = self._cache.get(ROLLOUTS, key)
        return None if entry is None else entry.parsed("rollout", _rollout)[0]

    def rollout(self, key: Key, *, pods: tuple[Pod, ...] | Unreadable | None = None) -> Seen | None:
        """The Rollout and all that concerns it; None: it is gone."""
        entry = self._cache.get(ROLLOUTS, key)
        if entry is None:
            return None
        rollout, problems = entry.parsed("rollout", _rollout)
        mine, others = self._replica_sets(entry, rollout)
        return Seen(
            rollout=rollout,
            problems=problems,
            replica_sets=mine,
            names_taken=others,
            analysis_runs=self._analysis_runs(entry),
            run_names_taken=self._run_names_taken(entry, mine),
            templates=self._templates(entry),
            pods=pods,
            verb_owners=entry.verb_owners,
            keeps_verbs=self._keeps_verbs(),
            instance_id=self._instance_id,
        )

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
        mine = {entry.key for entry in self._cache.owned(ANALYSIS_RUNS, owner.uid)}
        stems: set[str] = set()
        for version in versions:
            stems |= {version.name, f"{version.name}-{version.annotations.get(REVISION, '')}"}
        alike = [
            entry.key
            for stem in stems
            for entry in self._cache.named_after(ANALYSIS_RUNS, Key(owner.key.namespace, stem))
        ]
        return frozenset(key.name for key in alike if key not in mine)

    def _templates(self, owner: Entry) -> Mapping[TemplateRef, AnalysisTemplate | Unreadable]:
        found: dict[TemplateRef, AnalysisTemplate | Unreadable] = {}
        todo = list(named_templates(owner))
        seen: set[TemplateRef] = set()
        while todo and len(seen) < NESTING_MAX:
            ref = todo.pop()
            if ref in seen:
                continue
            seen.add(ref)
            kind, key = template_at(ref, owner.key.namespace)
            why = self.unreadable(kind)
            entry = self._cache.get(kind, key)
            if why is not None:
                found[ref] = Unreadable(why=why)
            elif entry is not None:
                found[ref] = entry.parsed("template", _template)
                todo.extend(named_templates(entry))
        return found


def _rollout(entry: Entry) -> tuple[Rollout, tuple[Finding, ...]]:
    parsed = parse.parse_rollout(entry.object)
    return parsed.value, validate.validate(parsed)


def _run(entry: Entry) -> tuple[AnalysisRun, tuple[Problem, ...]]:
    parsed = parse.parse_analysis_run(entry.object)
    return parsed.value, tuple(problem for problem in parsed.problems if problem.path.startswith("spec"))


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
    meta, spec, status = metadata(entry.object), _mapping(entry.object, "spec"), _mapping(entry.object, "status")
    return ReplicaSet(
        name=entry.key.name,
        uid=entry.uid,
        resource_version=entry.version,
        created_at=timestamps.parse(str(meta.get("creationTimestamp", ""))) or BEGINNING,
        is_deleting=entry.is_deleting,
        is_owned=True,
        is_selected=True,
        owners=tuple(owner for owner in meta.get("ownerReferences") or () if isinstance(owner, Mapping)),
        labels=_mapping(meta, "labels"),
        annotations=_mapping(meta, "annotations"),
        template=_mapping(spec, "template"),
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
    return tuple(_pod(each) for each in listed if _mapping(each, "status").get("phase") not in ("Succeeded", "Failed"))


def _pod(stored: Json) -> Pod:
    meta, status = metadata(stored), _mapping(stored, "status")
    owner: Json = next((each for each in meta.get("ownerReferences") or () if each.get("controller")), {})
    return Pod(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        created_at=timestamps.parse(str(meta.get("creationTimestamp", ""))) or BEGINNING,
        is_deleting=bool(meta.get("deletionTimestamp")),
        is_available=_true_condition(status, "Ready") is not None,
        replica_set_uid=str(owner.get("uid", "")),
    )


def _mapping(value: Json, name: str) -> Json:
    member = value.get(name)
    return member if isinstance(member, Mapping) else {}


def _count(value: Json, name: str, *, default: int = 0) -> int:
    member = value.get(name)
    return member if isinstance(member, int) else default


def _true_condition(status: Json, kind: str) -> Json | None:
    conditions = status.get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind and each.get("status") == "True"), None)
