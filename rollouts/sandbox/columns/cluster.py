"""How a table shows namespaces, nodes, events, configuration, access rules and leases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rollouts.sandbox import ages
from rollouts.sandbox.columns.column import AGE, NAME, NONE, Column, Printer, age_of, dig, name_of, texts, wide
from rollouts.sandbox.resources import Json


def _plain(obj: Json, now: datetime) -> list[Any]:
    return [name_of(obj), age_of(obj, now)]


def _created_at(obj: Json, _now: datetime) -> list[Any]:
    return [name_of(obj), obj["metadata"].get("creationTimestamp")]


def _node(obj: Json, now: datetime) -> list[Any]:
    info = dig(obj, "status", "nodeInfo") or {}
    conditions = [each for each in dig(obj, "status", "conditions") or [] if each["type"] == "Ready"]
    states = ["Ready" if each.get("status") == "True" else "NotReady" for each in conditions] or ["Unknown"]
    if dig(obj, "spec", "unschedulable"):
        states.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in obj["metadata"].get("labels") or {} if key.startswith(prefix))
    addresses = {each["type"]: each["address"] for each in dig(obj, "status", "addresses") or []}
    kernel = info.get("kernelVersion") or ages.UNKNOWN
    return [
        name_of(obj),
        ",".join(states),
        ",".join(roles) or NONE,
        age_of(obj, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage") or ages.UNKNOWN,
        f"{kernel} ({info['architecture']})" if info.get("architecture") else kernel,
        info.get("containerRuntimeVersion") or ages.UNKNOWN,
    ]


def _event(obj: Json, now: datetime) -> list[Any]:
    target, series = obj.get("involvedObject") or obj.get("regarding") or {}, obj.get("series") or {}
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    kind = str(target.get("kind", "")).lower()
    return [
        ages.since(series.get("lastObservedTime") or last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{target['name']}" if target.get("name") else kind,
        target.get("fieldPath", ""),
        _event_source(obj),
        str(obj.get("message") or obj.get("note") or "").strip(),
        ages.since(first, now),
        series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1,
        name_of(obj),
    ]


def _event_source(obj: Json) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _namespace(obj: Json, now: datetime) -> list[Any]:
    return [name_of(obj), dig(obj, "status", "phase") or "", age_of(obj, now)]


def _secret(obj: Json, now: datetime) -> list[Any]:
    return [name_of(obj), obj.get("type", ""), len(obj.get("data") or {}), age_of(obj, now)]


def _config_map(obj: Json, now: datetime) -> list[Any]:
    return [name_of(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), age_of(obj, now)]


def _role_binding(obj: Json, now: datetime) -> list[Any]:
    role, subjects = obj["roleRef"], obj.get("subjects") or []
    names = {kind: [each["name"] for each in subjects if each["kind"] == kind] for kind in ("User", "Group")}
    accounts = [f"{each.get('namespace', '')}/{each['name']}" for each in subjects if each["kind"] == "ServiceAccount"]
    shown = [", ".join(names["User"]), ", ".join(names["Group"]), ", ".join(accounts)]
    return [name_of(obj), f"{role['kind']}/{role['name']}", age_of(obj, now), *shown]


def _lease(obj: Json, now: datetime) -> list[Any]:
    return [name_of(obj), dig(obj, "spec", "holderIdentity") or "", age_of(obj, now)]


_EVENT = Printer(
    (
        *texts("Last Seen", "Type", "Reason", "Object"),
        *wide("Subobject", "Source"),
        *texts("Message"),
        *wide("First Seen", "Count"),
        Column(name="Name", format="name", priority=1),
    ),
    _event,
)
_BINDING = Printer((NAME, *texts("Role"), AGE, *wide("Users", "Groups", "ServiceAccounts")), _role_binding)
CREATED_AT = Printer((NAME, Column(name="Created At", type="date")), _created_at)
PRINTERS = {
    ("", "ConfigMap"): Printer((NAME, *texts("Data"), AGE), _config_map),
    ("", "Event"): _EVENT,
    ("", "Namespace"): Printer((NAME, *texts("Status"), AGE), _namespace),
    ("", "Node"): Printer(
        (
            NAME,
            *texts("Status", "Roles"),
            AGE,
            *texts("Version"),
            *wide("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        ),
        _node,
    ),
    ("", "Secret"): Printer((NAME, *texts("Type", "Data"), AGE), _secret),
    ("", "ServiceAccount"): Printer((NAME, AGE), _plain),
    ("coordination.k8s.io", "Lease"): Printer((NAME, *texts("Holder"), AGE), _lease),
    ("events.k8s.io", "Event"): _EVENT,
    ("rbac.authorization.k8s.io", "ClusterRole"): CREATED_AT,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "Role"): CREATED_AT,
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
}
