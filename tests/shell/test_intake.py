"""Where events come in: before anybody works, and after."""

from __future__ import annotations

import asyncio

import pytest

from rollouts.kube.kinds import REPLICA_SETS, ROLLOUTS, SERVICES, Key
from rollouts.runtime.cache import Cache
from rollouts.runtime.intake import Intake
from rollouts.runtime.queue import WorkQueue
from tests.shell.objects import a_replica_set, a_rollout, a_run, a_service, entry, event


async def test_a_standby_gathers_no_names() -> None:
    """What came and went before it leads leaves nothing; what is there when it does is looked at, aborts first."""
    queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop())
    intake = Intake(Cache(), {ROLLOUTS: queue}, is_open=False)
    for number in range(100):
        gone = a_rollout(f"gone-{number}")
        intake.deliver(event(gone))
        intake.deliver(event(gone, "DELETED"))
    intake.deliver(event(a_rollout("stays")))
    intake.deliver(event(a_rollout("stop", metadata={"annotations": {"rollouts.io/abort": "abort"}})))
    assert len(queue) == 0
    intake.open()
    assert len(queue) == 2
    assert await queue.get(urgent_only=True) == Key("default", "stop")
    intake.deliver(event(a_rollout("new")))
    assert {await queue.get(), await queue.get()} == {Key("default", "stays"), Key("default", "new")}


async def test_what_was_read_before_it_was_deleted_is_no_ghost() -> None:
    """The answer to a read may come after the event of the deletion; a namesake that comes later is another matter."""
    cache = Cache()
    intake = Intake(cache, {})
    service = a_service("web")
    intake.deliver(event(service))
    intake.deliver(event(service, "DELETED"))
    intake.learn(entry(service))
    assert cache.count(SERVICES) == 0
    namesake = a_service("web")
    namesake["metadata"]["uid"] = "another"
    intake.learn(entry(namesake))
    assert cache.count(SERVICES) == 1


async def test_what_only_left_the_sight_of_a_watch_can_be_read() -> None:
    """A watch that goes by labels tells of a deletion when a label is taken away."""
    cache = Cache()
    intake = Intake(cache, {})
    version = a_replica_set("web-1")
    intake.deliver(event(version))
    intake.deliver(event(version, "DELETED"))
    intake.learn(entry(version))
    assert cache.count(REPLICA_SETS) == 1


@pytest.mark.parametrize("malformed", ["x", ["abort"], 7, {"abort": {}}])
async def test_a_malformed_status_keeps_no_other_object_waiting(malformed: object) -> None:
    """A CRD that admits anything in it is enough: neither its event nor a look at everything stops there."""
    queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop())
    intake = Intake(Cache(), {ROLLOUTS: queue})
    intake.deliver(event(a_rollout("a", status=malformed)))
    intake.deliver(event(a_rollout("b")))
    intake.deliver(event(a_run("c", status=malformed)))
    assert {await queue.get(), await queue.get()} == {Key("default", "a"), Key("default", "b")}
    for name in ("a", "b"):
        queue.done(Key("default", name))
    intake.look_again()
    assert len(queue) == 2
