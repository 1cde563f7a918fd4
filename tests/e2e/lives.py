"""Controllers that die between any two writes: each is let to make one, and killed when it is about to make the next.

The sandbox holds the second write back, so it has no effect: what the next controller finds is exactly what the first
write left. A rollout that is carried on by such controllers has had one die at every prefix of its list of writes.
Events are not counted: nothing is decided by them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rollouts.demo.processes import last_lines
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Delay, Rule
from tests.e2e.stage import Stage, until

WRITES = "[cdpu]*"  # create, delete, patch, update; no verb that reads begins so
BUT_EVENTS = "[!e]*"
CONTROLLER = "rollouts-controller*"
FOR_EVER = Delay(3600.0)
LIVES_MAX = 40  # for one part of a story; none has so many writes

IsSo = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def short_lived(sandbox: Sandbox, stage: Stage) -> AsyncIterator[Lives]:
    """What gives birth to such controllers until the block ends."""
    pipe = asyncio.subprocess.PIPE
    nursery = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.e2e.nursery"), stdin=pipe, stdout=pipe, env=without_proxies()
    )
    try:
        yield Lives(sandbox, stage, nursery)
    finally:
        nursery.kill()
        await nursery.wait()


def without_proxies() -> dict[str, str]:
    """This process's environment, less what would lead requests elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass(slots=True)
class Lives:
    """Controllers one after the other; never two at a time."""

    sandbox: Sandbox
    stage: Stage
    nursery: asyncio.subprocess.Process
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def carry_on(self, is_so: IsSo) -> None:
        """Let them live and die until this is so."""
        for _ in range(LIVES_MAX):
            if await is_so():
                return
            await self._one_life(is_so)
        raise AssertionError(f"{LIVES_MAX} controllers made a write each, and it is still not so")

    async def _one_life(self, is_so: IsSo) -> None:
        second = Rule(fault=FOR_EVER, verb=WRITES, resource=BUT_EVENTS, agent=CONTROLLER, after=1)
        self.sandbox.faults.add(second)
        log = self.stage.folder / "logs" / f"life-{next(self._numbers)}.log"
        pid = await self._born("--leader-elect=false", log=str(log))

        async def look() -> bool | None:
            assert is_alive(pid), f"a controller ended by itself\n{last_lines(log)}"
            return True if second.hits or await is_so() else None

        await until("a second write", look)
        os.kill(pid, signal.SIGKILL)
        self.sandbox.faults.remove(second)

    async def _born(self, *flags: str, log: str) -> int:
        """Start one, and give its process id."""
        assert self.nursery.stdin is not None and self.nursery.stdout is not None, "it was started with pipes"
        words = (log, *self.stage.controller_words(*flags))
        self.nursery.stdin.write(json.dumps(words).encode() + b"\n")
        return int(await self.nursery.stdout.readline())


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
