"""The life of a controller process: start, stand by, lead, stop; and what ends it.

Watches run from the beginning, so that a standby takes over with a warm copy of the cluster. Work starts when the
copy is complete and the lease is won. A lost lease ends everything at once; a request to stop lets turns finish,
hands the lease on and then ends. What the parts do does not belong here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import structlog

from rollouts.kube.events import EventRecorder
from rollouts.kube.kinds import REPLICA_SETS, ROLLOUTS, Key
from rollouts.kube.lease import Elector
from rollouts.runtime.cache import Cache
from rollouts.runtime.census import Census
from rollouts.runtime.intake import Intake
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.pump import Pump
from rollouts.runtime.queue import WorkQueue
from rollouts.runtime.step_calls import StepCalls
from rollouts.runtime.worker import Worker, work

log = structlog.get_logger()

DRAIN_SECONDS = 10.0  # for turns that are under way when the process is asked to stop
FLUSH_SECONDS = 2.0  # for events that wait
OTHERS_SECONDS = 15.0  # for kinds that only some Rollouts need; then those wait alone
NEEDED = (ROLLOUTS, REPLICA_SETS)
"""Without these nothing can be decided; kinds that only some Rollouts need are unreadable for those."""


class Ending(IntEnum):
    """Why the process ended, as its exit code."""

    STOPPED = 0
    FAILED = 1
    LEASE_LOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """One kind's worker, its queue, and how many of its keys are worked on at once."""

    worker: Worker
    queue: WorkQueue[Key]
    loops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that lives as long as the process; `elector` None: there are no rivals."""

    cache: Cache
    intake: Intake
    pump: Pump
    census: Census
    elector: Elector | None
    crews: tuple[Crew, ...]
    events: EventRecorder
    measurer: Measurer
    step_calls: StepCalls


async def live(parts: Parts, stop: asyncio.Event) -> Ending:
    """Run until `stop` is set, the lease is lost, or a part fails."""
    parts.pump.start()
    working = asyncio.Event()
    tasks = {
        "census": _task(parts.census.run()),
        "leading": _task(_lead(parts, working)),
        "stop": _task(stop.wait()),
    }
    if parts.elector is not None:
        tasks["election"] = _task(parts.elector.run())
    try:
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        ending = _ending(tasks)
        if ending is Ending.STOPPED:
            await _retire(parts, tasks, is_working=working.is_set())
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await parts.measurer.close()
        await parts.step_calls.close()
        await parts.pump.stop()
    log.info("controller_ended", ending=ending.name)
    return ending


async def _lead(parts: Parts, working: asyncio.Event) -> None:
    """Wait for a complete copy and for the lease, then set `working` and work."""
    await parts.census.complete(NEEDED)
    _freeze_garbage()
    log.info("caches_complete")
    if parts.elector is not None:
        await parts.elector.leading.wait()
    await _others(parts.census)
    parts.intake.open()
    log.info("work_started")
    working.set()
    events = _task(parts.events.run())
    try:
        async with asyncio.TaskGroup() as group:
            for crew in parts.crews:
                group.create_task(work(crew.worker, loops=crew.loops))
        await parts.events.flush(timeout_seconds=FLUSH_SECONDS)
    finally:
        events.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await events


async def _others(census: Census) -> None:
    """Wait for the kinds that only some Rollouts need, but not for long."""
    others = tuple(kind for kind in census.kinds if kind not in NEEDED)
    try:
        async with asyncio.timeout(OTHERS_SECONDS):
            await census.complete(others)
    except TimeoutError:
        late = [kind.plural for kind in others if not census.is_complete((kind,))]
        log.warning("kinds_not_listed_yet", kinds=late)


async def _retire(parts: Parts, tasks: dict[str, asyncio.Task[Any]], *, is_working: bool) -> None:
    """Let the turns under way finish and hand the lease on; if they do not finish in time, it expires instead."""
    if is_working:
        for crew in parts.crews:
            crew.queue.shut_down()
        await asyncio.wait([tasks["leading"]], timeout=DRAIN_SECONDS)
    else:
        tasks["leading"].cancel()
        await asyncio.wait([tasks["leading"]])
    if parts.elector is not None and tasks["leading"].done():
        tasks["election"].cancel()
        await asyncio.gather(tasks["election"], return_exceptions=True)
        await parts.elector.release()


def _ending(tasks: dict[str, asyncio.Task[Any]]) -> Ending:
    for name, task in tasks.items():
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None:
            log.error("part_failed", part=name, exc_info=error)
            return Ending.FAILED
    if "election" in tasks and tasks["election"].done():
        return Ending.LEASE_LOST
    if tasks["stop"].done():
        return Ending.STOPPED
    # the work ended by itself: every loop met a closed fence
    return Ending.LEASE_LOST


def _task(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(coroutine)


def _freeze_garbage() -> None:
    """The copy of the cluster is long-lived: walking it at every collection would stop the loop for nothing."""
    gc.collect()
    gc.freeze()
