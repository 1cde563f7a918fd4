"""The loop around the decision, with a decision that the test makes, against a cluster."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any, Literal

import pytest
from structlog.testing import capture_logs

from rollouts.core.actions import CreateReplicaSet, PatchRollout, RunStepPlugin, ScaleReplicaSet, SetTraffic
from rollouts.core.plan import Note
from rollouts.kube.client import Request
from rollouts.kube.kinds import EVENTS, INGRESSES, REPLICA_SETS, ROLLOUTS, Key
from rollouts.ports import Destination, Operation, TrafficIntent
from rollouts.runtime.cache import Entry, entry_of
from rollouts.runtime.pump import Event
from rollouts.runtime.worker import RECONCILIATION_ERROR
from rollouts.sandbox.faults import Refuse
from tests.shell.clusters import create, read
from tests.shell.objects import (
    a_deployment,
    a_replica_set,
    a_routed_rollout,
    a_service,
    an_ingress,
    entry,
    event,
)
from tests.shell.pictures import picture_of
from tests.shell.shop import NOW, WEB, Shop, Wish, a_shop, a_stormy_shop, always


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
        shop.sent.clear()
        for _ in range(5):
            shop.queue.add(WEB)
            await shop.work()
        assert not shop.sent


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


async def test_the_log_repeats_no_complaint() -> None:
    """A right that is missing for a night is one line of each object, until something else is wrong."""
    async with a_stormy_shop(always(Wish(status={"phase": "Progressing"}))) as (shop, faults):
        refused = faults.inject(Refuse(code=403), verb="patch", resource="rollouts/status")
        await shop.rollout()
        with capture_logs() as logged:
            for _ in range(3):
                await shop.work()
                shop.queue.add(WEB)
            faults.remove(refused)
            await shop.work()
        puts_off = [line["log_level"] for line in logged if line["event"] == "turn_put_off"]
        assert puts_off == ["warning", "debug", "debug"]


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
        assert ("POST", REPLICA_SETS.path("default")) not in shop.sent


@pytest.mark.parametrize(("change", "is_made"), [({"image": "app:2"}, False), ({"replicas": 1}, True), (None, False)])
async def test_a_plan_for_the_template_of_a_workload_is_for_that_template(
    change: dict[str, Any] | None, *, is_made: bool
) -> None:
    """Its pods may come and go meanwhile. That its template changed, or that it went, drops the rest of the plan."""
    deployment = a_deployment()
    manifest = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "late"}}
    shop_box: list[Shop] = []

    def decide(rollout: Entry) -> Wish:
        first = PatchRollout(patch={"metadata": {"annotations": {"first": "1"}}}, seen_version=rollout.version)
        second = CreateReplicaSet(name="late", manifest=manifest)
        intake = shop_box[0].intake
        later = event(deployment, "DELETED") if change is None else event(a_deployment(**change))
        asyncio.get_running_loop().call_soon(lambda: intake.deliver(later))
        return Wish(actions=(first, second), workload=entry(deployment))

    async with a_shop(decide) as shop:
        shop_box.append(shop)
        shop.hear(deployment)
        await shop.rollout()
        await shop.work()
        assert (("POST", REPLICA_SETS.path("default")) in shop.sent) is is_made


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
        shop.sent.clear()
        shop.fence.is_open = False
        await shop.worker.run()
        assert not shop.sent


async def test_a_former_leader_asks_no_plugin() -> None:
    """What a plugin does is a write like any other."""
    plugin, operation = "acme/step", Operation.RUN
    ask = RunStepPlugin(
        plugin=plugin, key="k", operation=operation, ordinal=1, is_first=True, rollout={}, config=None, status=None
    )
    async with a_shop(always(Wish(actions=(ask,)))) as shop:
        await shop.rollout()
        shop.fence.is_open = False
        assert not await shop.worker.step()


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
    async with a_stormy_shop(always(Wish(status={"phase": "Healthy"}))) as (shop, faults):
        await shop.rollout()
        faults.inject(Refuse(code=code), verb="patch", resource="rollouts/status", times=2)
        for _ in range(4):
            await shop.work()
            shop.clock.pass_time(30)
        assert (await read(shop.client, ROLLOUTS, "web"))["status"] == {"phase": "Healthy"}


async def test_a_write_is_told_of_even_if_the_status_after_it_was_refused() -> None:
    """The next turn would not make it again; what was only decided is told when it is stored."""
    notes = (Note(reason="Scaled", message="scaled", of="web-1"), Note(reason="Paused", message="paused"))
    async with a_stormy_shop(lambda entry: Wish()) as (shop, faults):
        version = (await create(shop.client, REPLICA_SETS, a_replica_set("web-1")))["metadata"]["resourceVersion"]
        scale = ScaleReplicaSet(name="web-1", replicas=3, seen_version=version, annotations={})
        shop.turns.decide = always(Wish(status={"phase": "Paused"}, actions=(scale,), notes=notes))
        await shop.rollout()
        faults.inject(Refuse(code=409), verb="patch", resource="rollouts/status", times=1)
        await shop.work()
        assert re.findall(rb'rollout_events_total\{.*reason="(\w+)"', shop.telemetry.render()) == [b"Scaled"]


def a_split() -> Wish:
    """Traffic of the Rollout `web` is split by an Ingress that does not exist yet."""
    services = (a_service("web-canary"), a_service("web-stable"))
    intent = TrafficIntent(
        canary=Destination(service="web-canary", pod_hash="2", weight=20),
        stable=Destination(service="web-stable", pod_hash="1", weight=80),
    )
    _, roads = picture_of(a_routed_rollout(), *services, an_ingress())
    return Wish(status={"phase": "Progressing"}, actions=(SetTraffic(intent=intent),), roads=roads)


def told(shop: Shop) -> list[str]:
    """Reasons of the Events on the Rollout, in any order."""
    reasons = re.findall(rb'rollout_events_total\{.*reason="(\w+)",type="\w+"\}', shop.telemetry.render())
    return [reason.decode() for reason in reasons]


async def test_a_route_that_was_written_is_told_of_in_its_routers_words() -> None:
    """Once it is stored; whether the status can be stored or not."""
    async with a_stormy_shop(always(a_split())) as (shop, faults):
        faults.inject(Refuse(code=409), verb="patch", resource="rollouts/status")
        await shop.rollout()
        await shop.work()
        assert (await read(shop.client, INGRESSES, "web-web-canary"))["spec"]["rules"]
        assert told(shop) == ["CreatingCanaryIngress"]


async def test_a_route_that_is_there_already_is_no_news() -> None:
    """Somebody was faster: nothing was written."""
    async with a_stormy_shop(always(a_split())) as (shop, _):
        await create(shop.client, INGRESSES, an_ingress("web-web-canary"))
        await shop.rollout()
        await shop.work()
        assert told(shop) == []


@pytest.mark.parametrize(
    ("code", "reasons"), [(403, ["TrafficRoutingError"]), (500, ["TrafficRoutingError"]), (409, []), (429, [])]
)
async def test_traffic_that_could_not_be_split_is_told_of(
    code: Literal[403, 409, 429, 500], reasons: list[str]
) -> None:
    """A Warning in the server's words, also where a webhook failed; that somebody was faster is none."""
    async with a_stormy_shop(always(a_split())) as (shop, faults):
        faults.inject(Refuse(code=code), verb="create", resource="ingresses")
        await shop.rollout()
        await shop.work()
        assert told(shop) == reasons
        assert ("refused" in (await read(shop.client, ROLLOUTS, "web"))["status"]) is bool(reasons)
