"""The rules of workloads: ReplicaSet, Deployment, Job and Pod."""

from __future__ import annotations

from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.field_rules import (
    check_at_least,
    check_count_or_percent,
    check_one_of,
    check_selector,
    check_unchanged,
    selector_matches,
)
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.pod_rules import check_pod_spec, check_pod_update, check_template
from rollouts.sandbox.schema.violations import Violation

_STRATEGIES = ("Recreate", "RollingUpdate")
_COMPLETION_MODES = ("NonIndexed", "Indexed")
_TEMPLATE = "spec.template"


def check_pod(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A pod; once it exists its spec hardly changes."""
    if old is None:
        check_pod_spec(obj.get("spec") or {}, "spec", found)
    elif obj.get("spec") != old.get("spec"):
        check_pod_update(obj, old, found)


def check_replica_set(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A ReplicaSet, whose selector is fixed."""
    spec = obj["spec"]
    for name in ("replicas", "minReadySeconds"):
        check_at_least(spec, name, "spec", found)
    _check_owned_pods(spec, found)
    if old is not None:
        check_unchanged(spec.get("selector"), old["spec"].get("selector"), "spec.selector", found)


_REPLICA_SET_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
_DEPLOYMENT_COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "collisionCount",
)


def check_replica_set_status(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """What is told of a ReplicaSet's pods must add up."""
    status = obj.get("status") or {}
    _check_counts(status, _REPLICA_SET_COUNTS, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"), found)


def check_deployment_status(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """What is told of a Deployment's pods must add up."""
    status = obj.get("status") or {}
    _check_counts(status, _DEPLOYMENT_COUNTS, ("updatedReplicas", "readyReplicas", "availableReplicas"), found)


def _check_counts(status: Json, counts: tuple[str, ...], parts: tuple[str, ...], found: list[Violation]) -> None:
    for name in counts:
        check_at_least(status, name, "status", found)
    for name in parts:
        if status.get(name, 0) > status.get("replicas", 0):
            found.append(say.invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"))
    available = status.get("availableReplicas", 0)
    if available > status.get("readyReplicas", 0):
        found.append(say.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))


def check_deployment(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A Deployment, whose selector is fixed."""
    spec = obj["spec"]
    check_at_least(spec, "replicas", "spec", found)
    _check_owned_pods(spec, found)
    _check_strategy(spec.get("strategy") or {}, found)
    for name in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        check_at_least(spec, name, "spec", found)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        found.append(say.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    if old is not None:
        check_unchanged(spec.get("selector"), old["spec"].get("selector"), "spec.selector", found)


def _check_owned_pods(spec: Json, found: list[Violation]) -> None:
    """A selector that selects the template, and a template of pods that never end."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    is_well_formed = True
    if selector is None:
        found.append(say.required("spec.selector"))
    else:
        is_well_formed = check_selector(selector, "spec.selector", found)
        if not any(selector.values()):
            found.append(say.invalid("spec.selector", selector, "empty selector is invalid for deployment"))
    labels = (template.get("metadata") or {}).get("labels")
    if not is_well_formed:
        found.append(say.invalid("spec.selector", selector, "invalid label selector"))
    elif selector is None or (any(selector.values()) and not selector_matches(selector, labels or {})):
        detail = "`selector` does not match template `labels`"
        found.append(say.invalid(f"{_TEMPLATE}.metadata.labels", labels, detail))
    check_template(template, _TEMPLATE, found)
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy in ("OnFailure", "Never"):
        found.append(say.unsupported(f"{_TEMPLATE}.spec.restartPolicy", policy, ("Always",)))


def _check_strategy(strategy: Json, found: list[Violation]) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    where = "spec.strategy.rollingUpdate"
    if kind not in _STRATEGIES:
        shown = {"Type": kind, "RollingUpdate": rolling}
        found.append(say.unsupported("spec.strategy", shown, _STRATEGIES))
    elif kind == "Recreate" and rolling is not None:
        found.append(say.forbidden(where, "may not be specified when strategy `type` is 'Recreate'"))
    elif kind == "RollingUpdate" and rolling is not None:
        surge, unavailable = rolling.get("maxSurge"), rolling.get("maxUnavailable")
        check_count_or_percent(unavailable, f"{where}.maxUnavailable", found, at_most_all=True)
        check_count_or_percent(surge, f"{where}.maxSurge", found)
        if surge in (0, "0%") and unavailable in (0, "0%"):
            detail = "may not be 0 when `maxSurge` is 0"
            found.append(say.invalid(f"{where}.maxUnavailable", unavailable, detail))


def check_job(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A Job, whose pods and selector are fixed."""
    spec = obj["spec"]
    template = spec.get("template") or {}
    for name in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"):
        check_at_least(spec, name, "spec", found)
    check_one_of(spec.get("completionMode", ""), _COMPLETION_MODES, "spec.completionMode", found)
    check_template(template, _TEMPLATE, found)
    if (template.get("spec") or {}).get("restartPolicy", "Always") == "Always":
        detail = 'valid values: "OnFailure", "Never"'
        found.append(say.required(f"{_TEMPLATE}.spec.restartPolicy", detail))
    _check_job_selector(spec, template, found)
    if old is not None:
        _check_job_update(spec, old["spec"], found)


def _check_job_selector(spec: Json, template: Json, found: list[Violation]) -> None:
    selector, labels = spec.get("selector"), (template.get("metadata") or {}).get("labels")
    if selector is None:
        return
    uid = (labels or {}).get("batch.kubernetes.io/controller-uid")
    generated = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not spec.get("manualSelector") and selector != generated:
        found.append(say.invalid("spec.selector", selector, "`selector` not auto-generated"))
    if check_selector(selector, "spec.selector", found) and not selector_matches(selector, labels or {}):
        detail = "`selector` does not match template `labels`"
        found.append(say.invalid(f"{_TEMPLATE}.metadata.labels", labels, detail))


def _check_job_update(spec: Json, old: Json, found: list[Violation]) -> None:
    for name in ("completions", "selector", "completionMode"):
        check_unchanged(spec.get(name), old.get(name), f"spec.{name}", found)
    if not old.get("suspend"):
        check_unchanged(spec.get("template"), old.get("template"), _TEMPLATE, found)
