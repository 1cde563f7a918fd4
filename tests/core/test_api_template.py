"""Templates that mean the same are the same version."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rollouts.api import template

PLAIN: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"memory": "1024Mi", "cpu": "1000m"}},
                "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            }
        ],
        "serviceAccountName": "web",
        "volumes": [{"name": "conf", "configMap": {"name": "conf"}}, {"name": "tmp"}],
    },
}

LIVE: dict[str, Any] = {
    "metadata": {"creationTimestamp": None, "labels": {"app": "web", "rollouts-pod-template-hash": "abc"}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "imagePullPolicy": "IfNotPresent",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
                "readinessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "env": [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": "web",
        "serviceAccountName": "web",
        "terminationGracePeriodSeconds": 30,
        "volumes": [
            {"name": "conf", "configMap": {"name": "conf", "defaultMode": 420}},
            {"name": "tmp", "emptyDir": {}},
        ],
    },
}


def test_a_live_template_is_the_one_it_was_made_from() -> None:
    """Defaults, quantities, empty members and the controller's own label make no difference."""
    assert template.is_same(LIVE, PLAIN)
    assert template.is_same(PLAIN, LIVE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "containers", 0, "image"), "web:2"),
        (("spec", "containers", 0, "resources", "limits", "cpu"), "1001m"),
        (("spec", "containers", 0, "imagePullPolicy"), "Always"),
        (("metadata", "labels", "extra"), "x"),
        (("spec", "hostNetwork"), True),
        (("spec", "terminationGracePeriodSeconds"), 0),
    ],
)
def test_a_difference_in_meaning_is_another_version(path: tuple[str | int, ...], value: object) -> None:
    changed: Any = copy.deepcopy(PLAIN)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert not template.is_same(LIVE, changed)


def test_quantities_are_compared_by_value() -> None:
    """Also where their texts, and so the hashes, differ."""

    def with_cpu(amount: str) -> dict[str, Any]:
        return {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": amount}}}]}}

    assert template.is_same(with_cpu("2.125"), with_cpu("2125m"))
    assert not template.is_same(with_cpu("2.125"), with_cpu("2126m"))


def test_metadata_put_on_from_outside_is_ignored() -> None:
    live = copy.deepcopy(LIVE)
    live["metadata"]["labels"]["role"] = "canary"
    assert not template.is_same(live, PLAIN)
    assert template.is_same(live, PLAIN, ephemeral={"labels": {"role": "canary"}})


def test_injected_anti_affinity_is_ignored() -> None:
    """The controller's own term is no part of the version; a user's term is."""
    term = {
        "labelSelector": {
            "matchExpressions": [{"key": "rollouts-pod-template-hash", "operator": "In", "values": ["x"]}]
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    live = copy.deepcopy(LIVE)
    live["spec"]["affinity"] = {
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
    }
    assert template.is_same(live, PLAIN)
    live["spec"]["affinity"] = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}
    }
    assert not template.is_same(live, PLAIN)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("r:5000/a", "Always"),
        ("a:1", "IfNotPresent"),
        ("a@sha256:0", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    with_default = {"spec": {"containers": [{"name": "a", "image": image}]}}
    explicit = {"spec": {"containers": [{"name": "a", "image": image, "imagePullPolicy": policy}]}}
    assert template.is_same(with_default, explicit)


def test_a_malformed_quantity_costs_only_itself() -> None:
    """What is left makes a ReplicaSet, of the same version."""
    container = {"name": "a", "future": 1, "resources": {"requests": {"memory": "invalid", "cpu": 1}}}
    raw = {"spec": {"containers": [container], "ephemeralContainers": [container], "dnsPolicy": "Default"}}
    usable = template.usable(raw)
    sound = {"name": "a", "future": 1, "resources": {"requests": {"cpu": 1}}}
    assert usable == {"spec": {"containers": [sound], "dnsPolicy": "Default"}}
    assert template.is_same(raw, usable)
    assert raw["spec"]["ephemeralContainers"] == [container]
    assert template.usable(PLAIN) == PLAIN


def test_hostile_templates_do_not_raise() -> None:
    hostiles: list[Any] = [None, 3, [], {"metadata": 3, "spec": {"containers": [None], "volumes": {"a": 1}}}]
    for hostile in hostiles:
        assert template.is_same(hostile, hostile)
    for hostile in hostiles[-1:]:
        assert template.usable(hostile)
