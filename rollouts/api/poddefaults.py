"""The defaults the API server gives a pod template inside a workload, for comparing templates.

Works on templates already put in order by `podjson.ordered`. Only defaults that are constants or follow from the
template itself are here; defaults of whole pods (requests from limits, tolerations) are given when a pod is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_HTTP_GET = {"path": "/", "scheme": "HTTP"}
_FILE_MODE = 0o644
_VOLUME: dict[str, dict[str, Any]] = {
    "secret": {"defaultMode": _FILE_MODE},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "projected": {"defaultMode": _FILE_MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_TOKEN_SECONDS = 3600


def apply(template: dict[str, Any]) -> dict[str, Any]:
    """The ordered template with defaults filled in, in place; returned for chaining."""
    pod = template.setdefault("spec", {})
    _fill(pod, _POD)
    for container in _containers(pod):
        _container(container, is_host_network=bool(pod.get("hostNetwork")))
    for volume in pod.get("volumes") or ():
        _volume(volume)
    for reference in _members_named(pod, "fieldRef"):
        _fill(reference, {"apiVersion": "v1"})
    return template


def _fill(target: dict[str, Any], defaults: dict[str, Any]) -> None:
    for name, value in defaults.items():
        target.setdefault(name, value)


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(name) or ()


def _container(container: dict[str, Any], *, is_host_network: bool) -> None:
    _fill(container, _CONTAINER)
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if is_host_network:
            port.setdefault("hostPort", port["containerPort"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _fill(container[name], _PROBE)
    for action in _members_named(container, "httpGet"):
        _fill(action, _HTTP_GET)
    for action in _members_named(container, "grpc"):
        action["service"] = action.get("service") or ""


def _pull_policy(image: str) -> str:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _volume(volume: dict[str, Any]) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for name, defaults in _VOLUME.items():
        if name in volume:
            _fill(volume[name], defaults)
    for token in _members_named(volume, "serviceAccountToken"):
        _fill(token, {"expirationSeconds": _TOKEN_SECONDS})
    for claim in _members_named(volume, "volumeClaimTemplate"):
        _fill(claim["spec"], {"volumeMode": "Filesystem"})


def _members_named(value: Any, name: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key == name and isinstance(member, dict):
                yield member
            yield from _members_named(member, name)
    elif isinstance(value, list):
        for item in value:
            yield from _members_named(item, name)
