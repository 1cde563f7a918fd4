"""Rollout: what users ask for. Every field of the spec, typed once; what it means is the core's business.

Optional fields are None when the user left them out: whether "unset" differs from the default is a rule, so
defaults are applied where the rule is. The constants below are those that several rules share.
Pod templates and label selectors stay raw mappings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from rollouts.api.analysis import AnalysisArgument, DryRun, MeasurementRetention, TemplateRef
from rollouts.api.experiment import ExperimentAnalysis, TemplateService
from rollouts.api.fields import Doc, Inline, Seconds, Tagged
from rollouts.api.meta import MetadataPatch, ObjectMeta
from rollouts.api.status import RolloutStatus
from rollouts.api.traffic import HeaderRoutingMatch, RouteMatch, TrafficRouting
from rollouts.lib.intstr import IntOrPercent

DEFAULT_REPLICAS = 1
DEFAULT_REVISION_HISTORY_LIMIT = 10
DEFAULT_PROGRESS_DEADLINE_SECONDS = 600
DEFAULT_RUN_HISTORY_LIMIT = 5
DEFAULT_MAX_SURGE = IntOrPercent("25%")
DEFAULT_MAX_UNAVAILABLE = IntOrPercent("25%")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutAnalysis:
    """An analysis that belongs to a rollout: templates, and the arguments it passes to them."""

    templates: Annotated[tuple[TemplateRef, ...], Doc("Templates whose metrics are measured together.")] = ()
    args: Annotated[tuple[AnalysisArgument, ...], Doc("Arguments for the templates.")] = ()
    dry_run: Annotated[tuple[DryRun, ...], Doc("Metrics that are measured but do not count.")] = ()
    measurement_retention: Annotated[tuple[MeasurementRetention, ...], Doc("How many measurements to keep.")] = ()
    analysis_run_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations for the run.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundAnalysis(RolloutAnalysis):
    """An analysis that runs beside the steps, from `starting_step` (an index; the first when unset) to the end."""

    starting_step: Annotated[int | None, Doc("Index of the step to start at (default 0).")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWeight:
    """Send this much traffic to the canary: 0 to the maximum weight."""

    weight: Annotated[
        int, Inline(), Doc("Share of traffic for the new version, in percent unless maxTrafficWeight is set.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait for a time, or for a person. `duration` is in seconds; None means a person, -1 one that cannot be read."""

    duration: Annotated[
        int | None,
        Seconds(numbers=True, fallback=-1),
        Doc("How long, as 600, 10m or 1h30m; without it, until resumed."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStep:
    """Run an analysis and wait for its verdict."""

    analysis: Annotated[RolloutAnalysis, Inline(), Doc("Run an analysis and wait for its verdict.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExperimentTemplate:
    """One version that an experiment step runs, taken from the rollout's stable or canary pods."""

    name: Annotated[str, Doc("Unique name of the template.", required=True)] = ""
    spec_ref: Annotated[str, Doc("Which pods to run.", required=True, schema={"enum": ["canary", "stable"]})] = ""
    replicas: Annotated[int | None, Doc("Number of pods; 1 when unset.")] = None
    metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations added to the pods.")] = None
    selector: Annotated[Mapping[str, Any] | None, Doc("Replaces the selector of the pods.")] = None
    weight: Annotated[int | None, Doc("Share of traffic for this version.")] = None
    service: Annotated[TemplateService | None, Doc("Makes a Service that reaches the pods.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStep:
    """Run an Experiment and wait for its verdict. `duration` is in seconds."""

    templates: Annotated[tuple[StepExperimentTemplate, ...], Doc("The versions to run.", required=True)] = ()
    duration: Annotated[int | None, Seconds(), Doc("How long to run, as 10m.")] = None
    analyses: Annotated[tuple[ExperimentAnalysis, ...], Doc("Analyses to run over it.")] = ()
    dry_run: Annotated[tuple[DryRun, ...], Doc("Metrics that are measured but do not count.")] = ()
    analysis_run_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations for the runs.")] = None
    scale_down_delay_seconds: Annotated[int | None, Doc("Seconds to keep pods after the end (default 30).")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCanaryScale:
    """Size the canary apart from its traffic, from this step on. Of several members the last one counts."""

    weight: Annotated[int | None, Doc("Share of spec.replicas, in percent.")] = None
    replicas: Annotated[int | None, Doc("Number of pods.")] = None
    match_traffic_weight: Annotated[bool, Doc("Back to the size that fits the traffic.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHeaderRoute:
    """Send requests with these headers to the canary; no match removes the route."""

    name: Annotated[str, Doc("One of managedRoutes.")] = ""
    match: Annotated[tuple[HeaderRoutingMatch, ...], Doc("Headers; all must match.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMirrorRoute:
    """Copy matching requests to the canary and drop its answers; no match removes the route."""

    name: Annotated[str, Doc("One of managedRoutes.", required=True)] = ""
    match: Annotated[tuple[RouteMatch, ...], Doc("Requests to copy; any may match.")] = ()
    percentage: Annotated[int | None, Doc("Share of matching requests to copy (default 100).")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginStep:
    """Run a step plugin with a configuration of its own; any JSON value."""

    name: Annotated[str, Doc("Name of the plugin.", required=True)] = ""
    config: Annotated[Any, Doc("Configuration for the plugin.")] = None


Step = SetWeight | Pause | ExperimentStep | AnalysisStep | SetCanaryScale | SetHeaderRoute | SetMirrorRoute | PluginStep

STEP_KINDS: Mapping[str, type] = {
    "setWeight": SetWeight,
    "pause": Pause,
    "experiment": ExperimentStep,
    "analysis": AnalysisStep,
    "setCanaryScale": SetCanaryScale,
    "setHeaderRoute": SetHeaderRoute,
    "setMirrorRoute": SetMirrorRoute,
    "plugin": PluginStep,
}

STEP_LEADS = ("setWeight", "pause", "experiment", "analysis", "plugin", "setCanaryScale", "setHeaderRoute")
"""Which member a step that has several is read as: the one it waits for. At most one of the first five is valid.

The others (a canary size, routes) need trafficRouting; they stay in `Rollout.raw`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredAntiAffinity:
    """Prefer nodes without pods of the other version, this strongly (1 to 100)."""

    weight: Annotated[int, Doc("Strength of the preference, 1 to 100.", required=True)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AntiAffinity:
    """Keep the new version off the nodes of the old one; exactly one member is set."""

    required_during_scheduling_ignored_during_execution: Annotated[
        Mapping[str, Any] | None, Doc("Never share a node.")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        PreferredAntiAffinity | None, Doc("Share a node only when there is no other.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingPong:
    """Two Services that take the roles of stable and canary in turn."""

    ping_service: Annotated[str, Doc("Name of one Service.", required=True)] = ""
    pong_service: Annotated[str, Doc("Name of the other.", required=True)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaProgressThreshold:
    """How much of the canary must be available for a step to be complete."""

    type: Annotated[str, Doc("Unit of value.", required=True, schema={"enum": ["Percent", "Pods"]})] = "Percent"
    value: Annotated[int, Doc("Percent of the wanted pods, or pods.", required=True)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStrategy:
    """Shift to the new version step by step. Seconds are None when unset, which may differ from the default."""

    canary_service: Annotated[str, Doc("Service that reaches only the new version.")] = ""
    stable_service: Annotated[str, Doc("Service that reaches only the stable version.")] = ""
    steps: Annotated[
        tuple[Step, ...],
        Tagged(STEP_KINDS, unreadable=Pause, leading=STEP_LEADS),
        Doc("What to do, in order; none means a rolling update."),
    ] = ()
    traffic_routing: Annotated[TrafficRouting | None, Doc("Splits traffic exactly, by a mesh or ingress.")] = None
    max_surge: Annotated[IntOrPercent | None, Doc("Pods above spec.replicas during an update (default 25%).")] = None
    max_unavailable: Annotated[IntOrPercent | None, Doc("Pods below spec.replicas during an update (default 25%).")] = (
        None
    )
    analysis: Annotated[BackgroundAnalysis | None, Doc("Analysis that runs beside the steps.")] = None
    scale_down_delay_seconds: Annotated[
        int | None, Doc("Seconds to keep the old version after promotion (default 30); needs trafficRouting.")
    ] = None
    scale_down_delay_revision_limit: Annotated[
        int | None, Doc("How many old versions may wait for their delay at once.")
    ] = None
    abort_scale_down_delay_seconds: Annotated[
        int | None, Doc("Seconds to keep the canary after an abort (default 30); 0 keeps it; needs trafficRouting.")
    ] = None
    dynamic_stable_scale: Annotated[bool, Doc("Shrinks the stable version as traffic leaves it.")] = False
    min_pods_per_replica_set: Annotated[int | None, Doc("Fewest pods of a version that has any.")] = None
    replica_progress_threshold: Annotated[
        ReplicaProgressThreshold | None, Doc("How much of the canary must be available to go on (default all of it).")
    ] = None
    ping_pong: Annotated[
        PingPong | None, Doc("Two Services that take turns instead of the canary and stable ones.")
    ] = None
    canary_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations of pods while they are canary.")] = (
        None
    )
    stable_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations of pods while they are stable.")] = (
        None
    )
    anti_affinity: Annotated[AntiAffinity | None, Doc("Keeps canary pods off the nodes of stable pods.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreenStrategy:
    """Bring the new version up beside the old one and switch at once."""

    active_service: Annotated[str, Doc("Service that users reach.", required=True)] = ""
    preview_service: Annotated[str, Doc("Service that reaches the new version before the switch.")] = ""
    preview_replica_count: Annotated[int | None, Doc("Pods of the new version until it is resumed.")] = None
    auto_promotion_enabled: Annotated[bool | None, Doc("Whether to switch without a person (default true).")] = None
    auto_promotion_seconds: Annotated[int | None, Doc("Seconds to wait before switching without a person.")] = None
    max_unavailable: Annotated[IntOrPercent | None, Doc("Pods that a restart may take down at once (default 25%).")] = (
        None
    )
    scale_down_delay_seconds: Annotated[
        int | None, Doc("Seconds to keep the old version after the switch (default 30).")
    ] = None
    scale_down_delay_revision_limit: Annotated[
        int | None, Doc("How many old versions may wait for their delay at once.")
    ] = None
    abort_scale_down_delay_seconds: Annotated[
        int | None, Doc("Seconds to keep the new version after an abort (default 30); 0 keeps it.")
    ] = None
    pre_promotion_analysis: Annotated[RolloutAnalysis | None, Doc("Must succeed before the switch.")] = None
    post_promotion_analysis: Annotated[RolloutAnalysis | None, Doc("Must succeed after it, or it is undone.")] = None
    preview_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations of pods in preview.")] = None
    active_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations of active pods.")] = None
    anti_affinity: Annotated[AntiAffinity | None, Doc("Keeps preview pods off the nodes of active pods.")] = None


Strategy = CanaryStrategy | BlueGreenStrategy

STRATEGY_KINDS: Mapping[str, type] = {"blueGreen": BlueGreenStrategy, "canary": CanaryStrategy}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRef:
    """A workload whose pod template the rollout uses instead of its own."""

    api_version: Annotated[str, Doc("API version of the workload.")] = ""
    kind: Annotated[str, Doc("Deployment, ReplicaSet or PodTemplate.")] = ""
    name: Annotated[str, Doc("Name of the workload.")] = ""
    scale_down: Annotated[str, Doc("When to scale the workload down: never, onsuccess or progressively.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackWindow:
    """How recent a revision must be for a rollback to skip steps."""

    revisions: Annotated[int | None, Doc("Number of revisions back.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRunStrategy:
    """How many finished runs and experiments to keep."""

    successful_run_history_limit: Annotated[int | None, Doc("Successful ones (default 5).")] = None
    unsuccessful_run_history_limit: Annotated[int | None, Doc("Failed, errored and inconclusive ones (default 5).")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSpec:
    """What the user asks for. `strategy` is None when the manifest names none, or two; then it is invalid."""

    replicas: Annotated[int | None, Doc("Desired number of pods (default 1).")] = None
    selector: Annotated[Mapping[str, Any] | None, Doc("Labels that select the pods; immutable.")] = None
    template: Annotated[Mapping[str, Any] | None, Doc("The pods to run.")] = None
    workload_ref: Annotated[WorkloadRef | None, Doc("Takes the pod template from this workload.")] = None
    min_ready_seconds: Annotated[int | None, Doc("Seconds a pod must be ready to count as available (default 0).")] = (
        None
    )
    rollback_window: Annotated[RollbackWindow | None, Doc("Rollbacks to recent revisions skip steps.")] = None
    strategy: Annotated[Strategy | None, Tagged(STRATEGY_KINDS), Doc("How to update: canary or blueGreen.")] = None
    revision_history_limit: Annotated[int | None, Doc("Old versions to keep for rollbacks (default 10).")] = None
    paused: Annotated[bool, Doc("Holds the rollout where it is.")] = False
    progress_deadline_seconds: Annotated[
        int | None, Doc("Seconds without progress until the rollout counts as degraded (default 600).")
    ] = None
    progress_deadline_abort: Annotated[bool, Doc("Aborts the update when the deadline passes.")] = False
    restart_at: Annotated[datetime | None, Doc("Restarts pods created before this time.")] = None
    analysis: Annotated[AnalysisRunStrategy | None, Doc("History of analysis runs and experiments.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A Rollout as the API server holds it; `raw` is the object the typed parts were read from."""

    meta: ObjectMeta
    spec: RolloutSpec
    status: RolloutStatus = field(default_factory=RolloutStatus)
    raw: Mapping[str, Any] = field(default_factory=dict)
