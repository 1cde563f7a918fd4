"""Whether two pod templates mean the same version.

The API server fills in defaults, prints quantities its own way and drops what it does not know; versions of it and of
this controller differ in that. So templates are compared by meaning: put in order, defaults filled in, empty members
and the marks of the controller itself left out. Hashes, which are about text, are lib/hashing.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.api import poddefaults
from rollouts.api.meta import POD_HASH_LABEL
from rollouts.lib import podjson, quantity

_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def is_same(one: object, other: object, *, ephemeral: Mapping[str, Any] | None = None) -> bool:
    """Whether two raw pod templates describe the same pods.

    `ephemeral` names the labels and annotations (`{"labels": {...}, "annotations": {...}}`) that were put on `one`
    from outside its template.
    """
    return normal(one, ephemeral=ephemeral) == normal(other)


def normal(template: object, *, ephemeral: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The form in which templates of the same meaning are equal."""
    ordered = poddefaults.apply(podjson.ordered(template, quantity.canonical))
    _forget_metadata(ordered["metadata"], ephemeral or {})
    ordered["spec"].pop("serviceAccount", None)  # an old name of serviceAccountName, filled in on some servers only
    _forget_injected_anti_affinity(ordered["spec"])
    pruned = _pruned(ordered)
    assert isinstance(pruned, dict)
    return pruned


def usable(template: Mapping[str, Any]) -> dict[str, Any]:
    """The raw template without the quantities that are none, as an API server would refuse a ReplicaSet with them.

    Such a value costs itself; within ephemeral containers it costs their list. Everything else stays as it is, members
    that this version does not know too.
    """
    spec = template.get("spec")
    if not isinstance(spec, Mapping):
        return dict(template)
    pod = dict(spec)
    for kind in ("initContainers", "containers"):
        if isinstance(pod.get(kind), list):
            pod[kind] = [_with_sound_resources(container) for container in pod[kind]]
    ephemeral = pod.get("ephemeralContainers")
    if isinstance(ephemeral, list) and any(_with_sound_resources(each) != each for each in ephemeral):
        del pod["ephemeralContainers"]
    return {**template, "spec": pod}


def _with_sound_resources(container: Any) -> Any:
    resources = container.get("resources") if isinstance(container, Mapping) else None
    if not isinstance(resources, Mapping):
        return container
    sound = dict(resources)
    for kind in ("limits", "requests"):
        amounts = sound.get(kind)
        if isinstance(amounts, Mapping):
            sound[kind] = {name: each for name, each in amounts.items() if quantity.parse(each) is not None}
    return {**container, "resources": sound}


def _forget_metadata(metadata: dict[str, Any], ephemeral: Mapping[str, Any]) -> None:
    metadata.get("labels", {}).pop(POD_HASH_LABEL, None)
    for kind in ("labels", "annotations"):
        injected = ephemeral.get(kind)
        for key in injected if isinstance(injected, Mapping) else ():
            metadata.get(kind, {}).pop(key, None)


def _forget_injected_anti_affinity(pod: dict[str, Any]) -> None:
    rules = pod.get("affinity", {}).get("podAntiAffinity", {})
    if _REQUIRED in rules:
        rules[_REQUIRED] = [term for term in rules[_REQUIRED] if not _is_injected(term)]
    if _PREFERRED in rules:
        rules[_PREFERRED] = [term for term in rules[_PREFERRED] if not _is_injected(term["podAffinityTerm"])]


def _is_injected(term: Mapping[str, Any]) -> bool:
    """Only the controller writes terms about the label that only it sets."""
    requirements = term.get("labelSelector", {}).get("matchExpressions", ())
    return any(requirement["key"] == POD_HASH_LABEL for requirement in requirements)


def _pruned(value: Any) -> Any:
    """Without null, empty lists and empty objects, at any depth; an empty volume or handler keeps its name."""
    if isinstance(value, dict):
        pruned = {key: _pruned(member) for key, member in value.items()}
        return {key: member for key, member in pruned.items() if not _is_nothing(key, member)}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


_MEANINGFUL_WHEN_EMPTY = frozenset({"emptyDir", "labelSelector", "namespaceSelector", "exec", "downwardAPI"})


def _is_nothing(key: str, value: Any) -> bool:
    return value is None or (value in ({}, []) and key not in _MEANINGFUL_WHEN_EMPTY)
