"""What is wrong with an object of a built-in kind, and how the server says so."""

from __future__ import annotations

import pytest

from tests.sandbox.refusals import (
    A_LABEL_VALUE,
    A_NAME_PART,
    A_PERCENTAGE,
    A_SUBDOMAIN,
    PATHS,
    one_container,
    pod_spec,
    refused,
)
from tests.sandbox.rest import Api, Json

LABELS = {"app": "a"}


def owned(**spec: object) -> Json:
    template = {"metadata": {"labels": LABELS}, "spec": pod_spec()}
    return {"selector": {"matchLabels": LABELS}, "template": template, **spec}


def rolling(**amounts: object) -> Json:
    return owned(strategy={"type": "RollingUpdate", "rollingUpdate": amounts})


def job_spec(**spec: object) -> Json:
    return {"template": {"spec": pod_spec(restartPolicy="Never")}, **spec}


def service_spec(*ports: Json, **spec: object) -> Json:
    return {"ports": list(ports) or [{"port": 80}], **spec}


def ingress_spec(**path: object) -> Json:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    return {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend, **path}]}}]}


SCALED = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}
WORKLOADS = [
    ("ReplicaSet", owned(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    (
        "ReplicaSet",
        owned(selector={"matchLabels": {"app": "b"}}),
        'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
    ),
    (
        "ReplicaSet",
        owned(selector=None),
        "[spec.selector: Required value, "
        'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`]',
    ),
    ("ReplicaSet", owned(selector={}), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    (
        "ReplicaSet",
        owned(template={"metadata": {"labels": LABELS}, "spec": {}}),
        "spec.template.spec.containers: Required value",
    ),
    (
        "ReplicaSet",
        owned(template={"metadata": {"labels": LABELS}, "spec": pod_spec(restartPolicy="Never")}),
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    (
        "Deployment",
        rolling(maxSurge=0, maxUnavailable=0),
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    ("Deployment", rolling(maxSurge="x"), f'spec.strategy.rollingUpdate.maxSurge: Invalid value: "x": {A_PERCENTAGE}'),
    (
        "Deployment",
        rolling(maxUnavailable="101%"),
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ),
    (
        "Deployment",
        owned(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        "Deployment",
        owned(progressDeadlineSeconds=1, minReadySeconds=5),
        "spec.progressDeadlineSeconds: Invalid value: 1: must be greater than minReadySeconds",
    ),
    (
        "Deployment",
        owned(selector={"matchExpressions": [{"key": "app", "operator": "In"}]}),
        "[spec.selector.matchExpressions[0].values: Required value: "
        "must be specified when `operator` is 'In' or 'NotIn', "
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"In"}]}: invalid label selector]',
    ),
    (
        "Job",
        job_spec(template={"spec": pod_spec()}),
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    ("Job", job_spec(backoffLimit=-1), "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0"),
]
NETWORK = [
    ("Service", {"spec": {"ports": []}}, "spec.ports: Required value"),
    (
        "Service",
        {"spec": service_spec({"port": 80}, {"port": 81})},
        "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
    ),
    (
        "Service",
        {"spec": service_spec(type="Other")},
        'spec.type: Unsupported value: "Other": '
        'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ),
    (
        "Service",
        {"spec": service_spec(clusterIP="x")},
        'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ),
    (
        "Service",
        {"spec": service_spec({"port": 80, "nodePort": 80})},
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ),
    (
        "Ingress",
        {"spec": ingress_spec(path="/a//b")},
        "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b\": must not contain '//'",
    ),
    (
        "Ingress",
        {"spec": ingress_spec(path="a", pathType="ImplementationSpecific")},
        'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
    ),
    (
        "IngressClass",
        {"spec": {"controller": "ab"}},
        'spec.controller: Invalid value: "ab": must be a domain-prefixed path (such as "acme.io/foo")',
    ),
    ("Ingress", {"spec": {}}, "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
    (
        "Ingress",
        {"spec": ingress_spec(path="x")},
        'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
    ),
    (
        "Ingress",
        {"spec": ingress_spec(pathType=None)},
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
    ),
    (
        "Ingress",
        {"spec": ingress_spec(backend={"service": {"name": "s", "port": {}}})},
        "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
    ),
    (
        "EndpointSlice",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["x"]}]},
        'endpoints[0].addresses[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ),
]
POLICY = [
    (
        "PodDisruptionBudget",
        {"spec": {"unhealthyPodEvictionPolicy": "X"}},
        'spec.unhealthyPodEvictionPolicy: Unsupported value: "X": supported values: "AlwaysAllow", "IfHealthyBudget"',
    ),
    (
        "HorizontalPodAutoscaler",
        {"spec": {**SCALED, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}}},
        "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
    ),
    (
        "HorizontalPodAutoscaler",
        {
            "spec": {
                **SCALED,
                "behavior": {"scaleDown": {"policies": [{"type": "X", "value": 0, "periodSeconds": 2000}]}},
            }
        },
        '[spec.behavior.scaleDown.policies[0].type: Unsupported value: "X": supported values: "Percent", "Pods", '
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero, "
        "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to 1800]",
    ),
    (
        "PodDisruptionBudget",
        {"spec": {"minAvailable": "200%"}},
        'spec.minAvailable: Invalid value: "200%": must not be greater than 100%',
    ),
    (
        "HorizontalPodAutoscaler",
        {
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 1,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "D", "name": "x"},
            }
        },
        "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
    ),
    (
        "Lease",
        {"spec": {"leaseDurationSeconds": 0}},
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    ),
    (
        "Role",
        {"rules": [{"apiGroups": [""], "resources": ["pods"]}]},
        "rules[0].verbs: Required value: verbs must contain at least one value",
    ),
    (
        "RoleBinding",
        {"roleRef": {"kind": "Other", "name": "x"}, "subjects": [{"kind": "Other", "name": "x"}]},
        '[roleRef.kind: Unsupported value: "Other": supported values: "Role", "ClusterRole", '
        'subjects[0].kind: Unsupported value: "Other": supported values: "ServiceAccount", "User", "Group"]',
    ),
    (
        "ConfigMap",
        {"data": {"a": "b"}, "binaryData": {"a": "Yg=="}},
        'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    ),
    (
        "Secret",
        {"type": "kubernetes.io/tls"},
        "[data[tls.crt]: Required value, data[tls.key]: Required value]",
    ),
]
METADATA = [
    ({"name": "A"}, f'metadata.name: Invalid value: "A": {A_SUBDOMAIN}'),
    ({"name": "x", "labels": {"a": "c d"}}, f'metadata.labels: Invalid value: "c d": {A_LABEL_VALUE}'),
    ({"name": "x", "annotations": {"a b": "c"}}, f'metadata.annotations: Invalid value: "a b": {A_NAME_PART}'),
    (
        {"name": "x", "finalizers": ["mine"]},
        'metadata.finalizers[0]: Invalid value: "mine": '
        "name is neither a standard finalizer name nor is it fully qualified",
    ),
    (
        {"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ),
]


@pytest.mark.parametrize(("kind", "spec", "complaint"), WORKLOADS)
def test_a_workload_that_breaks_a_rule_is_refused(api_anywhere: Api, kind: str, spec: Json, complaint: str) -> None:
    """With the field and the rule, in the server's words."""
    assert refused(api_anywhere, kind, {"spec": spec}) == complaint


@pytest.mark.parametrize(("kind", "body", "complaint"), NETWORK + POLICY)
def test_other_kinds_have_rules_too(api_anywhere: Api, kind: str, body: Json, complaint: str) -> None:
    """With the field and the rule, in the server's words."""
    assert refused(api_anywhere, kind, body) == complaint


@pytest.mark.parametrize(("metadata", "complaint"), METADATA)
def test_every_object_has_metadata_with_rules(api_anywhere: Api, metadata: Json, complaint: str) -> None:
    """Names, labels, annotations, finalizers and owners."""
    answer = api_anywhere.post("v1/configmaps?dryRun=All", {"metadata": metadata})
    assert answer.code == 422
    assert answer.message == f'ConfigMap "{metadata["name"]}" is invalid: {complaint}'


UNREADABLE = [
    (
        "Deployment",
        {"spec": {"replicas": "x"}},
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ),
    (
        "Deployment",
        {"metadata": {"name": "x", "labels": {"a": 1}}},
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    ),
    (
        "Pod",
        {"spec": one_container(resources={"limits": {"cpu": "x"}})},
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    ("Secret", {"data": {"a": "%%"}}, "illegal base64 data at input byte 0"),
    (
        "Lease",
        {"spec": {"renewTime": "2026-01-01T00:00:00Z"}},
        'parsing time "2026-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
    ),
]


@pytest.mark.parametrize(("kind", "body", "why"), UNREADABLE)
def test_a_value_of_the_wrong_type_cannot_be_read(api_anywhere: Api, kind: str, body: Json, why: str) -> None:
    """That is a bad request, not an invalid object."""
    answer = api_anywhere.post(PATHS[kind], {"metadata": {"name": "x"}, **body})
    version = PATHS[kind].split("/")[-2]
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == f'{kind} in version "{version}" cannot be handled as a {kind}: {why}'


def test_every_mistake_is_a_cause(api_anywhere: Api) -> None:
    """Programs read the causes, people the message."""
    answer = api_anywhere.post("v1/pods?dryRun=All", {"metadata": {"name": "x"}, "spec": {"containers": [{}]}})
    causes = [
        {"reason": "FieldValueRequired", "message": "Required value", "field": f"spec.containers[0].{field}"}
        for field in ("name", "image")
    ]
    assert answer["details"] == {"name": "x", "kind": "Pod", "causes": causes}


def test_a_selector_cannot_change(api: Api) -> None:
    """A ReplicaSet that selects others would leave its pods behind."""
    api.created("apps/v1/replicasets", {"metadata": {"name": "x"}, "spec": owned()})
    labels = {"matchLabels": {"app": "b"}}
    change = {"spec": {"selector": labels, "template": {"metadata": {"labels": {"app": "b"}}}}}
    answer = api.patch("apps/v1/replicasets/x", change)
    assert answer.code == 422
    complaint = 'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'
    assert answer.message == f'ReplicaSet.apps "x" is invalid: {complaint}'


def test_an_immutable_config_map_stays(api: Api) -> None:
    """Neither its data nor the promise can be changed."""
    api.created("v1/configmaps", {"metadata": {"name": "x"}, "data": {"a": "1"}, "immutable": True})
    answer = api.patch("v1/configmaps/x", {"data": {"a": "2"}})
    assert answer.code == 422
    assert answer.message == 'ConfigMap "x" is invalid: data: Forbidden: field is immutable when `immutable` is set'


def test_a_role_binding_keeps_its_role(api: Api) -> None:
    """Who may bind is not decided twice."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}
    api.created("rbac.authorization.k8s.io/v1/rolebindings", {"metadata": {"name": "x"}, "roleRef": role})
    answer = api.patch("rbac.authorization.k8s.io/v1/rolebindings/x", {"roleRef": {"name": "b"}})
    assert answer.code == 422
    assert answer.message.endswith("cannot change roleRef")
