"""Tables: what `kubectl get` shows is decided by the server, and the server decides as a real one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.sandbox import ages, jsonpath, tables
from rollouts.sandbox.resources import BUILTIN, Json, Resource

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
FIVE_MINUTES_AGO = "2026-01-01T11:55:00Z"


def resource(kind: str, group: str = "") -> Resource:
    return next(each for each in BUILTIN if (each.group, each.kind) == (group, kind))


def custom(*columns: Json) -> Resource:
    version = {"name": "v1", "served": True, "additionalPrinterColumns": list(columns)}
    return Resource(
        group="x.io", version="v1", kind="Toy", plural="toys", singular="toy", list_kind="ToyList", namespaced=True,
        custom=version,
    )  # fmt: skip


def meta(**more: Any) -> Json:
    return {"name": "a", "namespace": "default", "creationTimestamp": FIVE_MINUTES_AGO, **more}


def row(kind: Resource, obj: Json) -> dict[str, Any]:
    table = tables.render(kind, [obj], list_meta={}, now=NOW)
    names = [column["name"] for column in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


def status(phase: str, *containers: Json, **more: Any) -> Json:
    return {"phase": phase, "containerStatuses": [{"name": "c", **each} for each in containers], **more}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"),
        (600, "10m"), (10_799, "179m"), (10_800, "3h"), (11_100, "3h5m"), (28_800, "8h"), (172_799, "47h"),
        (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"), (63_071_999, "729d"), (63_072_000, "2y"),
        (63_158_400, "2y1d"), (252_288_000, "8y"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_prints_them(seconds: int, text: str) -> None:
    """One unit when it says enough, two where a reader wants to know."""
    assert ages.human(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.n", [3]),
        ("{.spec.n}", [3]),
        (".spec.missing.deeper", []),
        (".spec.list[1]", ["y"]),
        (".spec.list[-1]", ["z"]),
        (".spec.list[0:2]", ["x", "y"]),
        (".spec.list[*]", ["x", "y", "z"]),
        ("['spec']['n']", [3]),
        (r".labels.app\.kubernetes\.io/name", ["web"]),
        ('.conditions[?(@.type=="Ready")].status', ["True"]),
        ('.conditions[?(@.n>1)].type', ["Live"]),
        ('.conditions[?(@.n > "1")].type', []),
        (".conditions[?(@.n)].type", ["Live"]),
    ],
)  # fmt: skip
def test_a_path_finds_what_it_names(path: str, found: list[Any]) -> None:
    """Fields, indices, slices, wildcards and filters; what is missing is no error."""
    obj = {
        "spec": {"n": 3, "list": ["x", "y", "z"]},
        "labels": {"app.kubernetes.io/name": "web"},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Live", "n": 2}],
    }
    assert jsonpath.find(path, obj) == found


@pytest.mark.parametrize("path", [".a[", ".a[x y]", '.a[?(@.b=="]', ".a b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A wrong path is reported with its text."""
    with pytest.raises(ValueError, match="is not a"):
        jsonpath.compile_path(path)


def test_a_custom_kind_is_shown_by_its_columns() -> None:
    """Each column's value is taken by JSONPath and shown in the column's type."""
    shown = row(
        custom(
            {"name": "Weight", "type": "integer", "jsonPath": ".spec.weight"},
            {"name": "Half", "type": "number", "jsonPath": ".spec.half"},
            {"name": "Paused", "type": "boolean", "jsonPath": ".spec.paused"},
            {"name": "Hosts", "type": "string", "jsonPath": ".spec.hosts"},
            {"name": "Missing", "type": "string", "jsonPath": ".spec.missing"},
            {"name": "Wrong", "type": "integer", "jsonPath": ".spec.hosts"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "Bad date", "type": "date", "jsonPath": ".spec.bad"},
        ),
        {"metadata": meta(), "spec": {"weight": 20, "half": 0.5, "paused": False, "hosts": ["a"], "bad": "soon"}},
    )
    assert shown == {
        "Name": "a", "Weight": 20, "Half": 0.5, "Paused": False, "Hosts": '["a"]', "Missing": None, "Wrong": None,
        "Age": "5m", "Bad date": "<invalid>",
    }  # fmt: skip


def test_a_custom_kind_without_columns_has_name_and_age() -> None:
    """No columns declared means the two that every object has."""
    assert row(custom(), {"metadata": meta()}) == {"Name": "a", "Age": "5m"}


