"""What the server fills into a pod's spec, alone or inside a template."""

from __future__ import annotations

from rollouts.sandbox.schema.model import Json

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE = 0o644
_UNREACHABLE_SECONDS = 300


def fill_pod_spec(spec: Json) -> None:
    """Defaults of a pod's spec, in place."""
    for container in spec.get("initContainers") or ():
        fill_container(container)
    for container in spec.get("containers") or ():
        fill_container(container)
    spec.setdefault("restartPolicy", "Always")
    if spec.setdefault("terminationGracePeriodSeconds", 30) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec.setdefault("dnsPolicy", "ClusterFirst")
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    if spec.get("hostNetwork"):
        for container in spec.get("containers") or ():
            _fill_host_ports(container)
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for volume in spec.get("volumes") or ():
        _fill_volume(volume)


def fill_container(container: Json) -> None:
    """Defaults of one container, in place."""
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        _fill_field_ref(variable.get("valueFrom") or {})
    container.setdefault("resources", {})
    for name in _PROBES:
        if container.get(name) is not None:
            _fill_probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _fill_handler(handler)
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = "Always" if _is_latest(container.get("image", "")) else "IfNotPresent"


def fill_requests(spec: Json) -> None:
    """In a pod (not yet in a template) a limit without a request is also the request."""
    for container in (*(spec.get("initContainers") or ()), *spec.get("containers", ())):
        resources = container["resources"]
        for name, limit in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, limit)


def fill_new_pod(spec: Json) -> None:
    """What admission gives every new pod: a priority, and patience with nodes that are in trouble."""
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        if not any(one.get("key") in (key, None) and one.get("effect") in ("NoExecute", None) for one in tolerations):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations.append({**toleration, "tolerationSeconds": _UNREACHABLE_SECONDS})


def quality_of_service(spec: Json) -> str:
    """The pod's QoS class, by the requests and limits of its containers."""
    containers = (*(spec.get("initContainers") or ()), *spec.get("containers", ()))
    resources = [container.get("resources") or {} for container in containers]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= (one.get("limits") or {}).keys() and one.get("requests") == one["limits"]
        for one in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _is_latest(image: str) -> bool:
    """An image without a tag or digest is the latest one."""
    if "@" in image:
        return False
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag in ("", "latest")


def _fill_probe(probe: Json) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _fill_handler(probe)


def _fill_handler(handler: Json) -> None:
    if handler.get("httpGet") is not None:
        handler["httpGet"].setdefault("scheme", "HTTP")
        handler["httpGet"].setdefault("path", "/")
    if handler.get("grpc") is not None:
        handler["grpc"].setdefault("service", "")


def _fill_host_ports(container: Json) -> None:
    for port in container.get("ports") or ():
        port.setdefault("hostPort", port["containerPort"])


def _fill_field_ref(source: Json) -> None:
    if source.get("fieldRef") is not None:
        source["fieldRef"].setdefault("apiVersion", "v1")


def _fill_volume(volume: Json) -> None:
    if volume.keys() == {"name"}:
        volume["emptyDir"] = {}
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if volume.get(kind) is not None:
            volume[kind].setdefault("defaultMode", _MODE)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _fill_field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _fill_field_ref(item)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
