"""Clients as they are: the official Python client in its three forms, and kopf, against the cluster under test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import kopf
import kubernetes.aio
import kubernetes.dynamic
import pytest

from tests.sandbox.rest import Api, Json

# What these packages do is the claim; what their annotations say (dicts are no bodies, answers may be None) is not.
kube: Any = kubernetes
official: Any = kubernetes.client
official_aio: Any = kubernetes.aio.client

WAIT_SECONDS_MAX = 30.0
GROUP = "clients.example.com"
TOYS = f"{GROUP}/v1/toys"
IMAGE = "demo:v1"
HANDLED = "kopf.zalando.org/last-handled-configuration"


@pytest.fixture(scope="module", autouse=True)
def toys(api_anywhere: Api) -> None:
    """A custom kind with a status."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"kind": "Toy", "plural": "toys"}
    definition = {
        "metadata": {"name": f"toys.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    api_anywhere.created("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    api_anywhere.eventually_served(TOYS)


def a_toy(name: str, **spec: object) -> Json:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Toy", "metadata": {"name": name}, "spec": spec}


def a_deployment(name: str) -> Json:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }


@pytest.fixture
def sync_client(api: Api) -> Iterator[Any]:
    with kube.config.new_client_from_config(config_file=str(api.kubeconfig)) as client:
        yield client


def test_the_official_client_with_its_models(api: Api, sync_client: Any) -> None:
    """Typed objects, whose strict models every answer must fit; conflicts and absences as its exceptions."""
    apps, core = official.AppsV1Api(sync_client), official.CoreV1Api(sync_client)
    made = apps.create_namespaced_deployment(api.namespace, a_deployment("web"))
    assert made.spec.template.spec.containers[0].image == IMAGE
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    made.spec.replicas = 3
    assert apps.replace_namespaced_deployment("web", api.namespace, made).metadata.generation == 2
    with pytest.raises(official.ApiException) as stale:
        apps.replace_namespaced_deployment("web", api.namespace, made)
    assert stale.value.status == 409
    assert apps.read_namespaced_deployment_scale("web", api.namespace).spec.replicas == 3
    patched = apps.patch_namespaced_deployment("web", api.namespace, {"spec": {"replicas": 4}})
    assert patched.spec.replicas == 4
    core.create_namespaced_pod(
        api.namespace, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
    )
    assert [pod.metadata.name for pod in core.list_namespaced_pod(api.namespace).items] == ["p"]
    assert core.delete_namespaced_pod("p", api.namespace).metadata.name == "p"
    with pytest.raises(official.ApiException) as missing:
        core.read_namespaced_pod("p", api.namespace)
    assert missing.value.status == 404


def test_the_official_client_with_custom_objects(api: Api, sync_client: Any) -> None:
    """Dicts in, dicts out; status apart; server-side apply."""
    custom = official.CustomObjectsApi(sync_client)
    where = (GROUP, "v1", api.namespace, "toys")
    custom.create_namespaced_custom_object(*where, a_toy("bear", size=1))
    custom.patch_namespaced_custom_object_status(*where, "bear", {"status": {"hugged": True}})
    custom.patch_namespaced_custom_object(*where, "bear", {"spec": {"size": 2}})
    bear = custom.get_namespaced_custom_object(*where, "bear")
    assert (bear["spec"], bear["status"], bear["metadata"]["generation"]) == ({"size": 2}, {"hugged": True}, 2)
    custom.patch_namespaced_custom_object(
        *where,
        "doll",
        a_toy("doll", size=3),
        field_manager="claims",
        _content_type="application/apply-patch+yaml",
    )
    assert custom.get_namespaced_custom_object(*where, "doll")["spec"] == {"size": 3}
    listed = custom.list_namespaced_custom_object(*where)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["bear", "doll"]


def test_the_official_watch(api: Api, sync_client: Any) -> None:
    """Resumes from a list and decodes its events."""
    core = official.CoreV1Api(sync_client)
    start = core.list_namespaced_config_map(api.namespace).metadata.resource_version
    api.created("v1/configmaps", {"metadata": {"name": "a"}})
    watch = kube.watch.Watch()
    events = watch.stream(
        core.list_namespaced_config_map, api.namespace, resource_version=start, timeout_seconds=int(WAIT_SECONDS_MAX)
    )
    event = next(iter(events))
    watch.stop()
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")


def test_the_dynamic_client(api: Api, sync_client: Any) -> None:
    """Finds kinds by discovery, built-in and custom."""
    dynamic = kube.dynamic.DynamicClient(sync_client)
    toys = dynamic.resources.get(api_version=f"{GROUP}/v1", kind="Toy")
    toys.create(body=a_toy("bear", size=1), namespace=api.namespace)
    toys.patch(
        body={"spec": {"size": 2}}, name="bear", namespace=api.namespace, content_type="application/merge-patch+json"
    )
    assert toys.get(name="bear", namespace=api.namespace).spec.size == 2
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    deployments.server_side_apply(body=a_deployment("web"), namespace=api.namespace, field_manager="claims")
    assert [item.metadata.name for item in deployments.get(namespace=api.namespace).items] == ["web"]
    toys.delete(name="bear", namespace=api.namespace)
    assert toys.get(namespace=api.namespace).items == []


async def test_the_asynchronous_client(api: Api) -> None:
    """Typed and custom objects, and a watch."""
    configuration = official_aio.Configuration()
    await kube.aio.config.load_kube_config(config_file=str(api.kubeconfig), client_configuration=configuration)
    async with official_aio.ApiClient(configuration) as client:
        custom = official_aio.CustomObjectsApi(client)
        where = (GROUP, "v1", api.namespace, "toys")
        await custom.create_namespaced_custom_object(*where, a_toy("bear", size=1))
        bear = await custom.patch_namespaced_custom_object_status(*where, "bear", {"status": {"hugged": True}})
        assert bear["status"] == {"hugged": True}
        apps = official_aio.AppsV1Api(client)
        made = await apps.create_namespaced_deployment(api.namespace, a_deployment("web"))
        assert made.spec.replicas == 1
        core = official_aio.CoreV1Api(client)
        await core.create_namespaced_config_map(api.namespace, {"metadata": {"name": "a"}})
        async with kube.aio.watch.Watch() as watch:
            async for event in watch.stream(core.list_namespaced_config_map, api.namespace):
                if event["object"].metadata.name == "a":
                    break


class Operator:
    """kopf in a thread of its own, as its documentation advises."""

    def __init__(self, api: Api, registry: kopf.OperatorRegistry) -> None:
        self._api = api
        self._registry = registry
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="kopf")

    def __enter__(self) -> Operator:
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS_MAX), "kopf did not become ready"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        asyncio.run(
            kopf.operator(
                registry=self._registry,
                settings=settings,
                namespaces=[self._api.namespace],
                standalone=True,
                stop_flag=self._stop,
                ready_flag=self._ready,
            )
        )


