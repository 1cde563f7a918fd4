"""Actions as requests: what the API server holds afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rollouts.core import actions
from rollouts.kube.applier import Applier, Found, Gone, Nothing, Stored
from rollouts.kube.client import AlwaysOpen, KubeClient, Writer
from rollouts.kube.errors import ApiError, Conflict, NotFound
from rollouts.kube.kinds import ANALYSIS_RUNS, PODS, REPLICA_SETS, ROLLOUTS
from tests.shell.clusters import LOOSE_CRDS, a_cluster, create, read
from tests.shell.objects import a_replica_set, a_rollout, a_run, an_object

NS = "default"


@pytest.fixture
async def client() -> AsyncIterator[KubeClient]:
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        yield client


@pytest.fixture
def applier(client: KubeClient) -> Applier:
    return Applier(Writer(client, AlwaysOpen()))


async def test_creating_what_exists_hands_it_back(client: KubeClient, applier: Applier) -> None:
    """The second create writes nothing; the next turn sees whose it is."""
    manifest = a_replica_set("web-1")
    manifest["metadata"] = {"name": "web-1", "namespace": NS, "labels": manifest["metadata"]["labels"]}
    action = actions.CreateReplicaSet(name="web-1", manifest=manifest)
    first = await applier.create_replica_set(NS, action)
    second = await applier.create_replica_set(NS, action)
    assert isinstance(first, Stored) and isinstance(second, Found)
    assert first.object["metadata"]["uid"] == second.object["metadata"]["uid"]


async def test_scaling_sets_replicas_and_annotations_together(client: KubeClient, applier: Applier) -> None:
    """One write; a None removes an annotation."""
    stored = await create(client, REPLICA_SETS, a_replica_set("web-1", metadata={"annotations": {"old": "1"}}))
    action = actions.ScaleReplicaSet(
        name="web-1",
        replicas=7,
        annotations={"old": None, "new": "2"},
        seen_version=stored["metadata"]["resourceVersion"],
    )
    await applier.scale_replica_set(NS, action)
    now = await read(client, REPLICA_SETS, "web-1")
    assert now["spec"]["replicas"] == 7
    assert now["metadata"]["annotations"] == {"new": "2"}


async def test_a_decision_on_a_stale_picture_is_refused(client: KubeClient, applier: Applier) -> None:
    """Somebody else wrote in between: nothing changes."""
    stored = await create(client, REPLICA_SETS, a_replica_set("web-1"))
    seen = stored["metadata"]["resourceVersion"]
    patch = actions.PatchReplicaSet(name="web-1", patch={"metadata": {"labels": {"a": "b"}}}, seen_version=seen)
    await applier.patch_replica_set(NS, patch)
    stale = actions.ScaleReplicaSet(name="web-1", replicas=7, annotations={}, seen_version=seen)
    with pytest.raises(Conflict):
        await applier.scale_replica_set(NS, stale)
    now = await read(client, REPLICA_SETS, "web-1")
    assert now["spec"]["replicas"] == 1
    assert now["metadata"]["labels"]["a"] == "b"


async def test_only_the_replica_set_that_was_seen_is_deleted(client: KubeClient, applier: Applier) -> None:
    """Another uid or another version survives; what is gone already is fine."""
    stored = await create(client, REPLICA_SETS, a_replica_set("web-1"))
    uid, version = stored["metadata"]["uid"], stored["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await applier.delete_replica_set(NS, actions.DeleteReplicaSet(name="web-1", uid="x", seen_version=version))
    with pytest.raises(Conflict):
        await applier.delete_replica_set(NS, actions.DeleteReplicaSet(name="web-1", uid=uid, seen_version="1"))
    action = actions.DeleteReplicaSet(name="web-1", uid=uid, seen_version=version)
    assert isinstance(await applier.delete_replica_set(NS, action), Gone)
    assert isinstance(await applier.delete_replica_set(NS, action), Gone)
    with pytest.raises(NotFound):
        await read(client, REPLICA_SETS, "web-1")


async def test_patching_a_rollout_leaves_its_status_alone(client: KubeClient, applier: Applier) -> None:
    """Even when the patch names one, since /status is another resource."""
    stored = await create(client, ROLLOUTS, a_rollout())
    action = actions.PatchRollout(
        patch={"metadata": {"annotations": {"ours": "1"}}, "status": {"phase": "Lied"}},
        seen_version=stored["metadata"]["resourceVersion"],
    )
    await applier.patch_rollout(NS, "web", action)
    now = await read(client, ROLLOUTS, "web")
    assert now["metadata"]["annotations"] == {"ours": "1"}
    assert "status" not in now


async def test_a_run_is_ended_by_its_spec(client: KubeClient, applier: Applier) -> None:
    """A run that is gone needs no end."""
    await create(client, ANALYSIS_RUNS, a_run("check"))
    await applier.terminate_analysis_run(NS, actions.TerminateAnalysisRun(name="check"))
    assert (await read(client, ANALYSIS_RUNS, "check"))["spec"]["terminate"] is True
    assert isinstance(await applier.terminate_analysis_run(NS, actions.TerminateAnalysisRun(name="gone")), Nothing)


async def test_deleting_a_run_spares_its_namesake(client: KubeClient, applier: Applier) -> None:
    """The uid decides, and a mismatch is no error: the run that was meant is gone."""
    stored = await create(client, ANALYSIS_RUNS, a_run("check"))
    await applier.delete_analysis_run(NS, actions.DeleteAnalysisRun(name="check", uid="another"))
    assert (await read(client, ANALYSIS_RUNS, "check"))["metadata"]["uid"] == stored["metadata"]["uid"]
    uid = stored["metadata"]["uid"]
    assert isinstance(await applier.delete_analysis_run(NS, actions.DeleteAnalysisRun(name="check", uid=uid)), Gone)


async def test_evicting_a_pod_that_is_gone_is_fine(client: KubeClient, applier: Applier) -> None:
    """It needs no eviction."""
    assert isinstance(await applier.evict_pod(NS, actions.EvictPod(name="gone", uid="x")), Nothing)


async def test_only_the_pod_that_was_seen_changes_its_labels(client: KubeClient, applier: Applier) -> None:
    """None takes one off, the others stay; one that is gone needs nothing, and a namesake is left alone."""
    pod = an_object(PODS, "web-1", spec={"containers": [{"name": "app", "image": "app:1"}]})
    pod["metadata"] = {"name": "web-1", "namespace": NS, "labels": {"app": "web", "role": "canary"}}
    stored = await create(client, PODS, pod)
    patch = {"metadata": {"labels": {"role": None, "part": "x"}, "annotations": {"note": "y"}}}
    uid = stored["metadata"]["uid"]
    assert isinstance(await applier.patch_pod(NS, actions.PatchPod(name="web-1", uid=uid, patch=patch)), Nothing)
    now = (await read(client, PODS, "web-1"))["metadata"]
    assert (now["labels"], now["annotations"]) == ({"app": "web", "part": "x"}, {"note": "y"})
    with pytest.raises(ApiError):
        other = {"metadata": {"labels": {"part": "z"}}}
        await applier.patch_pod(NS, actions.PatchPod(name="web-1", uid="other", patch=other))
    assert (await read(client, PODS, "web-1"))["metadata"]["labels"]["part"] == "x"
    assert isinstance(await applier.patch_pod(NS, actions.PatchPod(name="gone", uid="x", patch=patch)), Nothing)
