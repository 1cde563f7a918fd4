"""The cache and the queue of the sandbox's own clients: what they believe, and in which order."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from rollouts.sandbox.client import ApiFailure
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.controllers.progress import condition_of
from rollouts.sandbox.faults import Refuse
from rollouts.sandbox.informer import Informer, by_controller
from rollouts.sandbox.kinds import PODS, REPLICA_SETS, Json
from rollouts.sandbox.workloads import Workloads
from rollouts.sandbox.workqueue import Controller, WorkQueue
from tests.sandbox.a_cluster import a_replica_set, a_template, a_view


def an_object(version: int, *, uid: str = "u", name: str = "web", owner: str = "") -> Json:
    references = [{"uid": owner, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata | {"ownerReferences": references}}


def seen_by(informer: Informer) -> list[tuple[str, str]]:
    """The changes that a handler is told from now on, as versions before and after."""
    changes: list[tuple[str, str]] = []

    def version(obj: Json | None) -> str:
        return obj["metadata"]["resourceVersion"] if obj else "-"

    informer.on_change(lambda old, new: changes.append((version(old), version(new))))
    return changes


async def test_own_writes_are_seen_before_the_watch_tells_them() -> None:
    """The answer to a write counts at once; the same version, or an older one, is no news later."""
    informer = Informer(PODS)
    changes = seen_by(informer)
    informer.observe(an_object(5))
    informer.observe(an_object(5))
    informer.observe(an_object(4))
    assert changes == [("-", "5")]


async def test_a_late_answer_brings_nothing_back() -> None:
    """The watch has told the deletion before the answer to the creation was read."""
    informer = Informer(PODS)
    changes = seen_by(informer)
    informer.observe(an_object(5))
    informer.forget(an_object(6))
    informer.observe(an_object(5))
    assert changes == [("-", "5"), ("5", "-")]


async def test_an_object_of_the_same_name_is_another_one() -> None:
    """The old one goes before the new one comes, and the old one's deletion does not touch the new one."""
    informer = Informer(PODS)
    informer.observe(an_object(5))
    changes = seen_by(informer)
    informer.observe(an_object(8, uid="v"))
    informer.forget(an_object(7))
    assert changes == [("-", "5"), ("5", "-"), ("-", "8")]
    assert len(informer) == 1


async def test_a_new_list_takes_out_what_is_gone_and_keeps_what_is_younger() -> None:
    """A deletion that a gap swallowed is noticed; an object written after the list was read stays."""
    informer = Informer(PODS)
    informer.observe(an_object(3, uid="gone", name="gone"))
    informer.observe(an_object(12, uid="young", name="young"))
    informer.replace([an_object(4, uid="kept", name="kept")], version=10)
    assert sorted(obj["metadata"]["name"] for obj in informer) == ["kept", "young"]


async def test_indexes_follow_the_objects() -> None:
    """An object is found under its present owner only."""
    informer = Informer(PODS)
    informer.index(by_controller)
    informer.observe(an_object(1))
    assert len(informer.find(by_controller, ("orphans", "default"))) == 1
    informer.observe(an_object(2, owner="set"))
    assert not informer.find(by_controller, ("orphans", "default"))
    assert len(informer.find(by_controller, "set")) == 1
    informer.forget(an_object(3))
    assert not informer.find(by_controller, "set")


async def test_a_key_is_queued_once_and_worked_on_by_one() -> None:
    """Added while in work, it comes again when it is done and not before."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    queue.done("b")
    assert queue.is_idle


async def test_of_several_delays_the_shortest_counts() -> None:
    """And a key that is added now needs no timer any more."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("late", 0.02)
    queue.add_after("soon", 3600)
    queue.add_after("soon", 0.01)
    queue.add_after("now", 3600)
    queue.add("now")
    assert [await queue.get() for _ in range(3)] == ["now", "soon", "late"]
    queue.close()


