"""The loop around the decision, with a decision that the test makes, against a cluster."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from rollouts.core.actions import Action, CreateReplicaSet, PatchRollout, ScaleReplicaSet
from rollouts.core.plan import Note, Plan
from rollouts.kube.applier import Applier
from rollouts.kube.client import Fence, KubeClient, Request, Writer
from rollouts.kube.events import EventRecorder
from rollouts.kube.kinds import EVENTS, REPLICA_SETS, ROLLOUTS, Key
from rollouts.kube.status_writer import StatusWriter
from rollouts.runtime.cache import Cache, Entry, entry_of
from rollouts.runtime.execute import Executor
from rollouts.runtime.intake import Intake
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.pump import Event
from rollouts.runtime.queue import WorkQueue
from rollouts.runtime.readings import Readings
from rollouts.runtime.turns import Turn
from rollouts.runtime.worker import RECONCILIATION_ERROR, Tools, Worker
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Refuse
from rollouts.telemetry import Telemetry
from tests.shell.clusters import LOOSE_CRDS, a_cluster, create, read
from tests.shell.fake_time import FakeClock
from tests.shell.objects import a_replica_set, a_rollout

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Key("default", "web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the fake decision wants of an object."""

    status: dict[str, Any] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    requeue_at: datetime | None = None


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
        return Turn(entry=entry, plan=plan, before=entry.object.get("status", {}), after=wish.status)

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

    sandbox: Sandbox
    client: KubeClient
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
        kind = ROLLOUTS if stored["kind"] == "Rollout" else REPLICA_SETS
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
    async with a_cluster(*LOOSE_CRDS) as (sandbox, client):
        fence = Switch()
        clock = FakeClock()
        shop = assemble(sandbox, client, clock, fence, decide)
        yield shop


def assemble(
    sandbox: Sandbox, client: KubeClient, clock: FakeClock, fence: Fence, decide: Callable[[Entry], Wish]
) -> Shop:
    assert isinstance(fence, Switch)
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
    tools = Tools(
        cache=cache,
        intake=intake,
        executor=Executor(Applier(writer), measurer),
        statuses=StatusWriter(writer),
        events=events,
        telemetry=telemetry,
    )
    turns = FakeTurns(cache, decide)
    worker = Worker(turns, queue, tools, resync_seconds=900, clock=lambda: NOW)
    return Shop(
        sandbox=sandbox,
        client=client,
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


def writes(sandbox: Sandbox) -> Iterable[tuple[str, str]]:
    """Verb and resource of every write that was answered, reads left out."""
    reads = ("get", "list", "watch")
    return sorted((verb, resource) for verb, _, resource, _ in sandbox.requests if verb not in reads)


async def test_a_turn_acts_and_then_writes_the_status() -> None:
    """Both are in the cluster afterwards, and the note is an Event."""
    manifest = a_replica_set("web-1")
    manifest["metadata"] = {"name": "web-1", "namespace": "default", "labels": manifest["metadata"]["labels"]}
    wish = Wish(
        status={"phase": "Progressing"},
        actions=(CreateReplicaSet(name="web-1", manifest=manifest),),
        notes=(Note(reason="NewReplicaSetCreated", message="made web-1"),),
    )
    async with a_shop(always(wish)) as shop:
        await shop.rollout()
        await shop.work()
        assert (await read(shop.client, REPLICA_SETS, "web-1"))["spec"]["replicas"] == 1
        assert (await read(shop.client, ROLLOUTS, "web"))["status"] == {"phase": "Progressing"}
        delivering = asyncio.ensure_future(shop.events.run())
        await shop.events.flush(timeout_seconds=5)
        delivering.cancel()
        listed = await shop.client.get(EVENTS.path("default"))
        assert [event["reason"] for event in listed["items"]] == ["NewReplicaSetCreated"]


async def test_a_key_waits_until_its_writes_are_seen() -> None:
    """An event of something else, in between, makes no turn on the old picture."""
    async with a_shop(always(Wish(status={"phase": "Progressing"}))) as shop:
        await shop.rollout()
        await shop.work()
        shop.turns.taken.clear()
        shop.queue.add(WEB)
        await shop.work()
        assert shop.turns.taken == []
        await shop.catch_up()
        await shop.work()
        assert shop.turns.taken == [WEB]


async def test_nothing_is_written_when_nothing_changes() -> None:
    """However often the object is looked at."""
    async with a_shop(always(Wish(status={"phase": "Healthy"}))) as shop:
        await shop.rollout()
        await shop.work()
        await shop.catch_up()
        await shop.work()
        shop.sandbox.requests.clear()
        for _ in range(5):
            shop.queue.add(WEB)
            await shop.work()
        assert not shop.sandbox.requests


async def test_the_first_failure_stops_the_rest_but_not_the_status() -> None:
    """The plan's order is the order of its actions; the key comes back after its backoff."""
    refused = ScaleReplicaSet(name="gone", replicas=1, annotations={}, seen_version="1")
    manifest = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "never"}}
    wish = Wish(status={"phase": "Degraded"}, actions=(refused, CreateReplicaSet(name="never", manifest=manifest)))
    async with a_shop(always(wish)) as shop:
        await shop.rollout()
        await shop.work()
        assert (await read(shop.client, ROLLOUTS, "web"))["status"] == {"phase": "Degraded"}
        assert (await shop.client.get(REPLICA_SETS.path("default")))["items"] == []
        await shop.catch_up()
        await shop.work()
        assert len(shop.turns.taken) == 2
        shop.clock.pass_time(1)
        await shop.work()
        assert len(shop.turns.taken) == 3


