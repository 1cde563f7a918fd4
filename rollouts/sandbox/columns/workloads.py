"""How a table shows what runs pods, and what bounds or scales it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rollouts.sandbox import ages
from rollouts.sandbox.columns.column import (
    AGE,
    NAME,
    NONE,
    Printer,
    age_of,
    dig,
    few,
    integers,
    labels_text,
    name_of,
    template_cells,
    texts,
    wide,
)
from rollouts.sandbox.resources import Json


def _pod_template(obj: Json, _now: datetime) -> list[Any]:
    names, images, _ = template_cells({"spec": {"template": obj.get("template")}})
    return [name_of(obj), names, images, labels_text(dig(obj, "template", "metadata", "labels"))]


def _replica_set(obj: Json, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    counts = [dig(obj, "spec", "replicas") or 0, status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [name_of(obj), *counts, age_of(obj, now), *template_cells(obj)]


def _deployment(obj: Json, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{dig(obj, 'spec', 'replicas') or 0}"
    counts = [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [name_of(obj), *counts, age_of(obj, now), *template_cells(obj)]


def _job(obj: Json, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    return [
        name_of(obj),
        _job_state(obj),
        _completions(obj),
        _job_duration(status, now),
        age_of(obj, now),
        *template_cells(obj),
    ]


def _job_state(obj: Json) -> str:
    met = {each["type"] for each in dig(obj, "status", "conditions") or [] if each.get("status") == "True"}
    for condition in ("Complete", "Failed"):
        if condition in met:
            return condition
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    later = ("Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((condition for condition in later if condition in met), "Running")


def _completions(obj: Json) -> str:
    succeeded = dig(obj, "status", "succeeded") or 0
    wanted, parallelism = dig(obj, "spec", "completions"), dig(obj, "spec", "parallelism") or 0
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(status: Json, now: datetime) -> str:
    if not status.get("startTime"):
        return ""
    end = ages.parse(status["completionTime"]) if status.get("completionTime") else now
    return ages.human(end - ages.parse(status["startTime"]))


def _disruption_budget(obj: Json, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    bounds = [str(spec[key]) if spec.get(key) is not None else "N/A" for key in ("minAvailable", "maxUnavailable")]
    return [name_of(obj), *bounds, dig(obj, "status", "disruptionsAllowed") or 0, age_of(obj, now)]


def _autoscaler(obj: Json, now: datetime) -> list[Any]:
    spec, target = obj.get("spec") or {}, dig(obj, "spec", "scaleTargetRef") or {}
    current = dig(obj, "status", "currentMetrics") or []
    metrics = [
        _metric(each, current[i] if i < len(current) else {}) for i, each in enumerate(spec.get("metrics") or [])
    ]
    return [
        name_of(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        few(metrics, shown=2, separator=", ") or NONE,
        str(spec.get("minReplicas", "<unset>")),
        spec.get("maxReplicas", 0),
        dig(obj, "status", "currentReplicas") or 0,
        age_of(obj, now),
    ]


def _metric(metric: Json, seen: Json) -> str:
    """One target of an autoscaler: what it is now and what it should be."""
    kind = str(metric.get("type", ""))
    key = kind[:1].lower() + kind[1:]
    target, current = dig(metric, key, "target") or {}, dig(seen, key, "current") or {}
    label = f"{dig(metric, key, 'name')}: " if key in ("resource", "containerResource") else ""
    if "averageValue" in target:
        suffix = " (avg)" if key in ("object", "external") else ""
        return f"{label}{current.get('averageValue', ages.UNKNOWN)}/{target['averageValue']}{suffix}"
    if "value" in target:
        return f"{label}{current.get('value', ages.UNKNOWN)}/{target['value']}"
    percents = [_percent(current, ages.UNKNOWN), _percent(target, "<auto>")]
    return label + "/".join(percents)


def _percent(value: Json, missing: str) -> str:
    return f"{value['averageUtilization']}%" if "averageUtilization" in value else missing


_TEMPLATE = wide("Containers", "Images", "Selector")
PRINTERS = {
    ("", "PodTemplate"): Printer((NAME, *texts("Containers", "Images", "Pod Labels")), _pod_template),
    ("apps", "ReplicaSet"): Printer((NAME, *integers("Desired", "Current", "Ready"), AGE, *_TEMPLATE), _replica_set),
    ("apps", "Deployment"): Printer((NAME, *texts("Ready", "Up-to-date", "Available"), AGE, *_TEMPLATE), _deployment),
    ("batch", "Job"): Printer((NAME, *texts("Status", "Completions", "Duration"), AGE, *_TEMPLATE), _job),
    ("policy", "PodDisruptionBudget"): Printer(
        (NAME, *texts("Min Available", "Max Unavailable"), *integers("Allowed Disruptions"), AGE), _disruption_budget
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(
        (NAME, *texts("Reference", "Targets", "MinPods", "MaxPods", "Replicas"), AGE), _autoscaler
    ),
}
