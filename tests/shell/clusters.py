"""A cluster for tests of the kube layer: the sandbox in the test's own loop, with CRDs as loose or strict as a test
needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubernetes.aio.client import Configuration

from rollouts.kube.client import KubeClient, Request
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    CRDS,
    ROLLOUTS,
    Kind,
)
from rollouts.sandbox.cluster import Sandbox

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
)


def configuration_for(sandbox: Sandbox) -> Configuration:
    """The client library's configuration for an administrator of a sandbox."""
    configuration = Configuration(host=sandbox.url)
    configuration.api_key["BearerToken"] = f"Bearer {sandbox.token}"
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


@asynccontextmanager
async def client_of(sandbox: Sandbox) -> AsyncIterator[KubeClient]:
    """A client, closed at the end."""
    client = KubeClient(configuration_for(sandbox))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def a_cluster(*crds: dict[str, Any]) -> AsyncIterator[tuple[Sandbox, KubeClient]]:
    """A sandbox with these CRDs, and a client for it."""
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        for crd in crds:
            await create(client, CRDS, crd)
        yield sandbox, client


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
