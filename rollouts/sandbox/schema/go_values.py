"""What a typed server does to values on their way through its structs, beyond checking their types.

A Go struct forgets some zero values (`omitempty` on a field that is no pointer), stores quantities in one spelling and
times in UTC. The schema data does not say which fields are pointers, so the lists below do.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rollouts.sandbox.schema.quantity import canonical

_KEPT_TEXTS = frozenset(
    "apiGroup appProtocol completionMode holderIdentity hostname hostnameOverride ingressClassName loadBalancerClass "
    "managedBy namespace nodeName service storageClassName strategy trafficDistribution type volumeMode zone".split()
)
"""Optional texts whose empty value means something somewhere; all others vanish when empty."""
_FORGOTTEN_TEXTS = frozenset(
    {("PodSpec", "nodeName"), ("PodSpec", "hostname"), ("ObjectMeta", "namespace")}
    | {(struct, "type") for struct in ("ServiceSpec", "Secret", "Event", "DeploymentStrategy")}
)
_KEPT_FIELDS = frozenset({("EndpointPort", "name"), ("EndpointPort", "protocol"), ("GRPCAction", "service")})
_FORGOTTEN_NUMBERS = frozenset(
    "active availableReplicas count currentReplicas failed failureThreshold fullyLabeledReplicas generation "
    "healthCheckNodePort hostPort initialDelaySeconds minReadySeconds nodePort observedGeneration periodSeconds "
    "readyReplicas succeeded successThreshold unavailableReplicas updatedReplicas".split()
)
_FORGOTTEN_NUMBER_FIELDS = frozenset({("DeploymentStatus", "replicas"), ("Probe", "timeoutSeconds")})
_FORGOTTEN_FLAGS = frozenset(
    "hostIPC hostNetwork hostPID paused publishNotReadyAddresses readOnly stdin stdinOnce tty unschedulable".split()
)
_KEPT_LISTS = frozenset({("EndpointSlice", "endpoints"), ("HorizontalPodAutoscalerStatus", "currentMetrics")})
_UTC_SECONDS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_MICRO_TIME = re.compile(r"\.\d{6}(Z|[+-]\d\d:\d\d)$")
_UTC_MICROSECONDS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_FRACTION = re.compile(r"\.(\d+)")


def forgets_zero(struct: str, name: str, kind: str) -> bool:
    """Whether an optional field of this JSON type vanishes when its value is zero or empty."""
    if kind == "string":
        if (struct, name) in _FORGOTTEN_TEXTS:
            return True
        return name not in _KEPT_TEXTS and (struct, name) not in _KEPT_FIELDS
    if kind == "integer":
        return name in _FORGOTTEN_NUMBERS or (struct, name) in _FORGOTTEN_NUMBER_FIELDS
    if kind == "boolean":
        return name in _FORGOTTEN_FLAGS
    return kind in ("array", "map") and (struct, name) not in _KEPT_LISTS


def _quantity(value: Any) -> str:
    return canonical(value)


def _time(value: Any) -> str:
    """A time as it is stored: UTC, whole seconds."""
    if _UTC_SECONDS.match(value):
        return str(value)
    return f"{_moment(value, '2006-01-02T15:04:05Z07:00'):%Y-%m-%dT%H:%M:%SZ}"


def _micro_time(value: Any) -> str:
    """A time of fine grain as it is stored: UTC, six digits."""
    if _UTC_MICROSECONDS.match(value):
        return str(value)
    if _DATE.match(value) and not _MICRO_TIME.search(value):
        raise ValueError(f'parsing time "{value}" as "{_MICRO_LAYOUT}": cannot parse "{value[19:]}" as ".000000"')
    return f"{_moment(value, _MICRO_LAYOUT):%Y-%m-%dT%H:%M:%S.%fZ}"


def base64_text(value: str) -> str:
    """Bytes as they are stored. Raises ValueError for what is no base64."""
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        good = re.match(r"[A-Za-z0-9+/]*", value)
        raise ValueError(f"illegal base64 data at input byte {good.end() if good else 0}") from None
    return value


def _moment(text: str, layout: str) -> datetime:
    try:
        in_microseconds = _FRACTION.sub(lambda match: f".{match[1][:6]:0<6}", text)
        moment = datetime.fromisoformat(in_microseconds.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from None
    if moment.tzinfo is None:
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "" as "Z07:00"')
    return moment.astimezone(UTC)


NORMALISED: dict[str, Callable[[Any], str]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": _time,
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": _micro_time,
}
"""How the values of a definition are spelled when they are stored; each raises ValueError for what it cannot read."""