def test_kopf(api: Api) -> None:
    """Handlers of every kind: events, creation and change, which it notes on the object, a finalizer on deletion."""
    registry = kopf.OperatorRegistry()
    seen: Queue[tuple[Any, ...]] = Queue()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        certificate = api.ground.certificate
        return kopf.ConnectionInfo(
            server=api.url, token=api.token, scheme="Bearer", ca_path=str(certificate) if certificate else None
        )

    @kopf.on.event(GROUP, "v1", "toys", registry=registry)
    def watched(event: Any, name: str | None, **_: Any) -> None:
        seen.put(("event", event["type"], name))

    @kopf.on.create(GROUP, "v1", "toys", registry=registry)
    def made(spec: Any, **_: Any) -> None:
        seen.put(("create", spec["size"]))

    @kopf.on.update(GROUP, "v1", "toys", field="spec.size", registry=registry)
    def resized(old: Any, new: Any, **_: Any) -> None:
        seen.put(("update", old, new))

    @kopf.on.delete(GROUP, "v1", "toys", registry=registry)
    def removed(name: str | None, **_: Any) -> None:
        seen.put(("delete", name))

    def until(expected: tuple[Any, ...]) -> None:
        while seen.get(timeout=WAIT_SECONDS_MAX) != expected:
            pass

    with Operator(api, registry):
        api.created(TOYS, a_toy("bear", size=1))
        until(("create", 1))
        with api.watch(f"{TOYS}?fieldSelector=metadata.name=bear") as events:
            assert any(HANDLED in event["object"]["metadata"].get("annotations", {}) for event in events)
        api.patch(f"{TOYS}/bear", {"spec": {"size": 2}})
        until(("update", 1, 2))
        assert api.get(f"{TOYS}/bear")["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
        api.delete(f"{TOYS}/bear")
        until(("delete", "bear"))
        until(("event", "DELETED", "bear"))
    assert api.get(f"{TOYS}/bear").code == 404
