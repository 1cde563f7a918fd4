"""What the server fills into the objects of each built-in kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.pod_defaults import fill_pod_spec


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
    status = obj.setdefault("status", {})
    status.setdefault("phase", "Pending")


def _fill_replica_set(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("replicas", 1)
    _fill_template(spec)


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


def _fill_service(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _fill_ingress(obj: Json) -> None:
    for rule in _spec(obj).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            path.setdefault("pathType", "ImplementationSpecific")


def _fill_autoscaler(obj: Json) -> None:
    spec = _spec(obj)
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


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


BY_KIND: Mapping[tuple[str, str], Callable[[Json], None]] = {
    ("", "Pod"): _fill_pod,
    ("", "Service"): _fill_service,
    ("", "Endpoints"): _fill_endpoints,
    ("", "Secret"): _fill_secret,
    ("", "PodTemplate"): _fill_template,
    ("apps", "ReplicaSet"): _fill_replica_set,
    ("apps", "Deployment"): _fill_deployment,
    ("batch", "Job"): _fill_job,
    ("networking.k8s.io", "Ingress"): _fill_ingress,
    ("autoscaling", "HorizontalPodAutoscaler"): _fill_autoscaler,
    ("discovery.k8s.io", "EndpointSlice"): _fill_endpoint_slice,
}
