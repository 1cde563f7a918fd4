"""One moment of the world, as the core sees it: plain values, parsed once, made by the shell from its caches.

What could not be read is `Unreadable`, never an empty list: an empty list is a fact that a decision may lean on.
Reading caches and parsing live objects does not belong here: runtime/snapshot.py does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rollouts.api.analysis import AnalysisRun, AnalysisTemplate, TemplateRef
from rollouts.api.codec import Problem
from rollouts.api.experiment import Experiment
from rollouts.api.findings import Finding
from rollouts.api.rollout import Rollout
from rollouts.ports import Operation, StepAnswer, TrafficSeen, Unknown

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something that exists or not: we could not find out. `why` is a sentence for people."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbOwner:
    """Who wrote an annotation of ours, from metadata.managedFields.

    `is_applied`: it came by an apply, so it can come again.
    """

    manager: str
    at: datetime | None
    is_applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSet:
    """A ReplicaSet as a decision needs it. Counts are pods; `template` is spec.template as stored."""

    name: str
    uid: str
    resource_version: str
    created_at: datetime
    is_deleting: bool
    is_owned: bool
    """Controlled by this Rollout. False: an orphan that matches the selector, which may be adopted."""
    is_selected: bool
    """Its labels match the Rollout's selector."""
    owners: tuple[Json, ...] = ()
    """metadata.ownerReferences, as stored."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    template: Json
    generation: int
    observed_generation: int
    min_ready_seconds: int
    wanted: int
    """spec.replicas"""
    current: int
    """status.replicas"""
    ready: int
    available: int
    failure: Json | None
    """The ReplicaFailure condition, as stored, while it is True."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod of the Rollout; listed only while a decision needs it (see `decide.wants_pods`)."""

    name: str
    uid: str
    created_at: datetime
    is_deleting: bool
    is_available: bool
    replica_set_uid: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service that the strategy names."""

    name: str
    resource_version: str
    selector: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The Rollout whose name a Service carries: the Services that its spec names, whether that spec is the one acted on
    by now, and whose it is among several controllers."""

    services: frozenset[str]
    is_acted_on: bool
    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldService:
    """Everything `release` may know about a Service that carries a Rollout's name."""

    service: Service
    holder: Holder | None
    """None: that Rollout does not exist."""
    instance_id: str = ""
    """The controller's --instance-id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What spec.workloadRef names. Its template and selector are in the Rollout already; this is the rest of it."""

    kind: str
    name: str
    resource_version: str
    generation: int
    wanted: int
    """spec.replicas; 0 for a PodTemplate."""
    ready: int
    """status.readyReplicas"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswerSeen:
    """What came of a `RunStepPlugin`. `error` set: nothing is known by it, and the other fields say nothing."""

    key: str
    operation: Operation
    ordinal: int
    at: datetime
    answer: StepAnswer | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything `decide` may know about one Rollout."""

    rollout: Rollout
    problems: tuple[Finding, ...]
    """What is wrong with the spec, worst first; empty when it is valid."""
    replica_sets: tuple[ReplicaSet, ...]
    """Owned ones and orphans that match the selector, oldest first."""
    names_taken: Mapping[str, ReplicaSet] = field(default_factory=dict)
    """ReplicaSets of other owners (or not matching) that hold a name we would derive."""
    analysis_runs: tuple[AnalysisRun, ...] | Unreadable = ()
    """Runs owned by this Rollout, oldest first."""
    run_names_taken: frozenset[str] = frozenset()
    """Names of runs of other owners that we would derive; as of a Rollout that was deleted and made again."""
    experiments: tuple[Experiment, ...] | Unreadable = ()
    """Experiments owned by this Rollout, oldest first."""
    experiment_names_taken: frozenset[str] = frozenset()
    """Names of Experiments of other owners that we would derive."""
    templates: Mapping[TemplateRef, AnalysisTemplate | Unreadable] = field(default_factory=dict)
    """The templates that the spec names, directly or through other templates.

    A key that is missing: it does not exist.
    """
    services: Mapping[str, Service | Unreadable] = field(default_factory=dict)
    """The Services that the strategy names, by name. A key that is missing: it does not exist."""
    routes: Mapping[str, TrafficSeen | Unknown] = field(default_factory=dict)
    """What each router of the strategy says is in force, by the router's name, in the order they are applied."""
    routers_unserved: frozenset[str] = frozenset()
    """Routers that the strategy names and this controller has no code for."""
    route_problems: tuple[Finding, ...] = ()
    """What the routers find wrong with their sections and with the users' objects."""
    workload: Workload | None = None
    """What spec.workloadRef names, when there is such a reference and it could be resolved."""
    step_plugins: Mapping[str, str] = field(default_factory=dict)
    """Step plugins that are installed, by name, and why one cannot be used; empty: it can, as far as is known."""
    step_answers: tuple[StepAnswerSeen, ...] = ()
    """Answers of step plugins that are not yet in the status."""
    pods: tuple[Pod, ...] | Unreadable | None = None
    """None: not read, because nothing needs them (see `decide.wants_pods`)."""
    verb_owners: Mapping[str, VerbOwner] = field(default_factory=dict)
    """By annotation key, for annotations under rollouts.io/."""
    keeps_verbs: bool = True
    """The installed CRD keeps status.verbs. Without that record a verb could act twice, so verbs are then refused."""
    instance_id: str = ""
    """The controller's --instance-id; copied to the runs we create."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSeen:
    """What a provider answered to a `Measure`. `error` set: it failed, and the other fields say nothing."""

    metric: str
    ordinal: int
    started_at: datetime
    finished_at: datetime
    value: Any = None
    """The result as conditions see it: float, list of floats, string, mapping, None."""
    text: str = ""
    """The value as it is shown and stored."""
    error: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The provider's notes about this answer."""
    about: Mapping[str, str] = field(default_factory=dict)
    """The provider's notes about the metric; the same for all its answers."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Secret values used for the query: replaced by ***** wherever they would appear in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """Everything `decide_run` may know about one AnalysisRun."""

    run: AnalysisRun
    problems: tuple[Problem, ...]
    readings: tuple[ReadingSeen, ...]
    """Answers that are not yet in the run's status."""
    in_flight: frozenset[tuple[str, int]]
    """(metric, ordinal) of queries that were sent and not yet answered."""
