"""Rollout status: what the controller tells the world, and the few fields that people patch into it.

Field names and meanings are those existing clients read. Members no attribute claims survive in `extra`, flat at the
top level: our additions, and what a newer version may have written. How each field is computed is the core's business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from rollouts.api import codec
from rollouts.api.conditions import Condition
from rollouts.api.fields import Doc, Rest


class RolloutPhase(StrEnum):
    """The one-word summary that clients show."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"


class PauseReason(StrEnum):
    """Why the controller holds a rollout."""

    INCONCLUSIVE_ANALYSIS_RUN = "InconclusiveAnalysisRun"
    INCONCLUSIVE_EXPERIMENT = "InconclusiveExperiment"
    CANARY_PAUSE_STEP = "CanaryPauseStep"
    BLUE_GREEN_PAUSE = "BlueGreenPause"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseCondition:
    """One reason to hold, and since when."""

    reason: Annotated[str, Doc("Why the rollout is held.", required=True)] = ""
    start_time: Annotated[datetime | None, Doc("Since when.", required=True)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRunRef:
    """The analysis run a rollout currently looks at."""

    name: Annotated[str, Doc("Name of the AnalysisRun.", required=True)] = ""
    status: Annotated[str, Doc("Its phase.", required=True)] = ""
    message: Annotated[str, Doc("Its message.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDestination:
    """A share of traffic and where it goes."""

    weight: Annotated[int, Doc("Share of the maximum weight.", required=True)] = 0
    service_name: Annotated[str, Doc("Service that receives it.")] = ""
    pod_template_hash: Annotated[str, Doc("Version that receives it.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficWeights:
    """How traffic is split; `verified` is None where the router cannot tell."""

    canary: Annotated[WeightDestination, Doc("The new version.", required=True)] = WeightDestination()
    stable: Annotated[WeightDestination, Doc("The stable version.", required=True)] = WeightDestination()
    additional: Annotated[tuple[WeightDestination, ...], Doc("Versions run by experiments.")] = ()
    verified: Annotated[bool | None, Doc("Whether the router confirmed the weights.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPluginStatus:
    """Where one step plugin stands; `backoff` is a Go duration, `status` belongs to the plugin."""

    index: Annotated[int, Doc("Index of the step.", required=True)] = 0
    name: Annotated[str, Doc("Name of the plugin.", required=True)] = ""
    operation: Annotated[str, Doc("Run, Terminate or Abort.", required=True)] = ""
    phase: Annotated[str, Doc("Running, Successful, Failed or Error.")] = ""
    message: Annotated[str, Doc("What the plugin says.")] = ""
    started_at: Annotated[datetime | None, Doc("When the operation began.")] = None
    updated_at: Annotated[datetime | None, Doc("When the plugin was last asked.")] = None
    finished_at: Annotated[datetime | None, Doc("When the operation ended.")] = None
    backoff: Annotated[str, Doc("Time until the plugin is asked again, as 30s.")] = ""
    executions: Annotated[int | None, Doc("How often the plugin was asked.")] = None
    disabled: Annotated[bool, Doc("Whether the plugin is switched off.")] = False
    status: Annotated[Any, Doc("The plugin's own notes.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStatus:
    """What only canaries have."""

    weights: Annotated[TrafficWeights | None, Doc("How traffic is split.")] = None
    current_step_analysis_run_status: Annotated[AnalysisRunRef | None, Doc("Run of the current step.")] = None
    current_background_analysis_run_status: Annotated[AnalysisRunRef | None, Doc("Run beside the steps.")] = None
    current_experiment: Annotated[str, Doc("Experiment of the current step.")] = ""
    stable_ping_pong: Annotated[str, Doc("Which Service is stable, ping or pong (default pong when empty).")] = ""
    step_plugin_statuses: Annotated[tuple[StepPluginStatus, ...], Doc("Per step plugin.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreenStatus:
    """What only blue-green rollouts have."""

    active_selector: Annotated[str, Doc("Version the active Service reaches.")] = ""
    preview_selector: Annotated[str, Doc("Version the preview Service reaches.")] = ""
    scale_up_preview_check_point: Annotated[bool, Doc("Whether preview was ready and may grow to full size.")] = False
    pre_promotion_analysis_run_status: Annotated[AnalysisRunRef | None, Doc("Run before the switch.")] = None
    post_promotion_analysis_run_status: Annotated[AnalysisRunRef | None, Doc("Run after the switch.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDuration:
    """How long an update took, and how it ended."""

    rollout_started_at: Annotated[datetime | None, Doc("When the update began.")] = None
    manual_pause_started_at: Annotated[datetime | None, Doc("Since when it waits for a person.")] = None
    total_manual_pause_duration_seconds: Annotated[int, Doc("Seconds it waited for people.")] = 0
    finished_at: Annotated[datetime | None, Doc("When it ended.")] = None
    completion_status: Annotated[
        str, Doc("Promoted, FastPromoted, Aborted, Superseded, RolledBack or FastRolledBack.")
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbRecord:
    """One verb that was asked for by annotation, and what came of it."""

    verb: Annotated[str, Doc("promote, abort, retry, pause, resume or restart.", required=True)] = ""
    value: Annotated[str, Doc("The annotation's value: keyword, guard and reason.", required=True)] = ""
    outcome: Annotated[str, Doc("Accepted, Done or Refused.", required=True)] = ""
    message: Annotated[str, Doc("What was done, or why it was refused.")] = ""
    requested_by: Annotated[str, Doc("Field manager that wrote the annotation.")] = ""
    requested_at: Annotated[datetime | None, Doc("When the annotation was written.")] = None
    at: Annotated[datetime | None, Doc("When the controller answered.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsResource:
    """An AWS resource by name."""

    name: Annotated[str, Doc("Name.", required=True)] = ""
    arn: Annotated[str, Doc("Amazon resource name.", required=True)] = ""
    full_name: Annotated[str, Doc("Name as metrics use it.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbStatus:
    """Load balancer and target groups behind one ingress."""

    ingress: Annotated[str, Doc("Name of the Ingress.")] = ""
    load_balancer: Annotated[AwsResource | None, Doc("The load balancer.")] = None
    canary_target_group: Annotated[AwsResource | None, Doc("Target group of the canary.")] = None
    stable_target_group: Annotated[AwsResource | None, Doc("Target group of the stable version.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """Status of a Rollout. Counts are pods; `observed_generation` is text, as existing clients expect."""

    observed_generation: Annotated[str, Doc("Generation of the spec this status answers.")] = ""
    workload_observed_generation: Annotated[str, Doc("Generation of the referenced workload.")] = ""
    current_pod_hash: Annotated[str, Doc("Hash of the version the spec asks for.")] = ""
    stable_rs: Annotated[str, Doc("Hash of the version that was last promoted.", name="stableRS")] = ""
    current_step_hash: Annotated[str, Doc("Hash of the steps.")] = ""
    current_step_index: Annotated[int | None, Doc("Index of the current step; the number of steps when done.")] = None
    replicas: Annotated[int, Doc("Pods of all versions.")] = 0
    updated_replicas: Annotated[int, Doc("Pods of the version the spec asks for.")] = 0
    ready_replicas: Annotated[int, Doc("Pods that are ready.")] = 0
    available_replicas: Annotated[int, Doc("Pods that are available.")] = 0
    hpa_replicas: Annotated[int, Doc("Pods that an autoscaler should count.", name="HPAReplicas")] = 0
    selector: Annotated[str, Doc("Selects the pods that an autoscaler should count.")] = ""
    collision_count: Annotated[int | None, Doc("Name collisions met so far.")] = None
    conditions: Annotated[tuple[Condition, ...], Doc("Observations in the common form.")] = ()
    phase: Annotated[str, Doc("Healthy, Progressing, Paused or Degraded.")] = ""
    message: Annotated[str, Doc("Why the phase is as it is.")] = ""
    pause_conditions: Annotated[tuple[PauseCondition, ...], Doc("Why the controller holds the rollout.")] = ()
    controller_pause: Annotated[bool, Doc("Whether the controller paused; true without conditions means resumed.")] = (
        False
    )
    abort: Annotated[bool, Doc("Whether the update is aborted.")] = False
    aborted_at: Annotated[datetime | None, Doc("When the abort was first seen.")] = None
    promote_full: Annotated[bool, Doc("Whether to skip what remains and promote.")] = False
    restarted_at: Annotated[datetime | None, Doc("The last restart that is complete.")] = None
    canary: Annotated[CanaryStatus, Doc("What only canaries have.")] = CanaryStatus()
    blue_green: Annotated[BlueGreenStatus, Doc("What only blue-green rollouts have.")] = BlueGreenStatus()
    alb: Annotated[AlbStatus | None, Doc("The load balancer behind the ingress.")] = None
    albs: Annotated[tuple[AlbStatus, ...], Doc("The load balancers behind several ingresses.")] = ()
    duration: Annotated[RolloutDuration | None, Doc("How long the update takes.")] = None
    verbs: Annotated[tuple[VerbRecord, ...], Doc("The latest verbs asked for by annotation, oldest first.")] = ()
    extra: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a status; members that cannot be read are left out."""
        return codec.decode(cls, value, []).readable()

    def readable(self) -> Self:
        """The status without conditions of no type: someone's slip, which the API server would not take back."""
        return dataclasses.replace(self, conditions=tuple(each for each in self.conditions if each.type))

    def to_json(self) -> dict[str, Any]:
        """The status as the API server stores it: empty members left out, numbers always present."""
        return codec.encode(self)
