"""The rules of a pod's spec, alone or inside a template, in the API server's words."""

from __future__ import annotations

from rollouts.sandbox.schema import names
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.container_rules import check_containers
from rollouts.sandbox.schema.field_rules import check_one_of
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.object_meta import check_annotations, check_labels
from rollouts.sandbox.schema.violations import Violation

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_TOLERATION_OPERATORS = ("Equal", "Exists")
_DEADLINE_MAX = 2**31 - 1
_MUTABLE = ("activeDeadlineSeconds", "tolerations")
_FIXED_SPEC = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_template(template: Json, where: str, found: list[Violation]) -> None:
    """The metadata and spec of a pod template."""
    meta = template.get("metadata") or {}
    check_labels(meta.get("labels") or {}, f"{where}.labels", found)
    check_annotations(meta.get("annotations") or {}, f"{where}.annotations", found)
    check_pod_spec(template.get("spec") or {}, f"{where}.spec", found)


def check_pod_spec(spec: Json, where: str, found: list[Violation]) -> None:
    """Append to `found` what is wrong with a pod's spec."""
    volumes = _check_volumes(spec.get("volumes") or [], f"{where}.volumes", found)
    check_containers(spec, where, volumes, found)
    check_one_of(spec.get("restartPolicy", ""), _RESTART_POLICIES, f"{where}.restartPolicy", found)
    check_one_of(spec.get("dnsPolicy", ""), _DNS_POLICIES, f"{where}.dnsPolicy", found)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _DEADLINE_MAX:
        detail = f"must be between 1 and {_DEADLINE_MAX}, inclusive"
        found.append(say.invalid(f"{where}.activeDeadlineSeconds", deadline, detail))
    check_labels(spec.get("nodeSelector") or {}, f"{where}.nodeSelector", found)
    for name in ("serviceAccountName", "nodeName"):
        text = spec.get(name, "")
        problems = names.subdomain_problems(text) if text else ()
        found.extend(say.invalid(f"{where}.{name}", text, problem) for problem in problems)
    for name in ("hostname", "subdomain"):
        text = spec.get(name, "")
        problems = names.label_problems(text) if text else ()
        found.extend(say.invalid(f"{where}.{name}", text, problem) for problem in problems)
    _check_gates(spec, where, found)


def _check_gates(spec: Json, where: str, found: list[Violation]) -> None:
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        problems = names.qualified_name_problems(kind)
        place = f"{where}.readinessGates[{index}].conditionType"
        found.extend(say.invalid(place, kind, problem) for problem in problems)
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        operator = toleration.get("operator", "Equal")
        check_one_of(operator, _TOLERATION_OPERATORS, f"{where}.tolerations[{index}].operator", found)


def _check_volumes(volumes: list[Json], where: str, found: list[Violation]) -> set[str]:
    """The names of the volumes; what is wrong with them is appended to `found`."""
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        place, name = f"{where}[{index}]", volume.get("name", "")
        if not name:
            found.append(say.required(f"{place}.name"))
        problems = names.label_problems(name) if name else ()
        found.extend(say.invalid(f"{place}.name", name, problem) for problem in problems)
        if name in seen:
            found.append(say.duplicate(f"{place}.name", name))
        seen.add(name)
        _check_source(volume, place, found)
    return seen


def _check_source(volume: Json, where: str, found: list[Violation]) -> None:
    kinds = [kind for kind in volume if kind != "name"]
    if not kinds:
        found.append(say.required(where, "must specify a volume type"))
    surplus = sorted(kinds, reverse=True)[1:]
    found.extend(say.forbidden(f"{where}.{kind}", "may not specify more than 1 volume type") for kind in surplus)
    needed = {"configMap": "name", "secret": "secretName", "hostPath": "path", "persistentVolumeClaim": "claimName"}
    for kind, name in needed.items():
        if kind in volume and len(kinds) == 1 and not volume[kind].get(name):
            found.append(say.required(f"{where}.{kind}.{name}"))


def check_pod_update(obj: Json, old: Json, found: list[Violation]) -> None:
    """A pod's spec is fixed, but for images, a deadline that comes nearer and added tolerations."""
    deadline, before = obj["spec"].get("activeDeadlineSeconds"), old["spec"].get("activeDeadlineSeconds")
    if before is not None and (deadline is None or deadline > before):
        detail = "must be less than or equal to previous value"
        found.append(say.invalid("spec.activeDeadlineSeconds", deadline, detail))
    if _fixed(obj["spec"]) != _fixed(old["spec"]):
        found.append(say.forbidden("spec", _FIXED_SPEC))


def _fixed(spec: Json) -> Json:
    fixed = {name: value for name, value in spec.items() if name not in _MUTABLE}
    for name in ("containers", "initContainers"):
        if name in fixed:
            fixed[name] = [{key: value for key, value in one.items() if key != "image"} for one in fixed[name]]
    return fixed
