"""Analysis: templates, metrics and runs. Spec and status only; verdicts and due times are the core's.

A metric of a template may hold `{{args.name}}` anywhere, also where a number or a duration belongs. Such a field is
read as None; `Metric.raw` keeps what the user wrote, and a metric is parsed again after its arguments were put there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from rollouts.api.fields import Doc, Rest, Seconds
from rollouts.api.meta import ObjectMeta

DEFAULT_CONSECUTIVE_ERROR_LIMIT = 4
DEFAULT_MEASUREMENTS_KEPT = 10


class Phase(StrEnum):
    """Where a measurement, a metric, a run or an experiment stands; the last four are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"

    @property
    def is_completed(self) -> bool:
        """Whether nothing more will happen."""
        return self in COMPLETED_PHASES


COMPLETED_PHASES = frozenset({Phase.SUCCESSFUL, Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRef:
    """A path into the metadata, or any primitive of the owning object."""

    field_path: Annotated[str, Doc("For example metadata.labels['app'].", required=True)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKeyRef:
    """One key of a Secret in the run's namespace."""

    name: Annotated[str, Doc("Name of the Secret.", required=True)] = ""
    key: Annotated[str, Doc("Key within the Secret.", required=True)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFrom:
    """Where an argument's value comes from; exactly one member is set."""

    secret_key_ref: Annotated[SecretKeyRef | None, Doc("A key of a Secret.")] = None
    field_ref: Annotated[FieldRef | None, Doc("A field of the owning object.")] = None
    pod_template_hash_value: Annotated[
        str | None, Doc("Latest or Stable: the hash of that ReplicaSet.", schema={"enum": ["Latest", "Stable"]})
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisArgument:
    """A named value for the placeholders of metrics."""

    name: Annotated[str, Doc("Name used as {{args.name}}.", required=True)] = ""
    value: Annotated[str | None, Doc("The value.")] = None
    value_from: Annotated[ValueFrom | None, Doc("Where to take the value from.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """Metrics that are measured but do not count."""

    metric_name: Annotated[str, Doc("Regular expression on metric names; .* means all.", required=True)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRetention:
    """How many measurements of some metrics to keep."""

    metric_name: Annotated[str, Doc("Regular expression on metric names; .* means all.", required=True)] = ""
    limit: Annotated[int, Doc("Measurements to keep.", required=True)] = DEFAULT_MEASUREMENTS_KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRef:
    """A template by name."""

    template_name: Annotated[str, Doc("Name of the template.")] = ""
    cluster_scope: Annotated[bool, Doc("Whether the name means a ClusterAnalysisTemplate.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One question to a metrics backend, and the conditions and limits its answers are held to.

    Durations are whole seconds. Limits and counts may still be strings with placeholders. `provider` is the opaque
    section of each provider under its JSON name.
    """

    name: Annotated[str, Doc("Unique name of the metric.", required=True)] = ""
    interval: Annotated[int | None, Seconds(shortest=1), Doc("Time between measurements, as 30s or 5m.")] = None
    initial_delay: Annotated[int | None, Seconds(shortest=0), Doc("Time before the first measurement, as 30s.")] = None
    count: Annotated[int | str | None, Doc("How many measurements to take; without it and an interval, one.")] = None
    success_condition: Annotated[str | None, Doc("Expression over result that must hold.")] = None
    failure_condition: Annotated[str | None, Doc("Expression over result that must not hold.")] = None
    failure_limit: Annotated[int | str | None, Doc("Failed measurements that are tolerated; 0; -1 for any.")] = None
    inconclusive_limit: Annotated[
        int | str | None, Doc("Inconclusive measurements that are tolerated (default 0).")
    ] = None
    consecutive_error_limit: Annotated[int | str | None, Doc("Errors in a row that are tolerated (default 4).")] = None
    consecutive_success_limit: Annotated[int | str | None, Doc("Successes in a row that suffice; 0 for off.")] = None
    provider: Annotated[Mapping[str, Any], Doc("The backend to ask; exactly one.", required=True)] = field(
        default_factory=dict
    )
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTemplateSpec:
    """What an analysis measures, and which arguments it needs."""

    metrics: Annotated[tuple[Metric, ...], Doc("What to measure.")] = ()
    args: Annotated[tuple[AnalysisArgument, ...], Doc("Arguments the metrics use; a value is a default.")] = ()
    dry_run: Annotated[tuple[DryRun, ...], Doc("Metrics that are measured but do not count.")] = ()
    measurement_retention: Annotated[tuple[MeasurementRetention, ...], Doc("How many measurements to keep.")] = ()
    templates: Annotated[tuple[TemplateRef, ...], Doc("Templates whose metrics are measured too.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTemplate:
    """An AnalysisTemplate, or a ClusterAnalysisTemplate when `is_cluster_scoped`."""

    meta: ObjectMeta
    spec: AnalysisTemplateSpec
    is_cluster_scoped: bool
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TTLStrategy:
    """How long a completed run is kept, in seconds."""

    seconds_after_completion: Annotated[int | None, Doc("Seconds after the end, whatever it was.")] = None
    seconds_after_failure: Annotated[int | None, Doc("Seconds after the end of a failed run.")] = None
    seconds_after_success: Annotated[int | None, Doc("Seconds after the end of a successful run.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRunSpec:
    """What a run measures; everything is resolved except the placeholders in metrics and Secrets."""

    metrics: Annotated[tuple[Metric, ...], Doc("What to measure.", required=True)] = ()
    args: Annotated[tuple[AnalysisArgument, ...], Doc("Arguments the metrics use.")] = ()
    terminate: Annotated[bool, Doc("Ends the run early.")] = False
    dry_run: Annotated[tuple[DryRun, ...], Doc("Metrics that are measured but do not count.")] = ()
    measurement_retention: Annotated[tuple[MeasurementRetention, ...], Doc("How many measurements to keep.")] = ()
    ttl_strategy: Annotated[TTLStrategy | None, Doc("How long to keep the run after its end.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One answer of a backend and what was made of it; `value` is the answer as text."""

    phase: Annotated[Phase, Doc("What the measurement came to.", required=True)] = Phase.PENDING
    message: Annotated[str, Doc("Why, when it went wrong.")] = ""
    started_at: Annotated[datetime | None, Doc("When it began.")] = None
    finished_at: Annotated[datetime | None, Doc("When it ended.")] = None
    value: Annotated[str, Doc("What the backend answered.")] = ""
    metadata: Annotated[Mapping[str, str], Doc("What the provider notes about it.")] = field(default_factory=dict)
    resume_at: Annotated[datetime | None, Doc("When to look again at one that takes long.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """Measurements, counters and verdict of one metric."""

    name: Annotated[str, Doc("Name of the metric.", required=True)] = ""
    phase: Annotated[Phase, Doc("Verdict so far.", required=True)] = Phase.PENDING
    message: Annotated[str, Doc("Why the verdict is as it is.")] = ""
    count: Annotated[int, Doc("Measurements that count.")] = 0
    successful: Annotated[int, Doc("Measurements that succeeded.")] = 0
    failed: Annotated[int, Doc("Measurements that failed.")] = 0
    inconclusive: Annotated[int, Doc("Measurements that proved nothing.")] = 0
    error: Annotated[int, Doc("Measurements that could not be made.")] = 0
    consecutive_error: Annotated[int, Doc("Errors since the last answer.")] = 0
    consecutive_success: Annotated[int, Doc("Successes since the last other outcome.")] = 0
    dry_run: Annotated[bool, Doc("Whether the metric does not count.")] = False
    metadata: Annotated[Mapping[str, str], Doc("What the provider notes about the metric.")] = field(
        default_factory=dict
    )
    measurements: Annotated[tuple[Measurement, ...], Doc("The latest measurements, oldest first.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Metrics of a run by verdict; `count` is all of them, finished or not."""

    count: Annotated[int, Doc("Metrics in all.")] = 0
    successful: Annotated[int, Doc("Metrics that succeeded.")] = 0
    failed: Annotated[int, Doc("Metrics that failed.")] = 0
    inconclusive: Annotated[int, Doc("Metrics that proved nothing.")] = 0
    error: Annotated[int, Doc("Metrics that could not be measured.")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRunStatus:
    """What a run found; `phase` is None until it is first assessed."""

    phase: Annotated[Phase | None, Doc("Verdict so far.")] = None
    message: Annotated[str, Doc("Why the verdict is as it is.")] = ""
    started_at: Annotated[datetime | None, Doc("When the run was first assessed.")] = None
    completed_at: Annotated[datetime | None, Doc("When the verdict became final.")] = None
    run_summary: Annotated[RunSummary | None, Doc("Metrics that count, by verdict.")] = None
    dry_run_summary: Annotated[RunSummary | None, Doc("Metrics that do not count, by verdict.")] = None
    metric_results: Annotated[tuple[MetricResult, ...], Doc("Per metric.")] = ()
    extra: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRun:
    """An AnalysisRun as the API server holds it; `raw` is the object the typed parts were read from."""

    meta: ObjectMeta
    spec: AnalysisRunSpec
    status: AnalysisRunStatus
    raw: Mapping[str, Any]
