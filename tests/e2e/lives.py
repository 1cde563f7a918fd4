"""Controllers that die between any two writes: each is let to make one, and killed when it is about to make the next.

The sandbox holds the second write back, so it has no effect: what the next controller finds is exactly what the first
write left. A rollout that is carried on by such controllers has had one die at every prefix of its list of writes.
Events are not counted: nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Delay, Rule
from tests.e2e.stage import Stage, kill, until

ALONE = ("--leader-elect=false",)
WRITES = "[cdpu]*"  # create, delete, patch, update; no verb that reads begins so
BUT_EVENTS = "[!e]*"
CONTROLLER = "rollouts-controller*"
FOR_EVER = Delay(3600.0)
LIVES_MAX = 60  # more than any of these stories has writes


async def carry_on(stage: Stage, sandbox: Sandbox, is_so: Callable[[], Awaitable[bool]]) -> int:
    """Let controllers live and die until this is so; how many there were."""
    for number in range(LIVES_MAX):
        if await is_so():
            return number
        await _one_life(stage, sandbox, is_so)
    raise AssertionError(f"{LIVES_MAX} controllers made a write each, and it is still not so")


async def _one_life(stage: Stage, sandbox: Sandbox, is_so: Callable[[], Awaitable[bool]]) -> None:
    second = sandbox.faults.add(Rule(fault=FOR_EVER, verb=WRITES, resource=BUT_EVENTS, agent=CONTROLLER, after=1))
    child = await stage.controller(*ALONE)

    async def look() -> bool | None:
        assert child.process.returncode is None, f"{child.name} ended by itself"
        return True if second.hits or await is_so() else None

    await until("a second write", look)
    await kill(child)
    sandbox.faults.remove(second)