async def test_a_failing_key_is_tried_again_and_stops_nobody() -> None:
    """API failures and bugs alike."""
    problems: dict[str, list[Exception]] = {
        "refused": [ApiFailure(500, "InternalError", "no")],
        "broken": [ValueError("a bug")],
    }
    done: set[str] = set()
    over = asyncio.Event()

    async def reconcile(key: str) -> None:
        if problems.get(key):
            raise problems[key].pop()
        done.add(key)
        if len(done) == 3:
            over.set()

    controller: Controller[str] = Controller("test", reconcile, workers=1)
    controller.start()
    for key in ("refused", "broken", "fine"):
        controller.queue.add(key)
    async with asyncio.timeout(30):
        await over.wait()
    await controller.stop()


@pytest.mark.parametrize("weather", ["compacted", "dropped"])
async def test_controllers_survive_bad_weather(weather: str) -> None:
    """Watches that break or are too old lose nothing."""
    async with Sandbox(workloads=True) as sandbox, a_view(sandbox) as cluster:
        await cluster.create(REPLICA_SETS, a_replica_set("web", 2, a_template("web")))
        await cluster.ready("web", 2)
        if weather == "compacted":
            sandbox.compact()
        sandbox.faults.drop_watches()
        await cluster.scale(REPLICA_SETS, "web", 3)
        await cluster.ready("web", 3)


async def test_another_node_takes_over_the_pods() -> None:
    """Controllers, node and balancer end and begin again beside the same API: programs are started anew."""
    async with Sandbox() as sandbox, a_view(sandbox) as cluster:
        async with Workloads(cluster.connection):
            await cluster.create(REPLICA_SETS, a_replica_set("real", 1, a_template("real", real=True)))
            await cluster.create(REPLICA_SETS, a_replica_set("played", 1, a_template("played")))
            await cluster.ready("real", 1)
            await cluster.ready("played", 1)
        async with Workloads(cluster.connection):
            (pod,) = await cluster.until_count(PODS, 1, lambda seen: restarts(seen) == 1)
            assert pod["metadata"]["labels"]["app"] == "real"
            await cluster.ready("real", 1)
            assert [restarts(seen) for seen in await cluster.pods_of("played")] == [0]


def restarts(pod: Json) -> int:
    return int(((pod["status"].get("containerStatuses") or [{}])[0]).get("restartCount", 0))


async def test_pods_that_cannot_be_made_are_told_and_made_later() -> None:
    """ReplicaFailure carries the API server's own words, and goes when its reason has gone."""
    async with Sandbox(workloads=True) as sandbox, a_view(sandbox) as cluster:
        rule = sandbox.faults.inject(Refuse(code=403), verb="create", resource="pods")
        await cluster.create(REPLICA_SETS, a_replica_set("web", 1, a_template("web")))
        failed = await cluster.until(
            REPLICA_SETS, "web", lambda owner: condition_of(owner, "ReplicaFailure") is not None
        )
        assert "refused on demand" in (condition_of(failed, "ReplicaFailure") or {})["message"]
        sandbox.faults.remove(rule)
        healed = await cluster.ready("web", 1)
        assert condition_of(healed, "ReplicaFailure") is None


@pytest.mark.parametrize("code", [409, 429, 500])
async def test_refused_writes_are_repeated(code: Literal[409, 429, 500]) -> None:
    """The first writes of each kind fail, and the cluster still arrives."""
    async with Sandbox(workloads=True) as sandbox, a_view(sandbox) as cluster:
        for verb in ("create", "update", "patch", "delete"):
            sandbox.faults.inject(Refuse(code=code), verb=verb, resource="pods*", times=3)
        await cluster.create(REPLICA_SETS, a_replica_set("web", 2, a_template("web")))
        await cluster.ready("web", 2)
        await cluster.scale(REPLICA_SETS, "web", 1)
        await cluster.ready("web", 1)
        await cluster.until_count(PODS, 1)
