"""How a table shows what leads traffic to pods."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rollouts.sandbox.columns.column import (
    AGE,
    NAME,
    NONE,
    Printer,
    age_of,
    dig,
    few,
    labels_text,
    name_of,
    texts,
    wide,
)
from rollouts.sandbox.resources import Json


def _service(obj: Json, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or NONE]
    ports = ",".join(_service_port(port) for port in spec.get("ports") or [])
    return [
        name_of(obj),
        spec.get("type", ""),
        addresses[0],
        _external_address(obj),
        ports or NONE,
        age_of(obj, now),
        labels_text(spec.get("selector")),
    ]


def _service_port(port: Json) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _external_address(obj: Json) -> str:
    spec = obj.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    addresses = list(spec.get("externalIPs") or [])
    if spec.get("type") == "LoadBalancer":
        return ",".join([*_ingress_points(obj), *addresses]) or "<pending>"
    return ",".join(addresses) or NONE


def _ingress_points(obj: Json) -> list[str]:
    points = dig(obj, "status", "loadBalancer", "ingress") or []
    return sorted({point.get("ip") or point.get("hostname") or "" for point in points} - {""})


def _ingress(obj: Json, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    ports = "80, 443" if spec.get("tls") else "80"
    name = spec.get("ingressClassName") or NONE
    return [name_of(obj), name, few(hosts) or "*", ",".join(_ingress_points(obj)), ports, age_of(obj, now)]


def _ingress_class(obj: Json, now: datetime) -> list[Any]:
    spec, annotations = obj.get("spec") or {}, obj["metadata"].get("annotations") or {}
    is_default = annotations.get("ingressclass.kubernetes.io/is-default-class") == "true"
    parameters = spec.get("parameters")
    shown = NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        shown = f"{parameters['kind']}{group}/{parameters['name']}"
    name = f"{name_of(obj)} (default)" if is_default else name_of(obj)
    return [name, spec.get("controller", ""), shown, age_of(obj, now)]


def _endpoints(obj: Json, now: datetime) -> list[Any]:
    known: list[str] = []
    for subset in obj.get("subsets") or []:
        addresses = [each["ip"] for each in subset.get("addresses") or []]
        ports = subset.get("ports") or []
        known += [f"{address}:{port['port']}" for port in ports for address in addresses] if ports else addresses
    return [name_of(obj), few(known) if obj.get("subsets") else NONE, age_of(obj, now)]


def _endpoint_slice(obj: Json, now: datetime) -> list[Any]:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or []]
    addresses = [address for each in obj.get("endpoints") or [] for address in each.get("addresses") or []]
    shown = [few(ports) or "<unset>", few(addresses) or "<unset>"]
    return [name_of(obj), obj.get("addressType", ""), *shown, age_of(obj, now)]


PRINTERS = {
    ("", "Service"): Printer(
        (NAME, *texts("Type", "Cluster-IP", "External-IP", "Port(s)"), AGE, *wide("Selector")), _service
    ),
    ("", "Endpoints"): Printer((NAME, *texts("Endpoints"), AGE), _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): Printer(
        (NAME, *texts("AddressType", "Ports", "Endpoints"), AGE), _endpoint_slice
    ),
    ("networking.k8s.io", "Ingress"): Printer((NAME, *texts("Class", "Hosts", "Address", "Ports"), AGE), _ingress),
    ("networking.k8s.io", "IngressClass"): Printer((NAME, *texts("Controller", "Parameters"), AGE), _ingress_class),
}
