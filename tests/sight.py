"""What the controller sees of a played cluster: a copy that may lag behind, and the snapshot made of it.

It stands in for the caches and runtime/snapshot.py: an object is copied and parsed once per version, whose it is is
told by owner references, and an object of somebody else that holds a name of ours is seen as just that. An object
must change together with its resourceVersion, or nobody sees the change.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rollouts.api import parse, validate
from rollouts.api.analysis import AnalysisRun, AnalysisTemplate, TemplateRef
from rollouts.api.experiment import Experiment
from rollouts.api.findings import Finding
from rollouts.api.parse import Parsed
from rollouts.api.rollout import Rollout
from rollouts.core.observed import Pod, ReplicaSet, RunSeen, Seen, Unreadable, VerbOwner, Workload
from rollouts.lib import selectors, timestamps
from tests import roads
from tests.builders import NOON, Json
from tests.cluster import Cluster

KINDS = ("rollout", "replica_sets", "runs", "experiments", "services", "routes", "workloads")

T = TypeVar("T")


@dataclass
class Copy:
    """One version of an object, and what was made of it."""

    raw: Json
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """metadata.resourceVersion"""
        version: str = self.raw["metadata"].get("resourceVersion", "")
        return version

    def made(self, name: str, make: Callable[[Json], T]) -> T:
        """What `make` makes of this version; it is asked once."""
        if name not in self.memo:
            self.memo[name] = make(self.raw)
        value: T = self.memo[name]
        return value


class Sight:
    """The copy of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._templates: dict[int, tuple[Json, AnalysisTemplate | Unreadable]] = {}
        self.rollout: Copy
        self.replica_sets: dict[str, Copy] = {}
        self.runs: dict[str, Copy] = {}
        self.experiments: dict[str, Copy] = {}
        self.services: dict[str, Copy] = {}
        self.routes: dict[str, Copy] = {}
        self.workloads: dict[str, Copy] = {}
        self.deliver()

    def deliver(self, *kinds: str) -> None:
        """Catch up, with everything when no kind is named."""
        for kind in kinds or KINDS:
            match kind:
                case "rollout":
                    self.rollout = _copied(getattr(self, "rollout", None), self._cluster.rollout)
                case "replica_sets":
                    self.replica_sets = _all_copied(self.replica_sets, self._cluster.replica_sets)
                case "experiments":
                    self.experiments = _all_copied(self.experiments, self._cluster.experiments)
                case "services":
                    self.services = _all_copied(self.services, self._cluster.services)
                case "routes":
                    self.routes = _all_copied(self.routes, self._cluster.routes)
                case "workloads":
                    self.workloads = _all_copied(self.workloads, self._cluster.workloads)
                case _:
                    self.runs = _all_copied(self.runs, self._cluster.runs)

    def seen(
        self, *, templates: Iterable[Json], pods: tuple[Pod, ...] | None, verb_owners: dict[str, VerbOwner]
    ) -> Seen:
        """The snapshot that a decision about the Rollout gets."""
        rollout, problems = self._resolved()
        sets = [self._replica_set(copied) for copied in self.replica_sets.values()]
        ours = [rs for rs in sets if rs.is_owned or (rs.is_selected and not _controller(rs.owners))]
        return Seen(
            rollout=rollout,
            problems=problems,
            replica_sets=tuple(sorted(ours, key=lambda rs: (rs.created_at, rs.name))),
            names_taken={rs.name: rs for rs in sets if rs not in ours},
            analysis_runs=tuple(
                sorted(self._own_runs(), key=lambda run: (run.meta.creation_timestamp or NOON, run.meta.name))
            ),
            run_names_taken=frozenset(name for name in self.runs if not self.is_own(self.runs[name].raw)),
            experiments=tuple(sorted(self._own_experiments(), key=lambda each: each.meta.name)),
            experiment_names_taken=frozenset(
                name for name, copied in self.experiments.items() if not self.is_own(copied.raw)
            ),
            templates={_ref(raw): self._template(raw) for raw in templates},
            services={name: roads.service(copied.raw) for name, copied in self.services.items()},
            routes={
                name: roads.seen(copied.raw, rollout)
                for name, copied in self.routes.items()
                if name in roads.sections(self.rollout.raw)
            },
            route_problems=tuple(
                problem for copied in self.routes.values() for problem in roads.problems(copied.raw, rollout)
            ),
            workload=next((_workload(copied.raw) for copied in self.workloads.values()), None),
            pods=pods,
            verb_owners=dict(verb_owners),
        )

    def versions(self) -> tuple[Rollout, list[ReplicaSet]]:
        """The Rollout and the ReplicaSets it owns, as a decision is asked whether it needs pods."""
        sets = [self._replica_set(copied) for copied in self.replica_sets.values()]
        return self._resolved()[0], [rs for rs in sets if rs.is_owned]

    def run(self, name: str, readings: tuple[Any, ...]) -> RunSeen:
        """The snapshot that a decision about a run gets."""
        parsed = self.runs[name].made("run", parse.parse_analysis_run)
        problems = tuple(problem for problem in parsed.problems if problem.path.startswith("spec"))
        return RunSeen(run=parsed.value, problems=problems, readings=readings, in_flight=frozenset())

    def is_own(self, raw: Json) -> bool:
        """Whether the Rollout controls this object."""
        owner = _controller(raw["metadata"].get("ownerReferences", ()))
        return owner is not None and owner["uid"] == self.rollout.raw["metadata"]["uid"]

    def _own_runs(self) -> list[AnalysisRun]:
        own = (copied for copied in self.runs.values() if self.is_own(copied.raw))
        return [copied.made("run", parse.parse_analysis_run).value for copied in own]

    def _own_experiments(self) -> list[Experiment]:
        own = (copied for copied in self.experiments.values() if self.is_own(copied.raw))
        return [copied.made("experiment", parse.parse_experiment).value for copied in own]

    def _resolved(self) -> tuple[Rollout, tuple[Finding, ...]]:
        """The Rollout with the template and the selector of the Deployment it refers to, if it does."""
        copied = next(iter(self.workloads.values()), None)
        if copied is not None:
            spec: Json = copied.raw["spec"]
            return self.rollout.made(f"rollout with {copied.version}", lambda raw: _referring(raw, spec))
        return self.rollout.made("rollout", _rollout)

    def _replica_set(self, copied: Copy) -> ReplicaSet:
        selector = self._resolved()[0].spec.selector or {}
        return copied.made(
            f"replica set for {selector}",
            lambda raw: _replica_set(
                raw,
                is_owned=self.is_own(raw),
                is_selected=selectors.matches(selector, raw["metadata"].get("labels", {})),
            ),
        )

    def _template(self, raw: Json) -> AnalysisTemplate | Unreadable:
        known = self._templates.get(id(raw))
        if known is None:
            known = self._templates[id(raw)] = (raw, _template(parse.parse_analysis_template(raw)))
        return known[1]


