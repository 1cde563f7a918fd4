"""Defaults and rules of the built-in kinds: two tables from a kind to the functions that know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema import kind_defaults, network_rules, policy_rules, workload_rules
from rollouts.sandbox.schema.crd import validate_definition
from rollouts.sandbox.schema.violations import Violation

Check = Callable[[Json, Json | None, list[Violation]], None]
_RBAC = "rbac.authorization.k8s.io"
_RULES: Mapping[tuple[str, str], Check] = {
    ("", "ConfigMap"): policy_rules.check_config_map,
    ("", "Event"): policy_rules.check_event,
    ("", "Pod"): workload_rules.check_pod,
    ("", "Secret"): policy_rules.check_secret,
    ("", "Service"): network_rules.check_service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): validate_definition,
    ("apps", "Deployment"): workload_rules.check_deployment,
    ("apps", "ReplicaSet"): workload_rules.check_replica_set,
    ("autoscaling", "HorizontalPodAutoscaler"): policy_rules.check_autoscaler,
    ("batch", "Job"): workload_rules.check_job,
    ("coordination.k8s.io", "Lease"): policy_rules.check_lease,
    ("discovery.k8s.io", "EndpointSlice"): network_rules.check_endpoint_slice,
    ("networking.k8s.io", "Ingress"): network_rules.check_ingress,
    ("networking.k8s.io", "IngressClass"): network_rules.check_ingress_class,
    ("policy", "PodDisruptionBudget"): policy_rules.check_disruption_budget,
    (_RBAC, "ClusterRole"): policy_rules.check_role,
    (_RBAC, "ClusterRoleBinding"): policy_rules.check_binding,
    (_RBAC, "Role"): policy_rules.check_role,
    (_RBAC, "RoleBinding"): policy_rules.check_binding,
}
_STATUS_RULES: Mapping[tuple[str, str], Check] = {
    ("apps", "Deployment"): workload_rules.check_deployment_status,
    ("apps", "ReplicaSet"): workload_rules.check_replica_set_status,
}
_DEPRECATIONS: Mapping[tuple[str, str], str] = {
    ("", "Endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}


def apply_defaults(resource: Resource, obj: Json, old: Json | None) -> None:
    """Fill in what the server fills in, in place; a new object (`old` is None) gets more."""
    kind = (resource.group, resource.kind)
    for table in (kind_defaults.ALWAYS, kind_defaults.ON_CREATE if old is None else {}):
        fill = table.get(kind)
        if fill is not None:
            fill(obj)


def validate(resource: Resource, obj: Json, old: Json | None, found: list[Violation], *, subresource: str) -> None:
    """Append to `found` what is wrong with the object; through a subresource its spec is not looked at again."""
    rules = _STATUS_RULES if subresource == "status" else {} if subresource else _RULES
    check = rules.get((resource.group, resource.kind))
    if check is not None:
        check(obj, old, found)


def deprecation_warnings(resource: Resource) -> tuple[str, ...]:
    """What whoever asks for such objects should know about their kind."""
    if resource.custom is not None:
        return _custom_deprecation(resource, resource.custom)
    text = _DEPRECATIONS.get((resource.group, resource.kind))
    return (text,) if text else ()


def _custom_deprecation(resource: Resource, version: Json) -> tuple[str, ...]:
    if not version.get("deprecated"):
        return ()
    return (version.get("deprecationWarning") or f"{resource.group_version} {resource.kind} is deprecated",)
