"""Leader election: at most one writes, and somebody soon does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from rollouts.kube.client import KubeClient, Writer
from rollouts.kube.errors import NotLeader
from rollouts.kube.kinds import LEASES, REPLICA_SETS
from rollouts.kube.lease import Claim, Elector, LeaseTiming
from tests.shell.clusters import a_cluster, a_sandbox, read
from tests.shell.fake_lease import FakeTime, LeaseServer, Line, settle
from tests.shell.objects import a_replica_set

TIMING = LeaseTiming()


class Candidate:
    """A controller that runs for the lease."""

    def __init__(self, name: str, server: LeaseServer, time: FakeTime) -> None:
        self.line = Line(server, time)
        claim = Claim(namespace="default", name="lock", identity=name)
        self.elector = Elector(self.line, claim=claim, timing=TIMING, clock=time.clock, sleep=time.sleep)
        self.task: asyncio.Task[None] | None = None

    @property
    def may_write(self) -> bool:
        return self.elector.remaining_seconds() > 0

    @property
    def has_ended(self) -> bool:
        return self.task is not None and self.task.done()

    def start(self) -> None:
        self.task = asyncio.ensure_future(self.elector.run())

    async def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Race:
    """A server, its time, and the candidates, of whom at most one may ever write."""

    def __init__(self) -> None:
        self.server = LeaseServer()
        self.time = FakeTime()
        self.candidates: list[Candidate] = []

    async def enter(self, name: str) -> Candidate:
        candidate = Candidate(name, self.server, self.time)
        self.candidates.append(candidate)
        candidate.start()
        await settle()
        return candidate

    async def advance(self, seconds: float) -> None:
        """Let time pass in small steps, checking the one law at each."""
        steps = round(seconds * 10)
        for _ in range(steps):
            await self.time.advance(0.1)
            writers = [each.elector.identity for each in self.candidates if each.may_write]
            assert len(writers) <= 1, writers


@asynccontextmanager
async def a_race() -> AsyncIterator[Race]:
    race = Race()
    try:
        yield race
    finally:
        for candidate in race.candidates:
            await candidate.kill()


async def test_the_first_one_leads_and_keeps_the_lease() -> None:
    """For as long as it renews."""
    async with a_race() as race:
        first = await race.enter("a")
        second = await race.enter("b")
        await race.advance(120)
        assert first.may_write and not second.may_write
        assert {holder for _, holder in race.server.writes} == {"a"}


async def test_a_dead_leader_is_replaced_within_fifteen_seconds() -> None:
    """Whenever in its rhythm it dies."""
    for died_at in (10.0, 10.7, 11.3, 11.9):
        async with a_race() as race:
            first = await race.enter("a")
            await race.advance(1)
            second = await race.enter("b")
            await race.advance(died_at)
            await first.kill()
            race.candidates.remove(first)
            await race.advance(15)
            assert second.may_write
            assert race.server.lease is not None and race.server.lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_goes_hands_over_at_once() -> None:
    """Released, the lease is taken at the next look."""
    async with a_race() as race:
        first, second = await race.enter("a"), await race.enter("b")
        await race.advance(10)
        await first.kill()
        await first.elector.release()
        assert not first.may_write
        await race.advance(TIMING.retry_period * 1.5)
        assert second.may_write


async def test_only_the_holder_releases() -> None:
    """A standby that goes changes nothing."""
    async with a_race() as race:
        await race.enter("a")
        second = await race.enter("b")
        await race.advance(5)
        writes = len(race.server.writes)
        await second.elector.release()
        assert len(race.server.writes) == writes


async def test_a_leader_whose_api_hangs_stops_before_the_lease_runs_out() -> None:
    """The deadline is shorter than the claim, and a hung request does not outlast it."""
    async with a_race() as race:
        first, second = await race.enter("a"), await race.enter("b")
        await race.advance(10)
        first.line.state = "hung"
        await race.advance(TIMING.renew_deadline + TIMING.retry_period)
        assert not first.may_write and first.has_ended
        await race.advance(15 - TIMING.renew_deadline)
        assert second.may_write


async def test_a_leader_whose_api_refuses_for_a_moment_stays() -> None:
    """An outage shorter than the deadline costs nothing."""
    async with a_race() as race:
        first = await race.enter("a")
        await race.advance(10)
        first.line.state = "down"
        await race.advance(TIMING.renew_deadline / 2)
        first.line.state = "up"
        await race.advance(30)
        assert first.may_write and not first.has_ended


async def test_a_frozen_leader_wakes_up_without_rights() -> None:
    """A stopped process, or a sleeping machine: the fence is closed before any of its code runs."""
    async with a_race() as race:
        first = await race.enter("a")
        await race.advance(10)
        race.time.jump(60)
        assert not first.may_write


async def test_a_frozen_leader_that_was_replaced_ends() -> None:
    """It finds another holder, and never writes the Lease again."""
    async with a_race() as race:
        first = await race.enter("a")
        await race.advance(5)
        assert race.server.lease is not None
        race.server.lease["spec"]["holderIdentity"] = "b"
        race.server.lease["metadata"]["resourceVersion"] = "99"
        await race.time.advance(TIMING.renew_deadline + 1)
        assert first.has_ended and not first.may_write
        assert race.server.lease["spec"]["holderIdentity"] == "b"


async def test_a_lease_somebody_deletes_is_made_again() -> None:
    """By whoever holds it."""
    async with a_race() as race:
        first, second = await race.enter("a"), await race.enter("b")
        await race.advance(5)
        race.server.lease = None
        await race.advance(30)
        assert first.may_write != second.may_write
        assert race.server.lease is not None


async def test_a_rival_with_a_longer_claim_is_waited_for() -> None:
    """The duration in the Lease counts when it is longer than ours: another controller wrote it."""
    async with a_race() as race:
        claim = {"holderIdentity": "other", "leaseDurationSeconds": 30}
        race.server.lease = {"metadata": {"resourceVersion": "1"}, "spec": claim}
        candidate = await race.enter("a")
        await race.advance(29)
        assert not candidate.may_write
        await race.advance(2)
        assert candidate.may_write


def test_unsafe_timings_are_refused() -> None:
    """A holder must stop before a rival may start."""
    with pytest.raises(ValueError, match="lease duration > renew deadline"):
        LeaseTiming(duration=10, renew_deadline=10, retry_period=2)


async def test_no_write_leaves_a_process_that_does_not_lead() -> None:
    """The fence is asked before every write, and nothing reaches the server."""
    async with a_sandbox() as (sandbox, client):
        writer = Writer(client, elector_for(client, "a"))
        sandbox.requests.clear()
        with pytest.raises(NotLeader):
            await writer.create(REPLICA_SETS.path("default"), a_replica_set("web-1"))
        assert not sandbox.requests


async def test_the_lease_is_one_that_other_programs_understand() -> None:
    """Stored in a cluster: holder, duration, times and transitions, as client-go writes them."""
    async with a_cluster() as (_, client):
        elector = elector_for(client, "a")
        running = asyncio.ensure_future(elector.run())
        await elector.leading.wait()
        spec = (await read(client, LEASES, "lock"))["spec"]
        assert spec["holderIdentity"] == "a"
        assert spec["leaseDurationSeconds"] == round(TIMING.duration)
        assert spec["leaseTransitions"] == 0
        assert spec["renewTime"].endswith("Z") and spec["acquireTime"].endswith("Z")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await elector.release()
        assert (await read(client, LEASES, "lock"))["spec"].get("holderIdentity", "") == ""


def elector_for(client: KubeClient, identity: str) -> Elector:
    """An elector on a real connection."""
    return Elector(client, claim=Claim(namespace="default", name="lock", identity=identity))


async def test_a_standby_asks_no_faster_while_nobody_answers() -> None:
    """The claim it waited for has run out, and the API server is away: it keeps to its period."""
    async with a_race() as race:
        holder = await race.enter("a")
        standby = await race.enter("b")
        await holder.kill()
        standby.line.state = "down"
        await race.time.advance(TIMING.duration)
        asked = standby.line.sent
        await race.time.advance(60)
        assert standby.line.sent - asked <= 60 / TIMING.retry_period


async def test_a_missing_namespace_is_said_once_with_what_to_do() -> None:
    """Outside a cluster the default namespace may not be there."""
    async with a_cluster() as (_, client):
        elector = Elector(client, claim=Claim(namespace="nowhere", name="lock", identity="a"))
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                assert not await elector.attempt()
        said = [line for line in logs if line["log_level"] == "warning"]
        assert len(said) == 1
        assert "--leader-election-namespace" in said[0]["advice"] and "'nowhere'" in said[0]["advice"]
