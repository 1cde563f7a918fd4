"""The rules of containers: images, environment, ports, mounts, probes, hooks and resources."""

from __future__ import annotations

from typing import Any

from rollouts.sandbox.schema import names, quantity
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.field_rules import PORT_MAX, PROTOCOLS, check_at_least, check_one_of, check_port
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.violations import Violation

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_POD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)


def check_containers(spec: Json, where: str, volumes: set[str], found: list[Violation]) -> None:
    """All containers of a pod's spec; `volumes` are the names they may mount."""
    if not spec.get("containers"):
        found.append(say.required(f"{where}.containers"))
    grace = spec.get("terminationGracePeriodSeconds", 30)
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            place, name = f"{where}.{field}[{index}]", container.get("name", "")
            if not name:
                found.append(say.required(f"{place}.name"))
            elif name in seen:
                found.append(say.duplicate(f"{place}.name", name))
            else:
                found.extend(say.invalid(f"{place}.name", name, problem) for problem in names.label_problems(name))
            seen.add(name)
            _check_container(container, place, volumes, found)
            _check_probes(container, place, found)
            _check_hooks(container.get("lifecycle") or {}, f"{place}.lifecycle", found, grace=grace)


def _check_container(container: Json, where: str, volumes: set[str], found: list[Violation]) -> None:
    image = container.get("image", "")
    if not image:
        found.append(say.required(f"{where}.image"))
    elif image != image.strip():
        found.append(say.invalid(f"{where}.image", image, "must not have leading or trailing whitespace"))
    policy = container.get("imagePullPolicy", "")
    check_one_of(policy, _PULL_POLICIES, f"{where}.imagePullPolicy", found)
    policy = container.get("terminationMessagePolicy", "")
    check_one_of(policy, _MESSAGE_POLICIES, f"{where}.terminationMessagePolicy", found)
    _check_ports(container.get("ports") or [], f"{where}.ports", found)
    for index, variable in enumerate(container.get("env") or ()):
        _check_variable(variable, f"{where}.env[{index}]", found)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        _check_mount(mount, f"{where}.volumeMounts[{index}]", volumes, found)
    if container.get("resources"):
        _check_resources(container["resources"], f"{where}.resources", found)


def _check_ports(ports: list[Json], where: str, found: list[Violation]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        place, name, number = f"{where}[{index}]", port.get("name", ""), port.get("containerPort", 0)
        problems = names.port_name_problems(name) if name else ()
        found.extend(say.invalid(f"{place}.name", name, problem) for problem in problems)
        if name and name in seen:
            found.append(say.duplicate(f"{place}.name", name))
        seen.add(name)
        if not number:
            found.append(say.required(f"{place}.containerPort"))
        else:
            check_port(number, f"{place}.containerPort", found)
        if port.get("hostPort"):
            check_port(port["hostPort"], f"{place}.hostPort", found)
        check_one_of(port.get("protocol", ""), PROTOCOLS, f"{place}.protocol", found)


def _check_variable(variable: Json, where: str, found: list[Violation]) -> None:
    name = variable.get("name", "")
    if not name:
        found.append(say.required(f"{where}.name"))
    found.extend(say.invalid(f"{where}.name", name, problem) for problem in names.env_name_problems(name))
    source = variable.get("valueFrom")
    if source is None:
        return
    given = [one for one in _VALUE_SOURCES if source.get(one) is not None]
    if variable.get("value"):
        found.append(say.invalid(f"{where}.valueFrom", "", "may not be specified when `value` is not empty"))
    elif not given:
        found.append(say.invalid(f"{where}.valueFrom", "", _NO_SOURCE))
    elif len(given) > 1:
        found.append(say.invalid(f"{where}.valueFrom", "", "may not have more than one field specified at a time"))
    elif given == ["fieldRef"]:
        _check_field_path(source["fieldRef"].get("fieldPath", ""), f"{where}.valueFrom.fieldRef.fieldPath", found)


def _check_field_path(path: str, where: str, found: list[Violation]) -> None:
    if not path:
        found.append(say.required(where))
    elif path.partition("[")[0] not in _POD_FIELDS:
        detail = f"error converting fieldPath: field label not supported: {path}"
        found.append(say.invalid(where, path, detail))


def _check_mount(mount: Json, where: str, volumes: set[str], found: list[Violation]) -> None:
    name = mount.get("name", "")
    if not name:
        found.append(say.required(f"{where}.name"))
    elif name not in volumes:
        found.append(say.not_found(f"{where}.name", name))
    if not mount.get("mountPath"):
        found.append(say.required(f"{where}.mountPath"))


def _check_probes(container: Json, where: str, found: list[Violation]) -> None:
    for name in _PROBES:
        probe = container.get(name)
        if probe is None:
            continue
        place = f"{where}.{name}"
        _check_handler(probe, _PROBE_HANDLERS, place, found)
        for number in _PROBE_NUMBERS:
            check_at_least(probe, number, place, found)
        check_at_least(probe, "terminationGracePeriodSeconds", place, found, minimum=1)
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            found.append(say.invalid(f"{place}.successThreshold", probe["successThreshold"], "must be 1"))


def _check_hooks(lifecycle: Json, where: str, found: list[Violation], *, grace: int) -> None:
    for name in ("postStart", "preStop"):
        hook = lifecycle.get(name)
        if hook is None:
            continue
        _check_handler(hook, _HOOK_HANDLERS, f"{where}.{name}", found)
        seconds = (hook.get("sleep") or {}).get("seconds", 0)
        if not 0 <= seconds <= grace:
            detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            found.append(say.invalid(f"{where}.{name}.sleep", seconds, detail))


def _check_handler(owner: Json, kinds: tuple[str, ...], where: str, found: list[Violation]) -> None:
    given = [kind for kind in kinds if owner.get(kind) is not None]
    if not given:
        found.append(say.required(where, "must specify a handler type"))
    for kind in given[1:]:
        found.append(say.forbidden(f"{where}.{kind}", "may not specify more than 1 handler type"))
    if not given:
        return
    kind, handler = given[0], owner[given[0]]
    if kind == "exec" and not handler.get("command"):
        found.append(say.required(f"{where}.exec.command"))
    elif kind in ("httpGet", "tcpSocket"):
        check_port(handler.get("port", 0), f"{where}.{kind}.port", found)
    elif kind == "grpc" and not 1 <= handler.get("port", 0) <= PORT_MAX:
        check_port(handler.get("port", 0), f"{where}.grpc.port", found)


def _check_resources(resources: Json, where: str, found: list[Violation]) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            _check_amount(name, amount, f"{where}.{field}[{name}]", found)
    for name, amount in requests.items():
        if name in limits and quantity.value_of(amount) > quantity.value_of(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            found.append(say.invalid(f"{where}.requests", amount, detail))


def _check_amount(name: str, amount: Any, where: str, found: list[Violation]) -> None:
    if "/" not in name and name not in _RESOURCES and not name.startswith("hugepages-"):
        found.append(say.invalid(where, name, "must be a standard resource type or fully qualified"))
        found.append(say.invalid(where, name, "must be a standard resource for containers"))
    if quantity.value_of(amount) < 0:
        found.append(say.invalid(where, amount, "must be greater than or equal to 0"))
