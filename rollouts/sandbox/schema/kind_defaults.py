"""What the server fills into the objects of each built-in kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollouts.sandbox.schema.crd import fill_definition
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.pod_defaults import fill_new_pod, fill_pod_spec, fill_requests, quality_of_service


def _spec(obj: Json) -> Json:
    spec: Json = obj.setdefault("spec", {})
    return spec


def _fill_template(spec: Json) -> None:
    template: Json = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    fill_pod_spec(template.setdefault("spec", {}))


def _fill_pod(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("enableServiceLinks", True)
    fill_pod_spec(spec)
    fill_requests(spec)
    status = obj.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", quality_of_service(spec))


def _fill_created_pod(obj: Json) -> None:
    fill_new_pod(obj["spec"])


def _fill_replica_set(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("replicas", 1)
    _fill_template(spec)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def _fill_deployment(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _fill_template(spec)
    obj.setdefault("status", {})


def _fill_job(obj: Json) -> None:
    spec = _spec(obj)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    _fill_template(spec)
    obj.setdefault("status", {})


def _fill_created_job(obj: Json) -> None:
    """A Job selects its pods by its own uid, unless it says that it knows better."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or "uid" not in meta:
        return
    own = {"batch.kubernetes.io/controller-uid": meta["uid"], "batch.kubernetes.io/job-name": meta["name"]}
    old_names = {"controller-uid": meta["uid"], "job-name": meta["name"]}
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    spec["template"]["metadata"]["labels"] = {**labels, **own, **old_names}
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": meta["uid"]}})
    if not meta.get("labels"):
        meta["labels"] = dict(spec["template"]["metadata"]["labels"])


def _fill_service(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def _fill_ingress(obj: Json) -> None:
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def _fill_autoscaler(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if spec.get("behavior") is not None:
        _fill_scaling(spec["behavior"])
    status = obj.setdefault("status", {})
    status.setdefault("desiredReplicas", 0)
    status.setdefault("currentMetrics", None)


def _fill_scaling(behavior: Json) -> None:
    up, down = behavior.setdefault("scaleUp", {}), behavior.setdefault("scaleDown", {})
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    up.setdefault("stabilizationWindowSeconds", 0)
    for rules, policies in ((up, [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent]), (down, [percent])):
        rules.setdefault("selectPolicy", "Max")
        rules.setdefault("policies", policies)


def _fill_disruption_budget(obj: Json) -> None:
    status = obj.setdefault("status", {})
    for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        status.setdefault(name, 0)


def _fill_endpoints(obj: Json) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _fill_endpoint_slice(obj: Json) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("name", "")


def _fill_secret(obj: Json) -> None:
    obj.setdefault("type", "Opaque")


def _fill_namespace(obj: Json) -> None:
    meta = obj["metadata"]
    meta["labels"] = {**meta.get("labels", {}), "kubernetes.io/metadata.name": meta.get("name", "")}


def _fill_event(obj: Json) -> None:
    for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
        obj.setdefault(name, None)
    obj.setdefault("reportingComponent", "")
    obj.setdefault("reportingInstance", "")
    obj.setdefault("source", {})


def _fill_binding(obj: Json) -> None:
    obj.setdefault("roleRef", {}).setdefault("apiGroup", _RBAC)
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _RBAC)


_RBAC = "rbac.authorization.k8s.io"
Fill = Callable[[Json], None]
ALWAYS: Mapping[tuple[str, str], Fill] = {
    ("", "Pod"): _fill_pod,
    ("", "Service"): _fill_service,
    ("", "Endpoints"): _fill_endpoints,
    ("", "Secret"): _fill_secret,
    ("", "Namespace"): _fill_namespace,
    ("", "Event"): _fill_event,
    ("", "PodTemplate"): _fill_template,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): fill_definition,
    ("apps", "ReplicaSet"): _fill_replica_set,
    ("apps", "Deployment"): _fill_deployment,
    ("batch", "Job"): _fill_job,
    ("networking.k8s.io", "Ingress"): _fill_ingress,
    ("autoscaling", "HorizontalPodAutoscaler"): _fill_autoscaler,
    ("policy", "PodDisruptionBudget"): _fill_disruption_budget,
    ("discovery.k8s.io", "EndpointSlice"): _fill_endpoint_slice,
    (_RBAC, "RoleBinding"): _fill_binding,
    (_RBAC, "ClusterRoleBinding"): _fill_binding,
}
"""What every object of a kind gets."""
ON_CREATE: Mapping[tuple[str, str], Fill] = {
    ("", "Pod"): _fill_created_pod,
    ("batch", "Job"): _fill_created_job,
}
"""What a new object gets besides."""
