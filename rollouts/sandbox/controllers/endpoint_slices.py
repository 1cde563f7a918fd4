"""What the pods behind a Service look like as EndpointSlices and as Endpoints. Pure: a Service and pods in, bodies out.

A pod that is being deleted stays listed, terminating and not ready, until it is gone; that is how a balancer learns to
leave it alone before its program stops.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from itertools import islice

from rollouts.sandbox.controllers.pods import is_finished, is_ready
from rollouts.sandbox.kinds import SERVICES, Json, is_terminating, owned_by

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ENDPOINTS_PER_SLICE_MAX = 100

Port = tuple[str, str, int]
"""Name, protocol, number on the pod."""


def address_of(pod: Json) -> str:
    """The pod's address; empty while it has none."""
    return str((pod.get("status") or {}).get("podIP") or "")


def resolved_ports(service: Json, pod: Json) -> tuple[Port, ...]:
    """The Service's ports as numbers on this pod; a named target port that the pod does not declare is left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, pod)
        if number is not None:
            ports.append((port.get("name", ""), port.get("protocol", "TCP"), number))
    return tuple(ports)


def _target(port: Json, pod: Json) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"].get("containers") or ():
        for declared in container.get("ports") or ():
            same_protocol = declared.get("protocol", "TCP") == port.get("protocol", "TCP")
            if declared.get("name") == target and same_protocol:
                return int(declared["containerPort"])
    return None


def endpoint_of(pod: Json, *, publish_not_ready: bool) -> Json:
    """One endpoint of an EndpointSlice."""
    ready, terminating = is_ready(pod), is_terminating(pod)
    endpoint: Json = {
        "addresses": [address_of(pod)],
        "conditions": {
            "ready": publish_not_ready or (ready and not terminating),
            "serving": ready,
            "terminating": terminating,
        },
        "targetRef": _reference(pod),
    }
    if node := pod["spec"].get("nodeName"):
        endpoint["nodeName"] = node
    if hostname := pod["spec"].get("hostname"):
        endpoint["hostname"] = hostname
    return endpoint


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def backing(pods: Iterable[Json]) -> list[Json]:
    """The pods that are listed at all: with an address, and not ended; in a stable order."""
    listed = [pod for pod in pods if address_of(pod) and not is_finished(pod)]
    return sorted(listed, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))


def wanted_slices(service: Json, pods: Iterable[Json]) -> list[Json]:
    """The contents (`ports`, `endpoints`) of the slices of a Service: one list of ports each, bounded in size."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[tuple[Port, ...], list[Json]] = {}
    for pod in backing(pods):
        group = groups.setdefault(resolved_ports(service, pod), [])
        group.append(endpoint_of(pod, publish_not_ready=publish))
    slices: list[Json] = []
    for ports, endpoints in groups.items():
        rest = iter(endpoints)
        while part := list(islice(rest, ENDPOINTS_PER_SLICE_MAX)):
            slices.append({"ports": _ports(ports), "endpoints": part})
    return slices or [{"ports": [], "endpoints": []}]


def _ports(ports: Sequence[Port]) -> list[Json]:
    return [{"name": name, "protocol": protocol, "port": number} for name, protocol, number in ports]


def slice_labels(service: Json) -> dict[str, str]:
    """The Service's labels, and the two that say whose slice this is."""
    labels = dict(service["metadata"].get("labels") or {})
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return labels | {SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: MANAGER}


def new_slice(service: Json, content: Json) -> Json:
    """A slice with this content."""
    return {
        "addressType": "IPv4",
        "metadata": {
            "generateName": f"{service['metadata']['name']}-",
            "namespace": service["metadata"]["namespace"],
            "labels": slice_labels(service),
            "ownerReferences": [owned_by(service, SERVICES)],
        },
        **copy.deepcopy(content),
    }


def same_content(stored: Json, content: Json) -> bool:
    """Whether a stored slice already says so, in any order of endpoints."""
    have = sorted(map(_essence, stored.get("endpoints") or ()))
    ports = stored.get("ports") or []
    return bool(ports == content["ports"]) and have == sorted(map(_essence, content["endpoints"]))


def _essence(endpoint: Json) -> tuple[str, ...]:
    conditions = endpoint.get("conditions") or {}
    flags = [str(bool(conditions.get(name))) for name in ("ready", "serving", "terminating")]
    target = endpoint.get("targetRef") or {}
    where = (endpoint.get("nodeName", ""), endpoint.get("hostname", ""), target.get("uid", ""))
    return (*endpoint["addresses"], *flags, *where)


def wanted_subsets(service: Json, pods: Iterable[Json]) -> list[Json]:
    """The subsets of the Service's Endpoints object: ready addresses apart from those that are not."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[tuple[Port, ...], tuple[list[Json], list[Json]]] = {}
    for pod in backing(pods):
        ready, waiting = groups.setdefault(resolved_ports(service, pod), ([], []))
        address: Json = {"ip": address_of(pod), "targetRef": _reference(pod)}
        if node := pod["spec"].get("nodeName"):
            address["nodeName"] = node
        if is_terminating(pod) and not publish:
            continue
        (ready if publish or is_ready(pod) else waiting).append(address)
    return [_subset(ports, ready, waiting) for ports, (ready, waiting) in groups.items() if ready or waiting]


def _subset(ports: Sequence[Port], ready: list[Json], waiting: list[Json]) -> Json:
    listed = [{name: value for name, value in port.items() if value != ""} for port in _ports(ports)]
    subset: Json = {"ports": listed}
    if ready:
        subset["addresses"] = sorted(ready, key=lambda address: str(address["ip"]))
    if waiting:
        subset["notReadyAddresses"] = sorted(waiting, key=lambda address: str(address["ip"]))
    return subset
