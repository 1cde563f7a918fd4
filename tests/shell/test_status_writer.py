"""Statuses: only what changed, only onto what was seen."""

from __future__ import annotations

import pytest

from rollouts.kube.client import AlwaysOpen, KubeClient, Writer
from rollouts.kube.discovery import served
from rollouts.kube.errors import Conflict, NotFound
from rollouts.kube.kinds import ANALYSIS_RUNS, ROLLOUTS, Key
from rollouts.kube.status_writer import StatusWriter, Target, difference
from tests.shell.clusters import ANYTHING, LOOSE_CRDS, a_cluster, a_crd, a_sandbox, create, read
from tests.shell.objects import a_rollout, a_run

PRUNING = {"type": "object", "properties": {"phase": {"type": "string"}, "canary": ANYTHING}}


def target(version: str, name: str = "web") -> Target:
    return Target(kind=ROLLOUTS, key=Key("default", name), resource_version=version)


def writer(client: KubeClient) -> StatusWriter:
    return StatusWriter(Writer(client, AlwaysOpen()))


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": None}, {"a": None}, {}),
    ],
)
def test_the_difference_is_what_changed(
    before: dict[str, object], after: dict[str, object], patch: dict[str, object]
) -> None:
    """Removed members are null, lists go whole, equal members stay out."""
    assert difference(before, after) == patch


async def test_what_others_patch_meanwhile_survives() -> None:
    """kubectl's abort and our phase are different members."""
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        stored = await create(client, ROLLOUTS, a_rollout())
        abort = await writer(client).write(target(stored["metadata"]["resourceVersion"]), {"abort": True})
        await writer(client).write(target(abort["metadata"]["resourceVersion"]), {"phase": "Degraded"})
        assert (await read(client, ROLLOUTS, "web"))["status"] == {"abort": True, "phase": "Degraded"}


async def test_a_status_decided_on_an_older_object_is_refused() -> None:
    """The next turn sees what changed."""
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        stored = await create(client, ROLLOUTS, a_rollout())
        version = stored["metadata"]["resourceVersion"]
        await writer(client).write(target(version), {"phase": "Progressing"})
        with pytest.raises(Conflict):
            await writer(client).write(target(version), {"phase": "Healthy"})


async def test_the_status_of_a_gone_object_is_not_found() -> None:
    """With and without a subresource it is the same answer."""
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        with pytest.raises(NotFound):
            await writer(client).write(target("1", "gone"), {"phase": "Healthy"})


async def test_analysis_runs_have_their_status_on_the_object() -> None:
    """Their CRD has no status subresource."""
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        stored = await create(client, ANALYSIS_RUNS, a_run("check"))
        version = stored["metadata"]["resourceVersion"]
        run = Target(kind=ANALYSIS_RUNS, key=Key("default", "check"), resource_version=version)
        await writer(client).write(run, {"phase": "Running"})
        assert (await read(client, ANALYSIS_RUNS, "check"))["status"] == {"phase": "Running"}


async def test_a_crd_without_status_subresource_is_written_all_the_same() -> None:
    """It is found out once."""
    async with a_sandbox(a_crd(ROLLOUTS, has_status=False)) as (sandbox, client):
        stored = await create(client, ROLLOUTS, a_rollout())
        statuses = writer(client)
        stored = await statuses.write(target(stored["metadata"]["resourceVersion"]), {"phase": "Progressing"})
        sandbox.requests.clear()
        await statuses.write(target(stored["metadata"]["resourceVersion"]), {"phase": "Healthy"})
        assert (await read(client, ROLLOUTS, "web"))["status"] == {"phase": "Healthy"}
        assert [request for request in sandbox.requests if request[2] == "rollouts/status"] == []


async def test_what_the_crd_drops_is_not_written_for_ever() -> None:
    """Learnt from the answer to the first write, at any depth."""
    async with a_cluster(a_crd(ROLLOUTS, has_status=True, status=PRUNING)) as (_, client):
        stored = await create(client, ROLLOUTS, a_rollout())
        statuses = writer(client)
        after = {"phase": "Healthy", "verbs": [{"verb": "abort"}]}
        changes = statuses.changes(ROLLOUTS, before={}, after=after)
        stored = await statuses.write(target(stored["metadata"]["resourceVersion"]), changes)
        assert stored["status"] == {"phase": "Healthy"}
        assert statuses.changes(ROLLOUTS, before=stored["status"], after=after) == {}
        assert not statuses.keeps(ROLLOUTS, "verbs") and statuses.keeps(ROLLOUTS, "phase")


async def test_the_cluster_tells_what_its_crd_keeps() -> None:
    """Subresource and status members, without any write; a kind that is not installed is None."""
    async with a_cluster(a_crd(ROLLOUTS, has_status=True, status=PRUNING)) as (_, client):
        how = await served(client, ROLLOUTS)
        assert how is not None and how.has_status and how.status_members == frozenset({"phase", "canary"})
        assert await served(client, ANALYSIS_RUNS) is None
        statuses = writer(client)
        statuses.learn(ROLLOUTS, has_subresource=how.has_status, members=how.status_members)
        assert not statuses.keeps(ROLLOUTS, "verbs")
        assert statuses.changes(ROLLOUTS, before={}, after={"phase": "Healthy", "verbs": []}) == {"phase": "Healthy"}


async def test_a_crd_that_keeps_anything_drops_nothing() -> None:
    """preserve-unknown-fields counts as every member."""
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        how = await served(client, ROLLOUTS)
        assert how is not None and how.status_members is None


async def test_what_the_crd_drops_in_items_of_lists_is_not_written_for_ever() -> None:
    """Conditions of a CRD that knows fewer members of them."""
    condition = {"type": "object", "properties": {"type": {"type": "string"}}}
    status = {"type": "object", "properties": {"conditions": {"type": "array", "items": condition}}}
    async with a_cluster(a_crd(ROLLOUTS, has_status=True, status=status)) as (_, client):
        stored = await create(client, ROLLOUTS, a_rollout())
        statuses = writer(client)
        after = {"conditions": [{"type": "Ready", "observedGeneration": 1}, {"type": "Healthy"}]}
        changes = statuses.changes(ROLLOUTS, before={}, after=after)
        stored = await statuses.write(target(stored["metadata"]["resourceVersion"]), changes)
        assert stored["status"] == {"conditions": [{"type": "Ready"}, {"type": "Healthy"}]}
        assert statuses.changes(ROLLOUTS, before=stored["status"], after=after) == {}