async def test_a_refusal_is_told_on_the_object() -> None:
    """What waiting does not cure is where people look: a Warning on the Rollout."""
    invalid = CreateReplicaSet(
        name="bad", manifest={"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "bad"}, "spec": {}}
    )
    async with a_shop(always(Wish(status={"phase": "Degraded"}, actions=(invalid,)))) as shop:
        await shop.rollout()
        await shop.work()
        delivering = asyncio.ensure_future(shop.events.run())
        await shop.events.flush(timeout_seconds=5)
        delivering.cancel()
        (event,) = (await shop.client.get(EVENTS.path("default")))["items"]
        assert (event["reason"], event["type"]) == (RECONCILIATION_ERROR, "Warning")
        assert "refused" in (await read(shop.client, ROLLOUTS, "web"))["status"]


async def test_a_plan_for_an_older_generation_is_dropped() -> None:
    """The author changed the spec while the plan was carried out: what is left of it is not meant any more."""
    shop_box: list[Shop] = []

    def decide(entry: Entry) -> Wish:
        if entry.generation == 1:
            changed = {**entry.object, "metadata": {**entry.object["metadata"], "generation": 2}}
            changed["metadata"]["resourceVersion"] = str(int(entry.version) + 1_000_000)
            asyncio.get_running_loop().call_soon(lambda: shop_box[0].hear(changed))
        first = PatchRollout(patch={"metadata": {"annotations": {"first": "1"}}}, seen_version=entry.version)
        second = CreateReplicaSet(
            name="late", manifest={"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "late"}}
        )
        return Wish(actions=(first, second) if entry.generation == 1 else ())

    async with a_shop(decide) as shop:
        shop_box.append(shop)
        await shop.rollout()
        await shop.work()
        assert ("create", "replicasets") not in writes(shop.sandbox)


async def test_the_status_follows_our_own_patch() -> None:
    """A plan may patch the Rollout and then write its status: the second write names the version of the first."""

    def decide(entry: Entry) -> Wish:
        patch = {"metadata": {"annotations": {"ours": "1"}}}
        return Wish(status={"phase": "Progressing"}, actions=(PatchRollout(patch=patch, seen_version=entry.version),))

    async with a_shop(decide) as shop:
        await shop.rollout()
        await shop.work()
        stored = await read(shop.client, ROLLOUTS, "web")
        assert stored["metadata"]["annotations"] == {"ours": "1"} and stored["status"] == {"phase": "Progressing"}


async def test_our_own_bug_slows_one_key_only() -> None:
    """It is caught, counted and tried again later; the others are served."""

    def decide(entry: Entry) -> Wish:
        if entry.key.name == "bad":
            raise KeyError("a bug")
        return Wish(status={"phase": "Healthy"})

    async with a_shop(decide) as shop:
        await shop.rollout("bad")
        await shop.rollout("web")
        await shop.work()
        assert (await read(shop.client, ROLLOUTS, "web"))["status"] == {"phase": "Healthy"}
        assert b'controller_bugs_total{kind="Rollout"} 1.0' in shop.telemetry.render()
        for _ in range(3):
            shop.clock.pass_time(1)
            await shop.work()
        assert shop.turns.taken.count(Key("default", "bad")) == 4


async def test_a_requeue_is_an_appointment() -> None:
    """A pause of ten minutes is a timer of ten minutes, not a waiting worker."""
    async with a_shop(always(Wish(requeue_at=NOW + timedelta(minutes=10)))) as shop:
        await shop.rollout()
        await shop.work()
        shop.clock.pass_time(599)
        await shop.work()
        assert len(shop.turns.taken) == 1
        shop.clock.pass_time(1)
        await shop.work()
        assert len(shop.turns.taken) == 2


async def test_everything_is_looked_at_again_now_and_then() -> None:
    """A wake-up that got lost delays, it does not stop."""
    async with a_shop(always(Wish())) as shop:
        await shop.rollout()
        await shop.work()
        shop.clock.pass_time(900 * 1.2)
        await shop.work()
        assert len(shop.turns.taken) == 2


async def test_a_former_leader_writes_nothing() -> None:
    """The fence closes between decision and write: the turn ends there, and so does the worker."""
    async with a_shop(always(Wish(status={"phase": "Healthy"}))) as shop:
        await shop.rollout()
        shop.sandbox.requests.clear()
        shop.fence.is_open = False
        await shop.worker.run()
        assert not shop.sandbox.requests


async def test_what_was_kept_for_an_object_goes_with_it() -> None:
    """Series, expectations, appointments."""
    async with a_shop(always(Wish(status={"phase": "Healthy"}))) as shop:
        stored = await shop.rollout()
        await shop.work()
        assert b"rollout_info{" in shop.telemetry.render()
        await shop.client.send(Request(method="DELETE", path=ROLLOUTS.path("default", "web")))
        shop.intake.deliver(Event("DELETED", entry_of(ROLLOUTS, stored)))
        await shop.work()
        assert shop.turns.left == [WEB]
        assert b'name="web"' not in shop.telemetry.render()


@pytest.mark.parametrize("code", [409, 429, 500, 503])
async def test_bad_weather_delays_and_then_the_write_succeeds(code: Literal[409, 429, 500, 503]) -> None:
    """Conflicts, throttling and server errors are tried again by the queue."""
    async with a_shop(always(Wish(status={"phase": "Healthy"}))) as shop:
        await shop.rollout()
        shop.sandbox.faults.inject(Refuse(code=code), verb="patch", resource="rollouts/status", times=2)
        for _ in range(4):
            await shop.work()
            shop.clock.pass_time(30)
        assert (await read(shop.client, ROLLOUTS, "web"))["status"] == {"phase": "Healthy"}


async def test_a_write_is_told_of_even_if_the_status_after_it_was_refused() -> None:
    """The next turn would not make it again; what was only decided is told when it is stored."""
    notes = (Note(reason="Scaled", message="scaled", of="web-1"), Note(reason="Paused", message="paused"))
    async with a_shop(lambda entry: Wish()) as shop:
        version = (await create(shop.client, REPLICA_SETS, a_replica_set("web-1")))["metadata"]["resourceVersion"]
        scale = ScaleReplicaSet(name="web-1", replicas=3, seen_version=version, annotations={})
        shop.turns.decide = always(Wish(status={"phase": "Paused"}, actions=(scale,), notes=notes))
        await shop.rollout()
        shop.sandbox.faults.inject(Refuse(code=409), verb="patch", resource="rollouts/status", times=1)
        await shop.work()
        assert re.findall(rb'rollout_events_total\{.*reason="(\w+)"', shop.telemetry.render()) == [b"Scaled"]
