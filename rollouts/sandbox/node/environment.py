"""A container's environment as its program gets it: values, fields of the pod, ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.kinds import CONFIG_MAPS, SECRETS, Json, Kind

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.\-][A-Za-z0-9_.\-]*)\)")
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
}


class ConfigProblem(Exception):
    """The environment cannot be made; the text says which source is missing."""


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value; an unknown one stays, `$$` is a dollar sign."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] is None else variables.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def field(pod: Json, path: str, *, address: str) -> str:
    """The value of a `fieldRef`. Raises ConfigProblem for a field that cannot be referred to."""
    if path in ("status.podIP", "status.podIPs"):
        return address
    if keyed := _KEYED_FIELD.fullmatch(path):
        return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))
    if path not in _FIELDS:
        raise ConfigProblem(f"fieldRef {path!r} is not supported")
    section, name = _FIELDS[path]
    return str(pod[section].get(name, ""))


async def environment(api: ApiClient, pod: Json, container: Json, *, address: str) -> dict[str, str]:
    """All variables of a container. Raises ConfigProblem for a missing source and ApiFailure when it cannot be read."""
    variables: dict[str, str] = {}
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix", "")
        for name, value in (await _all_of(api, namespace, source)).items():
            variables[prefix + name] = value
    for entry in container.get("env") or ():
        origin = entry.get("valueFrom") or {}
        if "fieldRef" in origin:
            variables[entry["name"]] = field(pod, origin["fieldRef"]["fieldPath"], address=address)
        elif origin:
            found = await _one_of(api, namespace, origin)
            if found is not None:
                variables[entry["name"]] = found
        else:
            variables[entry["name"]] = expanded(entry.get("value", ""), variables)
    return variables


async def _all_of(api: ApiClient, namespace: str, source: Json) -> dict[str, str]:
    if "configMapRef" in source:
        return await _read(api, CONFIG_MAPS, namespace, source["configMapRef"]) or {}
    return await _read(api, SECRETS, namespace, source["secretRef"]) or {}


async def _one_of(api: ApiClient, namespace: str, origin: Json) -> str | None:
    for name, kind in (("configMapKeyRef", CONFIG_MAPS), ("secretKeyRef", SECRETS)):
        if reference := origin.get(name):
            data = await _read(api, kind, namespace, reference)
            if data is not None and reference["key"] in data:
                return data[reference["key"]]
            if reference.get("optional"):
                return None
            raise ConfigProblem(f"couldn't find key {reference['key']} in {kind.kind} {namespace}/{reference['name']}")
    raise ConfigProblem(f"valueFrom {sorted(origin)} is not supported")


async def _read(api: ApiClient, kind: Kind, namespace: str, reference: Json) -> dict[str, str] | None:
    try:
        found = await api.get(kind, (namespace, reference["name"]))
    except ApiFailure as failure:
        if not failure.is_not_found:
            raise
        if reference.get("optional"):
            return None
        raise ConfigProblem(f'{kind.plural[:-1]} "{reference["name"]}" not found') from failure
    data: dict[str, str] = found.get("data") or {}
    if kind is SECRETS:
        return {name: base64.b64decode(value).decode() for name, value in data.items()}
    return data
