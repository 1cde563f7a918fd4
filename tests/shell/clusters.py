"""Clusters for tests of the shell, with CRDs as loose or strict as a test needs.

`a_cluster` is the sandbox in the test's own loop or, where KUBEBUILDER_ASSETS names one, the real API server that
conftest.py runs, emptied for every test. `a_sandbox` is for tests that make weather, or count what arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import Configuration

from rollouts.kube.client import KubeClient, Observe, Request
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    EXPERIMENTS,
    INGRESSES,
    LEASES,
    REPLICA_SETS,
    ROLLOUTS,
    SECRETS,
    SERVICES,
    Kind,
)
from rollouts.sandbox.access import service_account
from rollouts.sandbox.cluster import Sandbox, kubeconfig

ANYTHING: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def a_crd(kind: Kind, *, has_status: bool, status: dict[str, Any] | None = None) -> dict[str, Any]:
    """A CRD whose spec takes anything; `status` is the schema of its status."""
    properties = {"spec": ANYTHING, "status": status or ANYTHING}
    version: dict[str, Any] = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    if has_status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.name,
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.is_namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "listKind": f"{kind.name}List",
            },
            "versions": [version],
        },
    }


LOOSE_CRDS = (
    a_crd(ROLLOUTS, has_status=True),
    a_crd(ANALYSIS_RUNS, has_status=False),
    a_crd(ANALYSIS_TEMPLATES, has_status=False),
    a_crd(CLUSTER_ANALYSIS_TEMPLATES, has_status=False),
    a_crd(EXPERIMENTS, has_status=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A way into a cluster with an administrator's rights."""

    url: str
    token: str
    certificate: Path | None = None
    """What to trust; None: it speaks plain HTTP."""
    sandbox: Sandbox | None = None

    def configuration(self) -> Configuration:
        """For the client library."""
        configuration = Configuration(host=self.url)
        configuration.api_key["BearerToken"] = f"Bearer {self.token}"
        configuration.client_session_kwargs = {"trust_env": False}
        if self.certificate is not None:
            configuration.ssl_ca_cert = str(self.certificate)
        return configuration

    def kubeconfig(self, path: Path, *, token: str = "") -> Path:
        """Write a kubeconfig, for an administrator unless another token is given."""
        document = kubeconfig(self.url, token or self.token)
        if self.certificate is not None:
            document["clusters"][0]["cluster"]["certificate-authority"] = str(self.certificate)
        path.write_text(yaml.safe_dump(document))
        return path


real: Access | None = None
"""The real API server of this session, if it has one."""


def access_to(sandbox: Sandbox) -> Access:
    """The way into a sandbox that runs."""
    return Access(url=sandbox.url, token=sandbox.token, sandbox=sandbox)


@asynccontextmanager
async def client_of(cluster: Sandbox | Access, observe: Observe | None = None) -> AsyncIterator[KubeClient]:
    """A client, closed at the end."""
    access = access_to(cluster) if isinstance(cluster, Sandbox) else cluster
    client = KubeClient(access.configuration(), observe=observe)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def a_cluster(
    *crds: dict[str, Any], rbac: bool = False, observe: Observe | None = None
) -> AsyncIterator[tuple[Access, KubeClient]]:
    """A cluster with these CRDs, and a client for it. A real one always asks for rights; a sandbox with `rbac`."""
    if real is not None:
        async with client_of(real, observe) as client:
            await _empty(client)
            await install(client, *crds)
            yield real, client
        return
    async with Sandbox(rbac=rbac) as sandbox, client_of(sandbox, observe) as client:
        await install(client, *crds)
        yield access_to(sandbox), client


@asynccontextmanager
async def a_sandbox(*crds: dict[str, Any]) -> AsyncIterator[tuple[Sandbox, KubeClient]]:
    """A sandbox with these CRDs, whatever the environment says, and a client for it."""
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        await install(client, *crds)
        yield sandbox, client


async def token_of(access: Access, client: KubeClient, namespace: str, name: str) -> str:
    """A bearer token of a ServiceAccount."""
    if access.sandbox is not None:
        return access.sandbox.access.issue(service_account(namespace, name))
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await client.send(Request(method="POST", path=path, body=body))
    return str(answer["status"]["token"])


async def install(client: KubeClient, *crds: dict[str, Any]) -> None:
    """Create CRDs and wait until they are served, also in the documents about them."""
    for crd in crds:
        await create(client, CRDS, crd)
    for crd in crds:
        group, names, version = crd["spec"]["group"], crd["spec"]["names"], crd["spec"]["versions"][0]["name"]
        kind = Kind(group=group, version=version, name=names["kind"], plural=names["plural"])
        while not await _is_served(client, kind):  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.05)


async def _is_served(client: KubeClient, kind: Kind) -> bool:
    try:
        await client.get(kind.path())
        names = {each["name"] for each in (await client.get(kind.root))["resources"]}
        document = await client.get(f"/openapi/v3{kind.root}")
    except ApiError:
        return False
    return kind.plural in names and any(name.endswith(f".{kind.name}") for name in document["components"]["schemas"])


async def _empty(client: KubeClient) -> None:
    """Remove what the test before left behind."""
    for crd in (await client.get(CRDS.path()))["items"]:
        await client.send(Request(method="DELETE", path=CRDS.path("", crd["metadata"]["name"])))
    others = {"fieldSelector": "metadata.name!=kubernetes"}  # the Service of the API server itself
    for kind in (REPLICA_SETS, DEPLOYMENTS, SERVICES, INGRESSES, EVENTS, LEASES, SECRETS):
        await client.send(Request(method="DELETE", path=kind.path("default"), query=others))
    while True:
        try:
            await client.get(f"/openapi/v3{ROLLOUTS.root}")
        except NotFound:
            return
        await asyncio.sleep(0.05)


async def create(client: KubeClient, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
    """Store an object as its author would, without what only the server sets."""
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _SERVER_SETS}
    body = {**manifest, "metadata": meta}
    stored = await client.send(Request(method="POST", path=kind.path(meta.get("namespace", "")), body=body))
    return stored


async def read(client: KubeClient, kind: Kind, name: str, namespace: str = "default") -> dict[str, Any]:
    """The object as stored."""
    return await client.get(kind.path(namespace, name))


_SERVER_SETS = ("uid", "resourceVersion", "generation", "creationTimestamp")
