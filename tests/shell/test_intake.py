"""Where events come in: before anybody works, and after."""

from __future__ import annotations

import asyncio

from rollouts.kube.kinds import ROLLOUTS, Key
from rollouts.runtime.cache import Cache
from rollouts.runtime.intake import Intake
from rollouts.runtime.queue import WorkQueue
from tests.shell.objects import a_rollout, event


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
