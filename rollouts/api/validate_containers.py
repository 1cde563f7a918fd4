"""Rules of the containers and volumes of a pod template. Messages are the Kubernetes API's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollouts.api.findings import Finding, Place
from rollouts.api.validate_labels import dns_label_problem
from rollouts.lib import quantity

_PORT_MAX = 65535
_PORT_NAME_MAX = 15
_PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
_PULL_POLICIES = frozenset({"Always", "IfNotPresent", "Never"})
_MESSAGE_POLICIES = frozenset({"File", "FallbackToLogsOnError"})
_PROBE_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_WHOLE_NUMBER_RESOURCES = re.compile(r"hugepages-.+|[^/]+/.+")


def containers(spec: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """Everything wrong with the containers of a pod, regular and init."""
    if not spec.get("containers"):
        yield (place / "containers").required()
    known_volumes = {volume["name"] for volume in spec.get("volumes") or ()}
    names: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            here = (place / kind)[index]
            yield from _name(container["name"], names, here / "name")
            yield from _container(container, known_volumes, here)


def volumes(value: Sequence[Mapping[str, Any]], place: Place) -> Iterator[Finding]:
    """Everything wrong with the volumes of a pod, as far as names and number of sources go."""
    names: set[str] = set()
    for index, volume in enumerate(value):
        yield from _name(volume["name"], names, place[index] / "name")
        sources = [name for name in volume if name != "name"]
        for extra in sources[1:]:
            yield (place[index] / extra).forbidden("may not specify more than 1 volume type")


def _name(name: str, taken: set[str], place: Place) -> Iterator[Finding]:
    if not name:
        yield place.required()
        return
    problem = dns_label_problem(name)
    if problem:
        yield place.invalid(name, problem)
    if name in taken:
        yield place.duplicate(name)
    taken.add(name)


def _container(container: Mapping[str, Any], known_volumes: set[str], place: Place) -> Iterator[Finding]:
    if not container.get("image"):
        yield (place / "image").required()
    elif container["image"] != container["image"].strip():
        yield (place / "image").invalid(container["image"], "must not have leading or trailing whitespace")
    yield from _one_of(container, "imagePullPolicy", _PULL_POLICIES, place)
    yield from _one_of(container, "terminationMessagePolicy", _MESSAGE_POLICIES, place)
    yield from _ports(container.get("ports") or [], place / "ports")
    yield from _environment(container.get("env") or [], place / "env")
    yield from _mounts(container.get("volumeMounts") or [], known_volumes, place / "volumeMounts")
    for probe in _PROBES:
        if probe in container:
            yield from _probe(container[probe], place / probe)
    yield from _resources(container["resources"], place / "resources")


def _one_of(container: Mapping[str, Any], name: str, allowed: frozenset[str], place: Place) -> Iterator[Finding]:
    if container[name] not in allowed:
        yield (place / name).unsupported(container[name], allowed)


def _ports(ports: Sequence[Mapping[str, Any]], place: Place) -> Iterator[Finding]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        here = place[index]
        name = port.get("name")
        if name:
            yield from _port_name(name, names, here / "name")
        if not port["containerPort"]:
            yield (here / "containerPort").required()
        elif not 1 <= port["containerPort"] <= _PORT_MAX:
            message = f"must be between 1 and {_PORT_MAX}, inclusive"
            yield (here / "containerPort").invalid(port["containerPort"], message)
        if not 0 <= port.get("hostPort", 0) <= _PORT_MAX:
            yield (here / "hostPort").invalid(port["hostPort"], f"must be between 1 and {_PORT_MAX}, inclusive")
        if port["protocol"] not in _PROTOCOLS:
            yield (here / "protocol").unsupported(port["protocol"], _PROTOCOLS)


def _port_name(name: str, taken: set[str], place: Place) -> Iterator[Finding]:
    if len(name) > _PORT_NAME_MAX:
        yield place.invalid(name, f"must be no more than {_PORT_NAME_MAX} characters")
    elif not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) or "--" in name:
        yield place.invalid(name, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    elif not re.search("[a-z]", name):
        yield place.invalid(name, "must contain at least one letter (a-z)")
    if name in taken:
        yield place.duplicate(name)
    taken.add(name)


def _environment(variables: Sequence[Mapping[str, Any]], place: Place) -> Iterator[Finding]:
    for index, variable in enumerate(variables):
        if not variable["name"]:
            yield (place[index] / "name").required()
        if variable.get("value") and "valueFrom" in variable:
            yield (place[index] / "valueFrom").invalid("", "may not be specified when `value` is not empty")


def _mounts(mounts: Sequence[Mapping[str, Any]], known_volumes: set[str], place: Place) -> Iterator[Finding]:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        here = place[index]
        if not mount["name"]:
            yield (here / "name").required()
        elif mount["name"] not in known_volumes:
            yield (here / "name").not_found(mount["name"])
        path = mount["mountPath"]
        if not path:
            yield (here / "mountPath").required()
        if path in paths:
            yield (here / "mountPath").invalid(path, "must be unique")
        paths.add(path)


def _probe(probe: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    actions = [name for name in _PROBE_ACTIONS if name in probe]
    if not actions:
        yield place.required("must specify a handler type")
    for extra in actions[1:]:
        yield (place / extra).forbidden("may not specify more than 1 handler type")
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(name, 0) < 0:
            yield (place / name).invalid(probe[name], _NOT_NEGATIVE)
    if place.path.endswith(("livenessProbe", "startupProbe")) and probe["successThreshold"] != 1:
        yield (place / "successThreshold").invalid(probe["successThreshold"], "must be 1")


def _resources(resources: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if (quantity.parse(amount) or 0) < 0:
                yield (place / kind / name).invalid(amount, _NOT_NEGATIVE)
    for name, amount in requests.items():
        wanted, most = quantity.parse(amount), quantity.parse(limits.get(name))
        if wanted is None or most is None:
            continue
        if wanted > most:
            message = f"must be less than or equal to {name} limit of {limits[name]}"
            yield (place / "requests").really_at(name).invalid(amount, message)
        elif wanted != most and _WHOLE_NUMBER_RESOURCES.fullmatch(name):
            message = f"must be equal to {name} limit of {limits[name]}"
            yield (place / "requests").really_at(name).invalid(amount, message)
