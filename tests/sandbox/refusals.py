"""How a refused object is asked for, and the sentences that many refusals share."""

from __future__ import annotations

from tests.sandbox.rest import Api, Json

A_PERCENTAGE = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
A_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
A_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
A_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
A_NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
PATHS = {
    "ConfigMap": "v1/configmaps",
    "Deployment": "apps/v1/deployments",
    "EndpointSlice": "discovery.k8s.io/v1/endpointslices",
    "HorizontalPodAutoscaler": "autoscaling/v2/horizontalpodautoscalers",
    "Ingress": "networking.k8s.io/v1/ingresses",
    "IngressClass": "/apis/networking.k8s.io/v1/ingressclasses",
    "Job": "batch/v1/jobs",
    "Lease": "coordination.k8s.io/v1/leases",
    "Pod": "v1/pods",
    "PodDisruptionBudget": "policy/v1/poddisruptionbudgets",
    "ReplicaSet": "apps/v1/replicasets",
    "Role": "rbac.authorization.k8s.io/v1/roles",
    "RoleBinding": "rbac.authorization.k8s.io/v1/rolebindings",
    "Secret": "v1/secrets",
    "Service": "v1/services",
}


def pod_spec(**spec: object) -> Json:
    """A pod's spec that is valid but for these fields."""
    return {"containers": [{"name": "c", "image": "i"}], **spec}


def one_container(**container: object) -> Json:
    """A pod's spec with one container, which has these fields."""
    return {"containers": [{"name": "c", "image": "i", **container}]}


def qualified_kind(kind: str) -> str:
    """How a refusal names the kind."""
    group = PATHS[kind].removeprefix("/apis/").split("/")[0]
    return kind if group == "v1" else f"{kind}.{group}"


def refused(api: Api, kind: str, body: Json) -> str:
    """The complaint, without its beginning that names the object."""
    version = PATHS[kind].removeprefix("/apis/").rpartition("/")[0]
    sent = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **body}
    answer = api.post(f"{PATHS[kind]}?dryRun=All", sent)
    head = f'{qualified_kind(kind)} "x" is invalid: '
    assert (answer.code, answer.reason) == (422, "Invalid"), answer
    assert answer.message.startswith(head)
    return answer.message.removeprefix(head)
