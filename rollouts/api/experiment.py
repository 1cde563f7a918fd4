"""Experiment: several versions side by side for a while, with analyses over them. Spec and status only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from rollouts.api.analysis import AnalysisArgument, DryRun, MeasurementRetention
from rollouts.api.conditions import Condition
from rollouts.api.fields import Doc, Rest, Seconds
from rollouts.api.meta import MetadataPatch, ObjectMeta

DEFAULT_PROGRESS_DEADLINE_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateService:
    """A Service made for the pods of a template."""

    name: Annotated[str, Doc("Name of the Service; the ReplicaSet's name when unset.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentTemplate:
    """One version to run; `template` and `selector` stay raw."""

    name: Annotated[str, Doc("Unique name of the template.", required=True)] = ""
    replicas: Annotated[int | None, Doc("Number of pods; 1 when unset.")] = None
    min_ready_seconds: Annotated[int | None, Doc("Seconds a pod must be ready to count as available.")] = None
    selector: Annotated[Mapping[str, Any] | None, Doc("Labels that select the pods of this template.")] = None
    template: Annotated[Mapping[str, Any], Doc("The pods to run.")] = field(default_factory=dict)
    service: Annotated[TemplateService | None, Doc("Makes a Service that reaches the pods.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentAnalysis:
    """An analysis to run over the experiment."""

    name: Annotated[str, Doc("Unique name of the analysis.", required=True)] = ""
    template_name: Annotated[str, Doc("Name of the AnalysisTemplate.", required=True)] = ""
    cluster_scope: Annotated[bool, Doc("Whether the name means a ClusterAnalysisTemplate.")] = False
    args: Annotated[tuple[AnalysisArgument, ...], Doc("Arguments for the template.")] = ()
    required_for_completion: Annotated[bool, Doc("Whether the experiment ends when this analysis ends.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSpec:
    """What an experiment runs, for how long, and how it is judged."""

    templates: Annotated[tuple[ExperimentTemplate, ...], Doc("The versions to run side by side.")] = ()
    duration: Annotated[int | None, Seconds(), Doc("How long to run once all are available, as 10m.")] = None
    progress_deadline_seconds: Annotated[int | None, Doc("Seconds a template may take to get ready (default 600).")] = (
        None
    )
    terminate: Annotated[bool, Doc("Ends the experiment early.")] = False
    analyses: Annotated[tuple[ExperimentAnalysis, ...], Doc("Analyses to run over the experiment.")] = ()
    scale_down_delay_seconds: Annotated[int | None, Doc("Seconds to keep pods after the end (default 30).")] = None
    dry_run: Annotated[tuple[DryRun, ...], Doc("Metrics that are measured but do not count.")] = ()
    measurement_retention: Annotated[tuple[MeasurementRetention, ...], Doc("How many measurements to keep.")] = ()
    analysis_run_metadata: Annotated[MetadataPatch | None, Doc("Labels and annotations for the runs.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatus:
    """Where one template of an experiment stands."""

    name: Annotated[str, Doc("Name of the template.", required=True)] = ""
    replicas: Annotated[int, Doc("Pods that exist.")] = 0
    updated_replicas: Annotated[int, Doc("Pods that run this template.")] = 0
    ready_replicas: Annotated[int, Doc("Pods that are ready.")] = 0
    available_replicas: Annotated[int, Doc("Pods that are available.")] = 0
    collision_count: Annotated[int | None, Doc("Name collisions met so far.")] = None
    status: Annotated[str, Doc("Progressing, Running, Successful, Failed or Error.")] = ""
    message: Annotated[str, Doc("Why the status is as it is.")] = ""
    last_transition_time: Annotated[datetime | None, Doc("When size or counts last changed.")] = None
    service_name: Annotated[str, Doc("The Service made for the template.")] = ""
    pod_template_hash: Annotated[str, Doc("Hash of the pod template.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentAnalysisRunStatus:
    """Where one analysis of an experiment stands."""

    name: Annotated[str, Doc("Name of the analysis.", required=True)] = ""
    analysis_run: Annotated[str, Doc("Name of its AnalysisRun.")] = ""
    phase: Annotated[str, Doc("Phase of the run.")] = ""
    message: Annotated[str, Doc("Message of the run.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStatus:
    """What is known of an experiment; `phase` is empty until it is first seen."""

    phase: Annotated[str, Doc("Pending, Running, Successful, Failed, Error or Inconclusive.")] = ""
    message: Annotated[str, Doc("Why the phase is as it is.")] = ""
    available_at: Annotated[datetime | None, Doc("When all templates were first available.")] = None
    conditions: Annotated[tuple[Condition, ...], Doc("Observations in the common form.")] = ()
    template_statuses: Annotated[tuple[TemplateStatus, ...], Doc("Per template.")] = ()
    analysis_runs: Annotated[tuple[ExperimentAnalysisRunStatus, ...], Doc("Per analysis.")] = ()
    extra: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An Experiment as the API server holds it; `raw` is the object the typed parts were read from."""

    meta: ObjectMeta
    spec: ExperimentSpec
    status: ExperimentStatus
    raw: Mapping[str, Any]
