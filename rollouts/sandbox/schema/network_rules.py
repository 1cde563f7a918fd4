"""The rules of Service, Ingress, IngressClass and EndpointSlice.

Addresses on loopback are accepted, unlike on a real server: here every pod has one.
"""

from __future__ import annotations

import ipaddress

from rollouts.sandbox.schema import names
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.field_rules import PROTOCOLS, check_one_of, check_port
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.object_meta import check_labels
from rollouts.sandbox.schema.violations import Violation

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_AMBIGUOUS_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_AMBIGUOUS_ENDS = ("/..", "/.")
_NOT_AN_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def check_service(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """A Service; its address stays what it is while its type does."""
    spec = obj["spec"]
    kind, ports = spec.get("type", ""), spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        found.append(say.required("spec.ports"))
    if kind == "ExternalName" and not spec.get("externalName"):
        found.append(say.required("spec.externalName"))
    _check_service_ports(ports, kind, found)
    check_labels(spec.get("selector") or {}, "spec.selector", found)
    check_one_of(spec.get("sessionAffinity", ""), _AFFINITIES, "spec.sessionAffinity", found)
    check_one_of(kind, _SERVICE_TYPES, "spec.type", found)
    address = spec.get("clusterIP", "")
    if address and address != "None" and not _is_address(address):
        found.append(say.invalid("spec.clusterIPs[0]", address, _NOT_AN_ADDRESS))
    before = (old or {}).get("spec", {})
    if before.get("clusterIP") and kind == before.get("type") != "ExternalName" and address != before["clusterIP"]:
        found.append(say.invalid("spec.clusterIPs[0]", [address], "may not change once set"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_service_ports(ports: list[Json], kind: str, found: list[Violation]) -> None:
    seen: set[str] = set()
    served: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        where, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            found.append(say.required(f"{where}.name"))
        elif name and name in seen:
            found.append(say.duplicate(f"{where}.name", name))
        elif name:
            found.extend(say.invalid(f"{where}.name", name, problem) for problem in names.label_problems(name))
        seen.add(name)
        check_port(port.get("port", 0), f"{where}.port", found)
        check_one_of(port.get("protocol", ""), PROTOCOLS, f"{where}.protocol", found)
        check_port(port.get("targetPort", 0), f"{where}.targetPort", found)
        if port.get("nodePort") and kind == "ClusterIP":
            found.append(say.forbidden(f"{where}.nodePort", "may not be used when `type` is 'ClusterIP'"))
        key = (port.get("port", 0), port.get("protocol", ""))
        if key in served:
            found.append(say.duplicate(where, _as_go_port(port)))
        served.add(key)


def _as_go_port(port: Json) -> Json:
    """A duplicate port is shown as the server's own struct, with only the fields that were compared."""
    shown = {"Name": "", "Protocol": port["protocol"], "AppProtocol": None, "Port": port["port"]}
    return {**shown, "TargetPort": 0, "NodePort": 0}


def check_ingress(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """An Ingress."""
    spec = obj.get("spec") or {}
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        found.append(say.invalid("spec", None, detail))
    if spec.get("defaultBackend") is not None:
        _check_backend(spec["defaultBackend"], "spec.defaultBackend", found)
    for index, rule in enumerate(spec.get("rules") or ()):
        _check_rule(rule, f"spec.rules[{index}]", found)


def _check_rule(rule: Json, where: str, found: list[Violation]) -> None:
    host = rule.get("host", "")
    plain = host.removeprefix("*.")
    problems = names.subdomain_problems(plain) if plain else ()
    found.extend(say.invalid(f"{where}.host", host, problem) for problem in problems)
    if rule.get("http") is None:
        return
    paths = rule["http"].get("paths") or []
    if not paths:
        found.append(say.required(f"{where}.http.paths"))
    for index, path in enumerate(paths):
        _check_path(path, f"{where}.http.paths[{index}]", found)


def _check_path(path: Json, where: str, found: list[Violation]) -> None:
    kind, text = path.get("pathType"), path.get("path", "")
    if kind is None:
        found.append(say.required(f"{where}.pathType", "pathType must be specified"))
    elif kind not in _PATH_TYPES:
        found.append(say.unsupported(f"{where}.pathType", kind, _PATH_TYPES))
    is_plain = kind in ("Exact", "Prefix")
    if not text.startswith("/") and (text or is_plain):
        found.append(say.invalid(f"{where}.path", text, "must be an absolute path"))
    elif is_plain:
        _check_plain_path(text, f"{where}.path", found)
    _check_backend(path.get("backend") or {}, f"{where}.backend", found)


def _check_plain_path(text: str, where: str, found: list[Violation]) -> None:
    """A path that is matched as it is written says nothing that could be read in two ways."""
    for part in _AMBIGUOUS_PARTS:
        if part in text:
            found.append(say.invalid(where, text, f"must not contain '{part}'"))
    for end in _AMBIGUOUS_ENDS:
        if text.endswith(end):
            found.append(say.invalid(where, text, f"cannot end with '{end}'"))


def _check_backend(backend: Json, where: str, found: list[Violation]) -> None:
    service = backend.get("service")
    if service is None and backend.get("resource") is None:
        found.append(say.invalid(where, "", "resource or service backend is required"))
    if service is None:
        return
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        found.append(say.required(f"{where}.service.name"))
    found.extend(
        say.invalid(f"{where}.service.name", name, problem) for problem in (names.label_problems(name) if name else ())
    )
    if port.get("name") and port.get("number"):
        found.append(say.invalid(where, "", "cannot set both port name & port number"))
    elif port.get("name"):
        check_port(port["name"], f"{where}.service.port.name", found)
    elif port.get("number"):
        check_port(port["number"], f"{where}.service.port.number", found)
    else:
        found.append(say.required(where, "port name or number is required"))


def check_ingress_class(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """An IngressClass, whose controller is fixed."""
    controller = (obj.get("spec") or {}).get("controller", "")
    if not controller:
        found.append(say.required("spec.controller"))
    else:
        _check_controller(controller, found)
    if old is not None and controller != (old.get("spec") or {}).get("controller"):
        found.append(say.invalid("spec.controller", controller, "field is immutable"))


def _check_controller(controller: str, found: list[Violation]) -> None:
    domain, _, path = controller.partition("/")
    if not domain or not path:
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        found.append(say.invalid("spec.controller", controller, detail))
    else:
        problems = names.subdomain_problems(domain)
        found.extend(say.invalid("spec.controller", domain, problem) for problem in problems)


def check_endpoint_slice(obj: Json, old: Json | None, found: list[Violation]) -> None:
    """An EndpointSlice, whose address type is fixed."""
    kind = obj.get("addressType", "")
    check_one_of(kind, _ADDRESS_TYPES, "addressType", found)
    if old is not None and kind != old.get("addressType"):
        found.append(say.invalid("addressType", kind, "field is immutable"))
    for index, port in enumerate(obj.get("ports") or ()):
        name = port.get("name", "")
        problems = names.label_problems(name) if name else ()
        found.extend(say.invalid(f"ports[{index}].name", name, problem) for problem in problems)
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        _check_endpoint(endpoint, kind, f"endpoints[{index}]", found)


def _check_endpoint(endpoint: Json, kind: str, where: str, found: list[Violation]) -> None:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        found.append(say.required(f"{where}.addresses", "must contain at least 1 address"))
    for index, address in enumerate(addresses):
        if kind != "FQDN" and not _is_address(address):
            found.append(say.invalid(f"{where}.addresses[{index}]", address, _NOT_AN_ADDRESS))
    hostname = endpoint.get("hostname")
    if hostname is not None:
        problems = names.label_problems(hostname)
        found.extend(say.invalid(f"{where}.hostname", hostname, problem) for problem in problems)
