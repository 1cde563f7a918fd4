"""The rules of objects that configure others: ConfigMap, Secret, PDB, HPA, Lease, RBAC, Event."""

from __future__ import annotations

from rollouts.sandbox.schema import names
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.field_rules import (
    check_at_least,
    check_count_or_percent,
    check_one_of,
    check_selector,
    check_unchanged,
)
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.violations import Violation

_DATA_BYTES_MAX = 1024 * 1024
_NEEDED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_METRIC_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_SCALING_CHOICES = ("Disabled", "Max", "Min")
_SCALING_POLICIES = ("Percent", "Pods")
_STABILIZATION_SECONDS_MAX = 3600
_POLICY_SECONDS_MAX = 1800
_SUBJECT_KINDS = ("ServiceAccount", "User", "Group")
_NOT_BELOW_ZERO = "must be greater than or equal to zero"
_FIXED_DATA = "field is immutable when `immutable` is set"


def check_config_map(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A ConfigMap, unchangeable once it says so."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for field, entries in (("data", data), ("binaryData", binary)):
        _check_keys(entries, field, found)
    for key in data:
        if key in binary:
            found.append(say.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    _check_data(obj, old, found)


def check_secret(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A Secret, whose type is fixed; unchangeable once it says so."""
    data, kind = obj.get("data") or {}, obj.get("type", "")
    _check_keys(data, "data", found)
    found.extend(say.required(f"data[{key}]") for key in _NEEDED_KEYS.get(kind, ()) if key not in data)
    _check_data(obj, old, found)
    if old is not None:
        check_unchanged(kind, old.get("type", ""), "type", found)


def _check_keys(entries: Json, field: str, found: list[Violation]) -> None:
    for key in entries:
        problems = names.config_key_problems(key)
        found.extend(say.invalid(f"{field}[{key}]", key, problem) for problem in problems)


def _check_data(obj: Json, old: Json | None, found: list[Violation]) -> None:
    size = sum(len(value) for field in ("data", "binaryData") for value in (obj.get(field) or {}).values())
    if size > _DATA_BYTES_MAX:
        found.append(say.too_long("", _DATA_BYTES_MAX))
    if old is None or not old.get("immutable"):
        return
    if not obj.get("immutable"):
        found.append(say.forbidden("immutable", _FIXED_DATA))
    for field in ("data", "binaryData"):
        if obj.get(field) != old.get(field):
            found.append(say.forbidden(field, _FIXED_DATA))


def check_disruption_budget(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A PodDisruptionBudget."""
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = {"MinAvailable": spec["minAvailable"], "Selector": spec.get("selector")}
        shown |= {"MaxUnavailable": spec["maxUnavailable"], "UnhealthyPodEvictionPolicy": None}
        found.append(say.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        check_count_or_percent(spec.get(name), f"spec.{name}", found, at_most_all=True)
    check_selector(spec.get("selector") or {}, "spec.selector", found)
    if spec.get("unhealthyPodEvictionPolicy"):
        where = "spec.unhealthyPodEvictionPolicy"
        check_one_of(spec["unhealthyPodEvictionPolicy"], _EVICTION_POLICIES, where, found)


def check_autoscaler(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A HorizontalPodAutoscaler."""
    spec = obj.get("spec") or {}
    most, least, target = spec.get("maxReplicas", 0), spec.get("minReplicas", 1), spec.get("scaleTargetRef") or {}
    if least < 1:
        found.append(say.invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        found.append(say.required("spec.maxReplicas", "must be set and greater than 0"))
    if most < least:
        found.append(say.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    found.extend(say.required(f"spec.scaleTargetRef.{name}") for name in ("kind", "name") if not target.get(name))
    if "/" not in target.get("apiVersion", ""):
        api_version = target.get("apiVersion", "")
        detail = "apiVersion must specify API group"
        found.append(say.invalid("spec.scaleTargetRef.apiVersion", api_version, detail))
    for index, metric in enumerate(spec.get("metrics") or ()):
        if metric.get("type") not in _METRIC_TYPES:
            found.append(say.unsupported(f"spec.metrics[{index}].type", metric.get("type", ""), _METRIC_TYPES))
    for direction in ("scaleUp", "scaleDown"):
        if (rules := (spec.get("behavior") or {}).get(direction)) is not None:
            _check_scaling(rules, f"spec.behavior.{direction}", found)
    if least == 0:
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(say.forbidden("spec.metrics", detail))


def _check_scaling(rules: Json, where: str, found: list[Violation]) -> None:
    window = rules.get("stabilizationWindowSeconds", 0)
    if window < 0:
        found.append(say.invalid(f"{where}.stabilizationWindowSeconds", window, _NOT_BELOW_ZERO))
    _check_at_most(window, _STABILIZATION_SECONDS_MAX, f"{where}.stabilizationWindowSeconds", found)
    if rules.get("selectPolicy"):
        check_one_of(rules["selectPolicy"], _SCALING_CHOICES, f"{where}.selectPolicy", found)
    if not rules.get("policies"):
        found.append(say.required(f"{where}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.get("policies") or ()):
        here = f"{where}.policies[{index}]"
        if policy.get("type") not in _SCALING_POLICIES:
            found.append(say.unsupported(f"{here}.type", policy.get("type", ""), _SCALING_POLICIES))
        for name in ("value", "periodSeconds"):
            if policy.get(name, 0) <= 0:
                found.append(say.invalid(f"{here}.{name}", policy.get(name, 0), "must be greater than zero"))
        _check_at_most(policy.get("periodSeconds", 0), _POLICY_SECONDS_MAX, f"{here}.periodSeconds", found)


def _check_at_most(value: int, maximum: int, where: str, found: list[Violation]) -> None:
    if value > maximum:
        found.append(say.invalid(where, value, f"must be less than or equal to {maximum}"))


def check_lease(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A Lease."""
    spec = obj.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        found.append(say.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    check_at_least(spec, "leaseTransitions", "spec", found)


def check_role(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A Role or ClusterRole."""
    for index, rule in enumerate(obj.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            found.append(say.required(f"{where}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            found.append(say.required(f"{where}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            found.append(say.required(f"{where}.resources", "resource rules must supply at least one resource"))


def check_binding(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A RoleBinding or ClusterRoleBinding, whose role is fixed."""
    role = obj.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if obj["metadata"].get("namespace") else ("ClusterRole",)
    if role.get("kind") not in kinds:
        found.append(say.unsupported("roleRef.kind", role.get("kind", ""), kinds))
    if not role.get("name"):
        found.append(say.required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        where, kind = f"subjects[{index}]", subject.get("kind", "")
        if not subject.get("name"):
            found.append(say.required(f"{where}.name"))
        if kind not in _SUBJECT_KINDS:
            found.append(say.unsupported(f"{where}.kind", kind, _SUBJECT_KINDS))
    if old is not None and role != old.get("roleRef"):
        shown = {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}
        found.append(say.invalid("roleRef", shown, "cannot change roleRef"))


def check_event(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A core Event lives beside the object it is about."""
    namespace = (obj.get("involvedObject") or {}).get("namespace", "")
    own = obj["metadata"].get("namespace", "")
    if namespace != own and (namespace or own != "default"):
        found.append(say.invalid("involvedObject.namespace", namespace, "does not match event.namespace"))
