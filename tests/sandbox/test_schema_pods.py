"""What is wrong with a pod, and how the server says so."""

from __future__ import annotations

import pytest

from tests.sandbox.refusals import (
    A_LABEL,
    A_LABEL_VALUE,
    A_NAME_PART,
    one_container,
    pod_spec,
    refused,
)
from tests.sandbox.rest import JSON_PATCH, Api, Json

PODS = [
    ({}, "spec.containers: Required value"),
    ({"containers": [{}]}, "[spec.containers[0].name: Required value, spec.containers[0].image: Required value]"),
    ({"containers": [{"name": "A_", "image": "i"}]}, f'spec.containers[0].name: Invalid value: "A_": {A_LABEL}'),
    (
        {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]},
        'spec.containers[1].name: Duplicate value: "c"',
    ),
    (
        pod_spec(restartPolicy="Sometimes"),
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    (
        one_container(ports=[{"containerPort": 70000}]),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    (
        one_container(ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]),
        'spec.containers[0].ports[1].name: Duplicate value: "a"',
    ),
    (
        one_container(ports=[{"containerPort": 80, "protocol": "X"}]),
        'spec.containers[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ),
    (
        one_container(image=" x"),
        'spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace',
    ),
    (
        one_container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ),
    (
        one_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "elsewhere"}}}]),
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "elsewhere": '
        "error converting fieldPath: field label not supported: elsewhere",
    ),
    (
        one_container(volumeMounts=[{"name": "v", "mountPath": "/x"}]),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ),
    (
        one_container(readinessProbe={}),
        "spec.containers[0].readinessProbe: Required value: must specify a handler type",
    ),
    (
        one_container(readinessProbe={"httpGet": {"port": 80}, "tcpSocket": {"port": 80}}),
        "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ),
    (
        one_container(livenessProbe={"httpGet": {"port": 80}, "successThreshold": 2}),
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    (
        one_container(lifecycle={"preStop": {"sleep": {"seconds": -1}}}),
        "spec.containers[0].lifecycle.preStop.sleep: Invalid value: -1: "
        "must be non-negative and less than terminationGracePeriodSeconds (30)",
    ),
    (
        one_container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (pod_spec(volumes=[{"name": "v"}, {"name": "v"}]), 'spec.volumes[1].name: Duplicate value: "v"'),
    (pod_spec(nodeSelector={"a": "b c"}), f'spec.nodeSelector: Invalid value: "b c": {A_LABEL_VALUE}'),
    (
        pod_spec(readinessGates=[{"conditionType": "a b"}]),
        f'spec.readinessGates[0].conditionType: Invalid value: "a b": {A_NAME_PART}',
    ),
]


@pytest.mark.parametrize(("spec", "complaint"), PODS)
def test_a_pod_that_breaks_a_rule_is_refused(api_anywhere: Api, spec: Json, complaint: str) -> None:
    """With the field and the rule, in the server's words."""
    assert refused(api_anywhere, "Pod", {"spec": spec}) == complaint


def test_a_pod_is_what_it_is(api: Api) -> None:
    """Its image may change; hardly anything else."""
    api.created("v1/pods", {"metadata": {"name": "x"}, "spec": pod_spec()})
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "j"}]
    assert api.patch("v1/pods/x", image, JSON_PATCH).code == 200
    answer = api.patch("v1/pods/x", {"spec": {"hostname": "other"}})
    assert answer.code == 422
    assert "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`" in answer.message


def test_a_pod_moves_to_a_node_by_a_binding_only(api: Api) -> None:
    """And a deadline may come nearer, not farther."""
    api.created("v1/pods", {"metadata": {"name": "x"}, "spec": pod_spec(activeDeadlineSeconds=50)})
    assert "spec: Forbidden" in api.patch("v1/pods/x", {"spec": {"nodeName": "n"}}).message
    assert api.patch("v1/pods/x", {"spec": {"activeDeadlineSeconds": 5}}).code == 200
    answer = api.patch("v1/pods/x", {"spec": {"activeDeadlineSeconds": 50}})
    assert answer.message.endswith("Invalid value: 50: must be less than or equal to previous value")
