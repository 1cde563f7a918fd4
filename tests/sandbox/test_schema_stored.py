"""What is stored of a built-in object: defaults filled in, spellings made one, and nothing the kind does not know."""

from __future__ import annotations

import pytest

from tests.sandbox.refusals import one_container, pod_spec
from tests.sandbox.rest import Api, Json

LABELS = {"app": "a"}
CONTAINER_DEFAULTS = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "Always",
    "resources": {},
}
POD_DEFAULTS = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}


def deployment(**spec: object) -> Json:
    template = {"metadata": {"labels": LABELS}, "spec": pod_spec()}
    return {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": LABELS}, "template": template, **spec}}


def stored(api: Api, path: str, body: Json) -> Json:
    """What the server would store."""
    answer = api.post(f"{path}?dryRun=All", {"metadata": {"name": "x"}, **body})
    assert answer.code == 201, answer
    return answer.body


def container_of(api: Api, **container: object) -> Json:
    """What the server would store of a pod's only container."""
    stored_container: Json = stored(api, "v1/pods", {"spec": one_container(**container)})["spec"]["containers"][0]
    return stored_container


def test_a_deployment_gets_its_defaults(api_anywhere: Api) -> None:
    """The strategy, the limits, and those of its pods."""
    spec = stored(api_anywhere, "apps/v1/deployments", deployment())["spec"]
    template = spec.pop("template")
    assert spec == {
        "replicas": 1,
        "selector": {"matchLabels": LABELS},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    container = {"name": "c", "image": "i", **CONTAINER_DEFAULTS}
    assert template["spec"] == {"containers": [container], **POD_DEFAULTS}


def test_recreate_has_no_rolling_parameters(api_anywhere: Api) -> None:
    """A default belongs to the strategy that was chosen."""
    body = deployment(strategy={"type": "Recreate"})
    assert stored(api_anywhere, "apps/v1/deployments", body)["spec"]["strategy"] == {"type": "Recreate"}


def test_a_pod_gets_more_than_a_template(api_anywhere: Api) -> None:
    """Admission gives it a priority, tolerations and a class of service."""
    pod = stored(api_anywhere, "v1/pods", {"spec": pod_spec()})
    assert pod["spec"]["priority"] == 0
    assert pod["spec"]["preemptionPolicy"] == "PreemptLowerPriority"
    assert [one["key"] for one in pod["spec"]["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("web:v1", "IfNotPresent"),
        ("localhost:5000/web", "Always"),
        ("localhost:5000/web:v1", "IfNotPresent"),
        ("web@sha256:0000000000000000000000000000000000000000000000000000000000000000", "IfNotPresent"),
    ],
)
def test_an_image_without_a_fixed_tag_is_always_pulled(api_anywhere: Api, image: str, policy: str) -> None:
    """What may change under its name must be asked for again."""
    assert container_of(api_anywhere, image=image)["imagePullPolicy"] == policy


def test_a_probe_gets_its_numbers(api_anywhere: Api) -> None:
    """Once a second for a probe's patience, and so on."""
    assert container_of(api_anywhere, readinessProbe={"httpGet": {"port": 80}})["readinessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_a_limit_is_a_request(api_anywhere: Api) -> None:
    """In a pod; a template keeps what it was given."""
    resources = {"limits": {"cpu": "1"}}
    assert container_of(api_anywhere, resources=resources)["resources"] == {**resources, "requests": {"cpu": "1"}}
    body = deployment()
    body["spec"]["template"]["spec"] = one_container(resources=resources)
    template = stored(api_anywhere, "apps/v1/deployments", body)["spec"]["template"]
    assert template["spec"]["containers"][0]["resources"] == resources


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (2, "2"),
        (0.25, "250m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1500", "1500"),
        ("2000", "2k"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("100M", "100M"),
        ("1025Ki", "1025Ki"),
    ],
)
def test_a_quantity_has_one_spelling(api_anywhere: Api, written: object, kept: str) -> None:
    """However it was written."""
    container = container_of(api_anywhere, resources={"requests": {"memory": written}})
    assert container["resources"]["requests"]["memory"] == kept


def test_zero_values_that_mean_nothing_are_forgotten(api_anywhere: Api) -> None:
    """A typed server does not tell them from absent ones; it keeps those that say something."""
    body = deployment(replicas=0, minReadySeconds=0, paused=False)
    body["spec"]["template"]["spec"] = one_container(
        command=[], stdin=False, env=[{"name": "A", "value": ""}], workingDir=""
    )
    spec = stored(api_anywhere, "apps/v1/deployments", body)["spec"]
    assert spec["replicas"] == 0
    assert {"minReadySeconds", "paused"}.isdisjoint(spec)
    container = spec["template"]["spec"]["containers"][0]
    assert container == {"name": "c", "image": "i", "env": [{"name": "A"}], **CONTAINER_DEFAULTS}


def test_nulls_mean_not_set(api_anywhere: Api) -> None:
    """They neither stay nor prevent a default."""
    body = deployment(replicas=None, paused=None)
    assert stored(api_anywhere, "apps/v1/deployments", body)["spec"]["replicas"] == 1


def test_a_service_port_leads_to_the_same_port(api_anywhere: Api) -> None:
    """Unless it says where else."""
    spec = stored(api_anywhere, "v1/services", {"spec": {"ports": [{"port": 80}]}})["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["type"], spec["sessionAffinity"], spec["internalTrafficPolicy"]) == ("ClusterIP", "None", "Cluster")


def test_an_autoscaler_without_metrics_watches_the_cpu(api_anywhere: Api) -> None:
    """At eighty percent."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    body = {"spec": {"maxReplicas": 3, "scaleTargetRef": target}}
    spec = stored(api_anywhere, "autoscaling/v2/horizontalpodautoscalers", body)["spec"]
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    assert spec["metrics"] == [{"type": "Resource", "resource": metric}]
    assert spec["minReplicas"] == 1


def test_a_job_selects_its_pods_by_its_uid(api: Api) -> None:
    """So that two Jobs never share pods."""
    template = {"spec": pod_spec(restartPolicy="Never")}
    job = api.created("batch/v1/jobs", {"metadata": {"name": "x"}, "spec": {"template": template}})
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "x"


def test_unknown_fields_are_dropped_and_reported(api_anywhere: Api) -> None:
    """As warnings by default; Strict refuses; Ignore is silent."""
    body = {"metadata": {"name": "x"}, "data": {"a": "b"}, "spec": {}}
    warned = api_anywhere.post("v1/configmaps?dryRun=All", body)
    assert warned.code == 201
    assert "spec" not in warned.body
    assert warned.warnings == '299 - "unknown field \\"spec\\""'
    ignored = api_anywhere.post("v1/configmaps?dryRun=All&fieldValidation=Ignore", body)
    assert (ignored.code, ignored.warnings) == (201, "")
    refused = api_anywhere.post("v1/configmaps?dryRun=All&fieldValidation=Strict", body)
    assert refused.code == 400
    head = 'ConfigMap in version "v1" cannot be handled as a ConfigMap'
    assert refused.message == f'{head}: strict decoding error: unknown field "spec"'


def test_unknown_fields_are_named_with_their_place(api_anywhere: Api) -> None:
    """Down to the item of a list."""
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["imag"] = "typo"
    answer = api_anywhere.post("apps/v1/deployments?dryRun=All&fieldValidation=Strict", body)
    assert answer.message.endswith('unknown field "spec.template.spec.containers[0].imag"')


def test_a_strict_patch_is_itself_invalid(api: Api) -> None:
    """When it brings in a field that nobody knows."""
    api.created("apps/v1/deployments", deployment())
    answer = api.patch("apps/v1/deployments/x?fieldValidation=Strict", {"spec": {"imag": 1}})
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert answer.message.startswith(' "" is invalid: patch: Invalid value: ')
    assert answer.message.endswith('strict decoding error: unknown field "spec.imag"')
