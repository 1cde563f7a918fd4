"""What the controllers make of objects, seen through the API of a running cluster; its pods are played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from rollouts.sandbox.client import ApiFailure
from rollouts.sandbox.controllers.progress import condition_of
from rollouts.sandbox.kinds import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Json,
    Kind,
    controller_of,
    is_terminating,
    uid_of,
)
from tests.sandbox.a_cluster import Cluster, a_cluster, a_replica_set, a_service, a_template, counted
from tests.sandbox.ground import Ground

WIDGETS = Kind("example.com/v1", "Widget", "widgets")


@pytest.fixture
async def cluster(ground: Ground) -> AsyncIterator[Cluster]:
    async with a_cluster(ground) as running:
        yield running


def has_image(image: str) -> Any:
    return lambda pod: pod["spec"]["containers"][0]["image"] == image


async def test_a_replica_set_reaches_its_size_and_says_so(cluster: Cluster) -> None:
    """Up, down and to nothing; the status counts what is there and names the generation it has seen."""
    await cluster.create(REPLICA_SETS, a_replica_set("web", 4, a_template("web")))
    up = await cluster.ready("web", 4)
    assert up["status"]["availableReplicas"] == up["status"]["fullyLabeledReplicas"] == 4
    assert up["status"]["observedGeneration"] == 1
    await cluster.scale(REPLICA_SETS, "web", 1)
    down = await cluster.ready("web", 1)
    assert down["status"]["observedGeneration"] == 2
    await cluster.scale(REPLICA_SETS, "web", 0)
    await cluster.ready("web", 0)
    await cluster.until_count(PODS, 0)


async def test_a_lost_pod_is_replaced(cluster: Cluster) -> None:
    """Who deletes a pod gets another one."""
    await cluster.create(REPLICA_SETS, a_replica_set("web", 1, a_template("web")))
    await cluster.ready("web", 1)
    (pod,) = await cluster.pods_of("web")
    await cluster.api.delete(PODS, cluster.key(pod["metadata"]["name"]))
    (other,) = await cluster.until_count(PODS, 1, lambda seen: uid_of(seen) != uid_of(pod))
    assert (controller_of(other) or {})["name"] == "web"


async def test_min_ready_seconds_delay_availability(cluster: Cluster) -> None:
    """Ready at once, available a second later, without anything else happening."""
    await cluster.create(REPLICA_SETS, a_replica_set("web", 1, a_template("web"), minReadySeconds=1))
    ready = await cluster.until(REPLICA_SETS, "web", lambda owner: counted(owner, "readyReplicas") == 1)
    assert not ready["status"].get("availableReplicas")
    await cluster.until(REPLICA_SETS, "web", lambda owner: counted(owner, "availableReplicas") == 1)


async def test_pods_are_adopted_and_released_by_their_labels(cluster: Cluster) -> None:
    """A matching orphan counts; a pod whose label changes is let go and replaced."""
    await cluster.create(PODS, {"metadata": {"name": "orphan"} | a_template("web")["metadata"], **a_pod_spec()})
    await cluster.create(REPLICA_SETS, a_replica_set("web", 1, a_template("web")))
    await cluster.ready("web", 1)
    (pod,) = await cluster.pods_of("web")
    assert pod["metadata"]["name"] == "orphan"
    await cluster.api.patch(PODS, cluster.key("orphan"), {"metadata": {"labels": {"app": "else"}}})
    released = await cluster.until(PODS, "orphan", lambda seen: controller_of(seen) is None)
    assert released["metadata"]["labels"]["app"] == "else"
    await cluster.ready("web", 1)


def a_pod_spec() -> Json:
    return {"spec": a_template("web")["spec"]}


async def test_a_deployment_rolls_to_a_new_template(cluster: Cluster) -> None:
    """New pods in, old pods out, revision 2, and the old ReplicaSet is kept at 0 for a rollback."""
    await cluster.create(DEPLOYMENTS, a_replica_set("web", 3, a_template("web")))
    await cluster.until(DEPLOYMENTS, "web", is_complete)
    await set_image(cluster, "web:2")
    done = await cluster.until(DEPLOYMENTS, "web", is_complete)
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    await cluster.until_count(PODS, 3)
    sets = await cluster.objects(REPLICA_SETS)
    assert sorted(one["spec"]["replicas"] for one in sets) == [0, 3]
    assert all("pod-template-hash" in one["spec"]["selector"]["matchLabels"] for one in sets)


async def set_image(cluster: Cluster, image: str) -> None:
    (container,) = a_template("web")["spec"]["containers"]
    change = {"spec": {"template": {"spec": {"containers": [container | {"image": image}]}}}}
    await cluster.api.patch(DEPLOYMENTS, cluster.key("web"), change)


def is_complete(deployment: Json) -> bool:
    status = deployment.get("status") or {}
    wanted = deployment["spec"]["replicas"]
    counts = [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return bool(counts == [wanted] * 3 and status["observedGeneration"] == deployment["metadata"]["generation"])


async def test_a_deployment_with_a_bad_template_keeps_serving(cluster: Cluster) -> None:
    """maxUnavailable 0 leaves all old pods, and the lack of progress is told."""
    template = a_template("web")
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec: Json = {"strategy": strategy, "progressDeadlineSeconds": 1}
    await cluster.create(DEPLOYMENTS, a_replica_set("web", 2, template, **spec))
    await cluster.until(DEPLOYMENTS, "web", is_complete)
    await cluster.api.patch(
        DEPLOYMENTS,
        cluster.key("web"),
        {"spec": {"template": {"metadata": {"annotations": {"sandbox.rollouts.io/ready-after": "never"}}}}},
    )
    stuck = await cluster.until(
        DEPLOYMENTS, "web", lambda one: (condition_of(one, "Progressing") or {})["reason"] == "ProgressDeadlineExceeded"
    )
    assert stuck["status"]["availableReplicas"] == 2
    assert stuck["status"]["replicas"] == 3


async def test_a_recreate_deployment_ends_all_before_it_begins_anew(cluster: Cluster) -> None:
    """At no moment are there pods of both templates."""
    await cluster.create(DEPLOYMENTS, a_replica_set("web", 2, a_template("web"), strategy={"type": "Recreate"}))
    await cluster.until(DEPLOYMENTS, "web", is_complete)
    _, version = await cluster.api.list(PODS)
    await set_image(cluster, "web:2")
    await cluster.until(DEPLOYMENTS, "web", is_complete)
    present = {uid_of(pod): "web:1" for pod in await cluster.pods_of("web") if has_image("web:1")(pod)}
    assert not present
    mixed = []
    images: dict[str, str] = {}
    async for event in cluster.api.watch(PODS, version):
        pod = event["object"]
        if event["type"] == "DELETED":
            images.pop(uid_of(pod), None)
        else:
            images[uid_of(pod)] = pod["spec"]["containers"][0]["image"]
        mixed.append(len(set(images.values())) > 1)
        if len(images) == 2 and set(images.values()) == {"web:2"}:
            break
    assert not any(mixed)


async def test_a_rollback_reuses_the_old_replica_set(cluster: Cluster) -> None:
    """The first template again is the first ReplicaSet again, as revision 3."""
    await cluster.create(DEPLOYMENTS, a_replica_set("web", 1, a_template("web")))
    first = await cluster.until(DEPLOYMENTS, "web", is_complete)
    image = first["spec"]["template"]["spec"]["containers"][0]["image"]
    await set_image(cluster, "web:2")
    await cluster.until(DEPLOYMENTS, "web", is_complete)
    await set_image(cluster, image)
    back = await cluster.until(DEPLOYMENTS, "web", is_complete)
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    sets = await cluster.objects(REPLICA_SETS)
    assert len(sets) == 2


def a_job(name: str, *, policy: str = "Never", **spec: Any) -> Json:
    annotations = spec.pop("annotations", {})
    template = a_template(name, **annotations)
    template["spec"]["restartPolicy"] = policy
    return {"metadata": {"name": name}, "spec": {"template": template, **spec}}


async def test_a_job_completes_when_its_pod_does(cluster: Cluster) -> None:
    """One success, start and completion times, condition Complete."""
    await cluster.create(JOBS, a_job("check"))
    done = await cluster.until(JOBS, "check", lambda job: condition_of(job, "Complete") is not None)
    assert done["status"]["succeeded"] == 1
    assert done["status"]["completionTime"] >= done["status"]["startTime"]


async def test_a_job_fails_after_its_backoff_limit(cluster: Cluster) -> None:
    """The exit code of its pod decides."""
    await cluster.create(JOBS, a_job("check", backoffLimit=0, annotations={"exit_code": "3"}))
    failed = await cluster.until(JOBS, "check", lambda job: condition_of(job, "Failed") is not None)
    assert (condition_of(failed, "Failed") or {})["reason"] == "BackoffLimitExceeded"
    (pod,) = await cluster.until_count(PODS, 1, lambda seen: seen["status"]["phase"] == "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


async def test_a_job_out_of_time_loses_its_pods(cluster: Cluster) -> None:
    """DeadlineExceeded, and nothing runs on."""
    await cluster.create(JOBS, a_job("check", activeDeadlineSeconds=1, annotations={"run_for": "ever"}))
    failed = await cluster.until(JOBS, "check", lambda job: condition_of(job, "Failed") is not None)
    assert (condition_of(failed, "Failed") or {})["reason"] == "DeadlineExceeded"
    await cluster.until_count(PODS, 0)


async def test_a_suspended_job_waits_until_it_is_resumed(cluster: Cluster) -> None:
    """No pod and no start time before, completion after."""
    await cluster.create(JOBS, a_job("check", suspend=True))
    held = await cluster.until(JOBS, "check", lambda job: condition_of(job, "Suspended") is not None)
    assert "startTime" not in held["status"]
    assert not await cluster.objects(PODS)
    await cluster.api.patch(JOBS, cluster.key("check"), {"spec": {"suspend": False}})
    done = await cluster.until(JOBS, "check", lambda job: condition_of(job, "Complete") is not None)
    assert (condition_of(done, "Suspended") or {})["reason"] == "JobResumed"


async def test_a_finished_job_goes_after_its_time_to_live(cluster: Cluster) -> None:
    """And takes its pods along."""
    await cluster.create(JOBS, a_job("check", ttlSecondsAfterFinished=0))
    await cluster.until_count(JOBS, 0)
    await cluster.until_count(PODS, 0)


async def test_a_job_runs_as_many_pods_as_it_wants(cluster: Cluster) -> None:
    """Four completions, two at a time, each with an index of its own."""
    indexed = a_job("check", completions=4, parallelism=2, completionMode="Indexed")
    await cluster.create(JOBS, indexed)
    done = await cluster.until(JOBS, "check", lambda job: condition_of(job, "Complete") is not None)
    assert done["status"]["succeeded"] == 4
    index = "batch.kubernetes.io/job-completion-index"
    assert {pod["metadata"]["annotations"][index] for pod in await cluster.objects(PODS)} == {"0", "1", "2", "3"}


async def test_endpoints_follow_readiness(cluster: Cluster) -> None:
    """Slices and Endpoints list the ready pods; a Service that goes takes them along."""
    await cluster.create(SERVICES, a_service("web", "web"))
    await cluster.create(REPLICA_SETS, a_replica_set("web", 2, a_template("web")))
    await cluster.create(REPLICA_SETS, a_replica_set("never", 1, a_template("web", ready_after="never")))
    (found,) = await cluster.until_count(ENDPOINT_SLICES, 1, lambda one: ready_and_not(one) == (2, 1))
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    subsets = await cluster.until(
        ENDPOINTS, "web", lambda one: len((one.get("subsets") or [{}])[0].get("addresses") or ()) == 2
    )
    assert len(subsets["subsets"][0]["notReadyAddresses"]) == 1
    await cluster.api.delete(SERVICES, cluster.key("web"))
    await cluster.gone(ENDPOINTS, cluster.key("web"))
    await cluster.until_count(ENDPOINT_SLICES, 0)


def ready_and_not(endpoint_slice: Json) -> tuple[int, int]:
    ready = [endpoint["conditions"]["ready"] for endpoint in endpoint_slice.get("endpoints") or ()]
    return sum(ready), len(ready) - sum(ready)


async def owned_maps(cluster: Cluster, **deletion: Any) -> None:
    """A ConfigMap that owns another one and is being deleted."""
    owner = await cluster.create(CONFIG_MAPS, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid_of(owner)}
    metadata = {"name": "owned", "ownerReferences": [{**reference, "blockOwnerDeletion": True}]}
    await cluster.create(CONFIG_MAPS, {"metadata": metadata})
    await cluster.api.delete(CONFIG_MAPS, cluster.key("owner"), options=deletion)


async def test_dependents_go_after_their_owner(cluster: Cluster) -> None:
    """Background deletion."""
    await owned_maps(cluster, propagationPolicy="Background")
    await cluster.gone(CONFIG_MAPS, cluster.key("owned"))


async def test_dependents_go_before_their_owner_in_the_foreground(cluster: Cluster) -> None:
    """The owner waits, with its finalizer, until no dependent blocks it."""
    _, version = await cluster.api.list(CONFIG_MAPS)
    await owned_maps(cluster, propagationPolicy="Foreground")
    await cluster.gone(CONFIG_MAPS, cluster.key("owner"))
    deleted = []
    async for event in cluster.api.watch(CONFIG_MAPS, version):
        if event["type"] == "DELETED":
            deleted.append(event["object"]["metadata"]["name"])
        if len(deleted) == 2:
            break
    assert deleted == ["owned", "owner"]


async def test_orphans_stay_without_their_owner(cluster: Cluster) -> None:
    """The reference goes, the object does not."""
    await owned_maps(cluster, propagationPolicy="Orphan")
    await cluster.gone(CONFIG_MAPS, cluster.key("owner"))
    orphan = await cluster.until(CONFIG_MAPS, "owned", lambda one: not one["metadata"].get("ownerReferences"))
    assert not is_terminating(orphan)


async def test_an_object_goes_only_with_its_last_owner(cluster: Cluster) -> None:
    """While one owner lives, only the reference to the other is removed."""
    first = await cluster.create(CONFIG_MAPS, {"metadata": {"name": "first"}})
    second = await cluster.create(CONFIG_MAPS, {"metadata": {"name": "second"}})
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": uid_of(owner)}
        for owner in (first, second)
    ]
    await cluster.create(CONFIG_MAPS, {"metadata": {"name": "owned", "ownerReferences": references}})
    await cluster.api.delete(CONFIG_MAPS, cluster.key("first"))
    left = await cluster.until(CONFIG_MAPS, "owned", lambda one: len(one["metadata"]["ownerReferences"]) == 1)
    assert left["metadata"]["ownerReferences"][0]["name"] == "second"
    await cluster.api.delete(CONFIG_MAPS, cluster.key("second"))
    await cluster.gone(CONFIG_MAPS, cluster.key("owned"))


async def test_custom_resources_own_and_are_owned(cluster: Cluster) -> None:
    """A kind installed a moment ago takes part in garbage collection."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await cluster.create(CRDS, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
    await cluster.until(
        CRDS, "widgets.example.com", lambda crd: (condition_of(crd, "Established") or {}).get("status") == "True"
    )
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "owner"}}
    owner = await cluster.create(WIDGETS, body)
    reference = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "owner", "uid": uid_of(owner)}
    replica_set = a_replica_set("web", 1, a_template("web"))
    replica_set["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    await cluster.create(REPLICA_SETS, replica_set)
    await cluster.ready("web", 1)
    await cluster.api.delete(WIDGETS, cluster.key("owner"))
    await cluster.gone(REPLICA_SETS, cluster.key("web"))
    await cluster.until_count(PODS, 0)


async def test_a_namespace_is_emptied_before_it_goes(cluster: Cluster) -> None:
    """Its objects go, graceful pods included, and then the namespace."""
    shop = replace(cluster, namespace=f"{cluster.namespace}-shop")
    await shop.create(NAMESPACES, {"metadata": {"name": shop.namespace}})
    await shop.until(SERVICE_ACCOUNTS, "default", lambda _: True)
    await shop.create(REPLICA_SETS, a_replica_set("web", 2, a_template("web")))
    await shop.create(CONFIG_MAPS, {"metadata": {"name": "settings"}})
    await shop.until_count(PODS, 2)
    await shop.api.delete(NAMESPACES, ("", shop.namespace))
    await shop.gone(NAMESPACES, ("", shop.namespace))
    await shop.until_count(PODS, 0)
    with pytest.raises(ApiFailure) as failure:
        await shop.api.get(CONFIG_MAPS, shop.key("settings"))
    assert failure.value.is_not_found