@pytest.mark.parametrize(
    ("pod_status", "ready", "text"),
    [
        (status("Pending"), "0/1", "Pending"),
        (status("Running", {"ready": True, "state": {"running": {}}}), "1/1", "Running"),
        (status("Running", {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}), "0/1", "CrashLoopBackOff"),
        (status("Succeeded", {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}), "0/1", "Completed"),
        (status("Failed", {"state": {"terminated": {"exitCode": 3}}}), "0/1", "ExitCode:3"),
        (status("Failed", {"state": {"terminated": {"signal": 9, "exitCode": 137}}}), "0/1", "Signal:9"),
        (status("Failed", reason="Evicted"), "0/1", "Evicted"),
        (
            status("Pending", conditions=[{"type": "PodScheduled", "reason": "SchedulingGated"}]),
            "0/1",
            "SchedulingGated",
        ),
        (
            status("Pending", initContainerStatuses=[{"name": "i", "state": {"terminated": {"exitCode": 1}}}]),
            "0/1",
            "Init:ExitCode:1",
        ),
        (status("Pending", initContainerStatuses=[{"name": "i", "state": {"running": {}}}]), "0/1", "Init:0/1"),
    ],
)
def test_a_pod_shows_what_its_containers_say(pod_status: Json, ready: str, text: str) -> None:
    """STATUS names the most telling fact, not the phase."""
    spec = {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}
    shown = row(resource("Pod"), {"metadata": meta(), "spec": spec, "status": pod_status})
    assert (shown["Ready"], shown["Status"]) == (ready, text)


def test_a_pod_that_is_deleted_is_terminating() -> None:
    """A deletion outweighs what the containers say."""
    pod = {"metadata": meta(deletionTimestamp=FIVE_MINUTES_AGO), "status": status("Running")}
    assert row(resource("Pod"), pod)["Status"] == "Terminating"


def test_restarts_say_when_the_last_one_was() -> None:
    """The count alone until a container has ended, then how long ago that was."""
    ended = {"restartCount": 2, "lastState": {"terminated": {"finishedAt": FIVE_MINUTES_AGO}}}
    shown = row(resource("Pod"), {"metadata": meta(), "status": status("Running", ended, {"restartCount": 1})})
    assert shown["Restarts"] == "3 (5m ago)"


@pytest.mark.parametrize(
    ("kind", "obj", "cells"),
    [
        (
            resource("Deployment", "apps"),
            {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}},
            {"Ready": "2/3", "Up-to-date": 3, "Available": 1, "Age": "5m"},
        ),
        (
            resource("ReplicaSet", "apps"),
            {"spec": {"replicas": 3}, "status": {"replicas": 2, "readyReplicas": 1}},
            {"Desired": 3, "Current": 2, "Ready": 1},
        ),
        (
            resource("Service"),
            {"spec": {"type": "ClusterIP", "clusterIP": "127.96.0.9", "ports": [{"port": 80, "protocol": "TCP"}]}},
            {"Type": "ClusterIP", "Cluster-IP": "127.96.0.9", "External-IP": "<none>", "Port(s)": "80/TCP"},
        ),
        (
            resource("Job", "batch"),
            {
                "spec": {"completions": 1},
                "status": {
                    "succeeded": 1,
                    "startTime": FIVE_MINUTES_AGO,
                    "completionTime": "2026-01-01T11:55:07Z",
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            {"Status": "Complete", "Completions": "1/1", "Duration": "7s"},
        ),
        (
            resource("HorizontalPodAutoscaler", "autoscaling"),
            {
                "spec": {
                    "scaleTargetRef": {"kind": "Rollout", "name": "web"},
                    "maxReplicas": 5,
                    "metrics": [{
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                    }],
                }
            },
            {"Reference": "Rollout/web", "Targets": "cpu: <unknown>/80%", "MinPods": "<unset>", "MaxPods": 5},
        ),
        (
            resource("EndpointSlice", "discovery.k8s.io"),
            {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": [str(n)]} for n in range(5)]},
            {"Ports": "80", "Endpoints": "0,1,2 + 2 more..."},
        ),
        (
            resource("Event"),
            {"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "Started", "message": "on it\n"},
            {"Last Seen": "<unknown>", "Object": "pod/p", "Message": "on it", "Count": 1, "Name": "a"},
        ),
        (resource("ConfigMap"), {"data": {"a": "1"}, "binaryData": {"b": "MQ=="}}, {"Data": 2}),
        (resource("PodDisruptionBudget", "policy"), {"spec": {"minAvailable": 1}}, {"Max Unavailable": "N/A"}),
        (resource("Role", "rbac.authorization.k8s.io"), {}, {"Created At": FIVE_MINUTES_AGO}),
    ],
    ids=lambda value: value.kind if isinstance(value, Resource) else "",
)  # fmt: skip
def test_built_in_kinds_have_their_columns(kind: Resource, obj: Json, cells: Json) -> None:
    """The cells that people read off a real cluster."""
    shown = row(kind, {"metadata": meta(), **obj})
    assert cells.items() <= shown.items()


@pytest.mark.parametrize("kind", [each for each in BUILTIN if not each.is_review], ids=lambda each: each.qualified_name)
def test_every_kind_can_be_shown_empty(kind: Resource) -> None:
    """An object with only a name has a cell for every column."""
    bare = {"metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "r"}}
    assert "a" in row(kind, bare).values()


def test_a_row_carries_as_much_of_the_object_as_asked() -> None:
    """Metadata by default, all or nothing on demand."""
    obj = {"metadata": meta(), "data": {}}
    carried = [
        tables.render(resource("ConfigMap"), [obj], list_meta={}, now=NOW, include_object=include)["rows"][0]["object"]
        for include in ("Metadata", "Object", "None")
    ]
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta()}
    assert carried == [partial, obj, None]