def _copied(old: Copy | None, raw: Json) -> Copy:
    is_same = old is not None and old.version == raw["metadata"].get("resourceVersion", "")
    return old if old is not None and is_same else Copy(copy.deepcopy(raw))


def _all_copied(old: dict[str, Copy], stored: dict[str, Json]) -> dict[str, Copy]:
    return {name: _copied(old.get(name), raw) for name, raw in stored.items()}


def _rollout(raw: Json) -> tuple[Rollout, tuple[Finding, ...]]:
    parsed = parse.parse_rollout(raw)
    return parsed.value, validate.validate(parsed)


def _referring(raw: Json, workload: Json) -> tuple[Rollout, tuple[Finding, ...]]:
    parsed = parse.parse_rollout(raw)
    problems = validate.validate(parsed, resolved_template=workload["template"])
    spec = dataclasses.replace(parsed.value.spec, template=workload["template"], selector=workload["selector"])
    return dataclasses.replace(parsed.value, spec=spec), problems


def _workload(raw: Json) -> Workload:
    meta = raw["metadata"]
    return Workload(
        kind=raw["kind"],
        name=meta["name"],
        resource_version=meta["resourceVersion"],
        generation=meta["generation"],
        wanted=raw["spec"]["replicas"],
        ready=raw.get("status", {}).get("readyReplicas", 0),
    )


def _ref(raw: Json) -> TemplateRef:
    return TemplateRef(
        template_name=raw["metadata"]["name"], cluster_scope=raw.get("kind") == "ClusterAnalysisTemplate"
    )


def _template(parsed: Parsed[AnalysisTemplate]) -> AnalysisTemplate | Unreadable:
    bad = [problem for problem in parsed.problems if problem.path.startswith("spec")]
    return Unreadable(why=f"{bad[0].path}: {bad[0].message}") if bad else parsed.value


def _controller(owners: Iterable[Any]) -> Any:
    return next((owner for owner in owners if owner.get("controller")), None)


def _replica_set(raw: Json, *, is_owned: bool, is_selected: bool) -> ReplicaSet:
    meta, status = raw["metadata"], raw.get("status", {})
    created = timestamps.parse(meta["creationTimestamp"])
    assert created is not None
    return ReplicaSet(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        created_at=created,
        is_deleting=False,
        is_owned=is_owned,
        is_selected=is_selected,
        owners=tuple(meta.get("ownerReferences", ())),
        labels=meta.get("labels", {}),
        annotations=meta.get("annotations", {}),
        template=raw["spec"]["template"],
        generation=meta["generation"],
        observed_generation=status.get("observedGeneration", 0),
        min_ready_seconds=raw["spec"].get("minReadySeconds", 0),
        wanted=raw["spec"]["replicas"],
        current=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        failure=None,
    )
