"""A running cluster for tests: API, controllers, node and balancer, and ways to wait for what they do.

The API is a sandbox of its own for every test, or a real kube-apiserver shared by all, in which every test has a
namespace of its own. Nothing sleeps: `until` and `gone` follow a watch, and give up after a time that only a hang can
take.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from rollouts.sandbox.client import ApiClient, ApiFailure, Connection
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.kinds import NAMESPACES, PODS, REPLICA_SETS, SERVICES, Json, Key, Kind, key_of, uid_of
from rollouts.sandbox.loopback import check_bindable
from rollouts.sandbox.workloads import Workloads
from tests.sandbox.ground import Ground

PATIENCE_SECONDS = 30.0
REAL_PODS = ipaddress.IPv4Network("10.1.0.0/16")
"""Bindable after `ip route add local 10.0.0.0/15 dev lo`; a real API server refuses loopback addresses."""
REAL_SERVICE = "10.0.0.1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A namespace of a running cluster, as tests use it."""

    api: ApiClient
    connection: Connection
    namespace: str

    def key(self, name: str) -> Key:
        """The key of an object of this namespace."""
        return self.namespace, name

    async def create(self, kind: Kind, obj: Json) -> Json:
        """Create an object."""
        return await self.api.create(kind, self.namespace if kind.namespaced else "", obj)

    async def objects(self, kind: Kind) -> list[Json]:
        """The objects of a kind in this namespace."""
        return [item for item in (await self.api.list(kind))[0] if key_of(item)[0] == self.namespace]

    async def until(self, kind: Kind, name: str, holds: Callable[[Json], bool]) -> Json:
        """Wait until an object is as a test wants it, and return it."""
        key = (self.namespace if kind.namespaced else "", name)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                items, version = await self.api.list(kind)
                found = next((item for item in items if key_of(item) == key), None)
                if found is not None and holds(found):
                    return found
                with contextlib.suppress(ApiFailure):
                    async for event in self.api.watch(kind, version):
                        seen = event["object"]
                        if event["type"] in ("ADDED", "MODIFIED") and key_of(seen) == key and holds(seen):
                            return dict(seen)

    async def until_count(self, kind: Kind, count: int, chosen: Callable[[Json], bool] = lambda _: True) -> list[Json]:
        """Wait until so many objects of a kind are as wanted, and return them."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                items, version = await self.api.list(kind)
                known = {uid_of(item): item for item in items if self._has(item) and chosen(item)}
                if len(known) == count:
                    return list(known.values())
                with contextlib.suppress(ApiFailure):
                    async for event in self.api.watch(kind, version):
                        seen = event["object"]
                        if event["type"] == "BOOKMARK" or not self._has(seen):
                            continue
                        known.pop(uid_of(seen), None)
                        if event["type"] != "DELETED" and chosen(seen):
                            known[uid_of(seen)] = seen
                        if len(known) == count:
                            return list(known.values())

    def _has(self, obj: Json) -> bool:
        return key_of(obj)[0] == self.namespace

    async def gone(self, kind: Kind, key: Key) -> None:
        """Wait until an object is no more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                items, version = await self.api.list(kind)
                if all(key_of(item) != key for item in items):
                    return
                async for event in self.api.watch(kind, version):
                    if event["type"] == "DELETED" and key_of(event["object"]) == key:
                        return

    async def pods_of(self, app: str) -> list[Json]:
        """The pods with that `app` label."""
        return [pod for pod in await self.objects(PODS) if pod["metadata"]["labels"].get("app") == app]

    async def scale(self, kind: Kind, name: str, replicas: int) -> None:
        """Change `spec.replicas`."""
        await self.api.patch(kind, self.key(name), {"spec": {"replicas": replicas}})

    async def ready(self, name: str, count: int) -> Json:
        """Wait until a ReplicaSet has exactly so many ready replicas."""
        return await self.until(
            REPLICA_SETS,
            name,
            lambda owner: counted(owner, "replicas") == counted(owner, "readyReplicas") == count,
        )

    async def service_url(self, name: str) -> str:
        """Where the first port of a Service is reached."""
        service = await self.api.get(SERVICES, self.key(name))
        return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"


def counted(obj: Json, count: str) -> int:
    """A count of an object's status; -1 while that speaks of an earlier spec."""
    status = obj.get("status") or {}
    if status.get("observedGeneration") != obj["metadata"]["generation"]:
        return -1
    return int(status.get(count, 0))


@contextlib.asynccontextmanager
async def a_cluster(ground: Ground | None = None) -> AsyncIterator[Cluster]:
    """A cluster around the real API server of the ground, or around a sandbox of its own."""
    if ground is not None and ground.is_real:
        async with _a_real_cluster(ground) as cluster:
            yield cluster
        return
    async with Sandbox(workloads=True) as sandbox, a_view(sandbox) as cluster:
        yield cluster


@contextlib.asynccontextmanager
async def a_view(sandbox: Sandbox) -> AsyncIterator[Cluster]:
    """The namespace `default` of a sandbox."""
    connection = Connection(url=sandbox.url, token=sandbox.token)
    async with ApiClient(connection) as api:
        yield Cluster(api, connection, "default")


@contextlib.asynccontextmanager
async def _a_real_cluster(ground: Ground) -> AsyncIterator[Cluster]:
    check_bindable(REAL_SERVICE)
    connection = Connection(
        url=ground.url, token=ground.token, tls=ssl.create_default_context(cafile=ground.certificate)
    )
    async with Workloads(connection, pod_range=REAL_PODS), ApiClient(connection) as api:
        cluster = Cluster(api, connection, f"claim-{secrets.token_hex(4)}")
        await api.create(NAMESPACES, "", {"metadata": {"name": cluster.namespace}})
        yield cluster
        await api.delete(NAMESPACES, ("", cluster.namespace))
        await cluster.gone(NAMESPACES, ("", cluster.namespace))


def a_template(app: str, *, real: bool = False, args: tuple[str, ...] = (), **annotations: str) -> Json:
    """A pod template with the label `app`; a real one runs the demo application with a readiness probe."""
    named = {f"sandbox.rollouts.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    container: Json = {"name": "web", "image": f"{app}:1", "ports": [{"name": "http", "containerPort": 8080}]}
    if real:
        named["sandbox.rollouts.io/program"] = "app"
        container["args"] = list(args)
        container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    return {"metadata": {"labels": {"app": app}, "annotations": named}, "spec": {"containers": [container]}}


def a_replica_set(name: str, replicas: int, template: Json, **spec: Any) -> Json:
    """A ReplicaSet for the template's `app` label."""
    labels = template["metadata"]["labels"]
    wanted = {"replicas": replicas, "selector": {"matchLabels": {"app": labels["app"]}}, "template": template}
    return {"metadata": {"name": name}, "spec": wanted | spec}


def a_service(name: str, app: str) -> Json:
    """A Service on port 8000 in front of the pods with that `app` label."""
    ports = [{"name": "http", "port": 8000, "targetPort": "http"}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": app}, "ports": ports}}
