"""One worker in a cluster, with a decision that the test makes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rollouts.core.actions import Action
from rollouts.core.plan import Note, Plan
from rollouts.kube.applier import Applier
from rollouts.kube.client import KubeClient, Writer
from rollouts.kube.events import EventRecorder
from rollouts.kube.kinds import ROLLOUTS, Key
from rollouts.kube.status_writer import StatusWriter
from rollouts.runtime.cache import Cache, Entry, entry_of
from rollouts.runtime.execute import Executor
from rollouts.runtime.intake import Intake
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.pump import Event
from rollouts.runtime.queue import WorkQueue
from rollouts.runtime.readings import Readings
from rollouts.runtime.routes import Roads
from rollouts.runtime.step_calls import StepCalls
from rollouts.runtime.step_plugins import StepPlugins
from rollouts.runtime.turns import NO_ROADS, Turn
from rollouts.runtime.worker import Tools, Worker
from rollouts.sandbox.faults import Faults
from rollouts.telemetry import Telemetry
from tests.shell.clusters import LOOSE_CRDS, a_cluster, a_sandbox, create, read
from tests.shell.fake_time import FakeClock
from tests.shell.objects import a_rollout, kind_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Key("default", "web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the fake decision wants of an object."""

    status: dict[str, Any] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    requeue_at: datetime | None = None
    roads: Roads = NO_ROADS
    workload: Entry | None = None


@dataclass(slots=True)
class FakeTurns:
    """Decides what the test told it to."""

    cache: Cache
    decide: Callable[[Entry], Wish]
    kind = ROLLOUTS
    taken: list[Key] = field(default_factory=list)
    left: list[Key] = field(default_factory=list)

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        self.taken.append(key)
        entry = self.cache.get(ROLLOUTS, key)
        if entry is None:
            return None
        wish = self.decide(entry)
        plan: Plan[Any] = Plan(actions=wish.actions, status=None, requeue_at=wish.requeue_at, notes=wish.notes)
        before = entry.object.get("status", {})
        return Turn(entry=entry, plan=plan, before=before, after=wish.status, roads=wish.roads, workload=wish.workload)

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        return dataclasses.replace(turn, after={**turn.after, "refused": why})

    def gone(self, key: Key, uid: str) -> tuple[Note, ...]:
        self.left.append(key)
        return ()


@dataclass(slots=True)
class Switch:
    """A fence that the test closes."""

    is_open: bool = True

    def remaining_seconds(self) -> float:
        return 60.0 if self.is_open else 0.0


@dataclass(slots=True)
class Shop:
    """One worker in a cluster, with everything it needs; events are fed to it by `hear`."""

    client: KubeClient
    sent: list[tuple[str, str]]
    """Method and path of every request."""
    clock: FakeClock
    queue: WorkQueue[Key]
    intake: Intake
    cache: Cache
    turns: FakeTurns
    worker: Worker
    events: EventRecorder
    telemetry: Telemetry
    fence: Switch

    async def rollout(self, name: str = "web", **members: Any) -> dict[str, Any]:
        """A Rollout in the cluster that the cache knows."""
        stored = await create(self.client, ROLLOUTS, a_rollout(name, **members))
        self.hear(stored)
        return stored

    def hear(self, stored: dict[str, Any]) -> None:
        """The watch tells of an object."""
        kind = kind_of(stored)
        self.intake.deliver(Event("MODIFIED", entry_of(kind, stored)))

    async def catch_up(self, name: str = "web") -> dict[str, Any]:
        """The watch tells of the Rollout as it is in the cluster."""
        stored = await read(self.client, ROLLOUTS, name)
        self.hear(stored)
        return stored

    async def work(self) -> None:
        """Give every key that waits its turn."""
        while len(self.queue):
            await self.worker.step()


@asynccontextmanager
async def a_shop(decide: Callable[[Entry], Wish]) -> AsyncIterator[Shop]:
    sent: list[tuple[str, str]] = []
    observed = a_cluster(*LOOSE_CRDS, observe=lambda method, path, _: sent.append((method, path)))
    async with observed as (_, client):
        yield assemble(client, sent, decide)


@asynccontextmanager
async def a_stormy_shop(decide: Callable[[Entry], Wish]) -> AsyncIterator[tuple[Shop, Faults]]:
    """A shop whose weather the test makes."""
    async with a_sandbox(*LOOSE_CRDS) as (sandbox, client):
        yield assemble(client, [], decide), sandbox.faults


def assemble(client: KubeClient, sent: list[tuple[str, str]], decide: Callable[[Entry], Wish]) -> Shop:
    fence, clock = Switch(), FakeClock()
    writer = Writer(client, fence)
    cache = Cache()
    queue: WorkQueue[Key] = WorkQueue(clock)
    intake = Intake(cache, {ROLLOUTS: queue})
    telemetry = Telemetry(version="test")
    events = EventRecorder(writer, instance="here", clock=lambda: NOW)
    measurer = Measurer(
        {},
        Readings(),
        read_secret=lambda key: client.get("/none"),
        on_answer=queue.add,
        on_failure=lambda key, seconds: None,
    )
    step_calls = StepCalls(StepPlugins({}, on_failure=lambda: None), on_answer=queue.add)
    tools = Tools(
        cache=cache,
        intake=intake,
        executor=Executor(Applier(writer), measurer, step_calls),
        statuses=StatusWriter(writer),
        events=events,
        telemetry=telemetry,
    )
    turns = FakeTurns(cache, decide)
    worker = Worker(turns, queue, tools, resync_seconds=900, clock=lambda: NOW)
    return Shop(
        client=client,
        sent=sent,
        clock=clock,
        queue=queue,
        intake=intake,
        cache=cache,
        turns=turns,
        worker=worker,
        events=events,
        telemetry=telemetry,
        fence=fence,
    )


def always(wish: Wish) -> Callable[[Entry], Wish]:
    """The same wish for every object."""
    return lambda entry: wish
