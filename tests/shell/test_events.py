"""Notes become Events: once each, counted, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rollouts.core.plan import WARNING, Note
from rollouts.kube.client import AlwaysOpen, KubeClient, Writer
from rollouts.kube.events import WAITING_MAX, EventRecorder, Subject, event_name
from rollouts.kube.kinds import EVENTS, ROLLOUTS, Key
from rollouts.sandbox.faults import Refuse
from tests.shell.clusters import a_cluster, a_sandbox
from tests.shell.processes import until

SUBJECT = Subject(kind=ROLLOUTS, key=Key("default", "web"), uid="uid-web")


@dataclass(slots=True)
class Now:
    """A wall clock that only the test moves."""

    moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def read(self) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@asynccontextmanager
async def recording(client: KubeClient, now: Now) -> AsyncIterator[EventRecorder]:
    """A recorder that delivers to the cluster."""
    recorder = EventRecorder(Writer(client, AlwaysOpen()), instance="here", clock=now.read, sleep=now.sleep)
    running = asyncio.ensure_future(recorder.run())
    try:
        yield recorder
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def stored(client: KubeClient) -> list[dict[str, Any]]:
    """All Events of the namespace."""
    items = (await client.get(EVENTS.path("default")))["items"]
    return list(items)


async def test_a_note_is_an_event_on_its_object() -> None:
    """With what `kubectl describe` and `kubectl get events` show."""
    async with a_cluster() as (_, client), recording(client, Now()) as recorder:
        recorder.record(SUBJECT, Note(reason="RolloutAborted", message="too many errors", type=WARNING))
        await recorder.flush(timeout_seconds=5)
        (event,) = await stored(client)
        assert event["involvedObject"]["uid"] == "uid-web"
        assert (event["reason"], event["message"], event["type"]) == ("RolloutAborted", "too many errors", "Warning")
        assert event["source"]["component"] == "rollouts-controller"
        assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"
        assert event["count"] == 1


async def test_a_repeated_note_raises_the_count() -> None:
    """One Event, whose last time moves."""
    now = Now()
    async with a_cluster() as (_, client), recording(client, now) as recorder:
        for _ in range(3):
            recorder.record(SUBJECT, Note(reason="Scaled", message="from 1 to 2"))
            await recorder.flush(timeout_seconds=5)
            now.move(60)
        (event,) = await stored(client)
        assert event["count"] == 3
        assert event["firstTimestamp"] == "2026-01-01T00:00:00Z"
        assert event["lastTimestamp"] == "2026-01-01T00:02:00Z"


async def test_the_next_process_goes_on_counting() -> None:
    """The name is derived, so a restart finds the Event that its predecessor made."""
    now = Now()
    async with a_cluster() as (_, client):
        for _ in range(2):
            async with recording(client, now) as recorder:
                recorder.record(SUBJECT, Note(reason="Scaled", message="from 1 to 2"))
                await recorder.flush(timeout_seconds=5)
            now.move(60)
        (event,) = await stored(client)
        assert event["count"] == 2


async def test_a_decision_made_twice_is_told_once() -> None:
    """A keyed note made again at once, by a process that crashed in between, is the same note."""
    now = Now()
    async with a_cluster() as (_, client):
        for _ in range(2):
            async with recording(client, now) as recorder:
                recorder.record(SUBJECT, Note(reason="RolloutPaused", message="paused", key="2/1"))
                await recorder.flush(timeout_seconds=5)
            now.move(5)
        (event,) = await stored(client)
        assert event["count"] == 1


async def test_keys_tell_notes_apart() -> None:
    """The same words about another revision are another Event."""
    async with a_cluster() as (_, client), recording(client, Now()) as recorder:
        for revision in ("1", "2"):
            recorder.record(SUBJECT, Note(reason="RolloutPaused", message="paused", key=revision))
        await recorder.flush(timeout_seconds=5)
        assert len(await stored(client)) == 2


async def test_an_event_that_expired_is_made_again() -> None:
    """The API server keeps Events for an hour."""
    now = Now()
    note = Note(reason="Scaled", message="from 1 to 2")
    async with a_cluster() as (_, client), recording(client, now) as recorder:
        recorder.record(SUBJECT, note)
        await recorder.flush(timeout_seconds=5)
        await Writer(client, AlwaysOpen()).delete(EVENTS.path("default", event_name(SUBJECT, note)), preconditions={})
        now.move(7200)
        recorder.record(SUBJECT, note)
        await recorder.flush(timeout_seconds=5)
        (event,) = await stored(client)
        assert (event["count"], event["firstTimestamp"]) == (1, "2026-01-01T02:00:00Z")


async def test_what_waits_is_bounded() -> None:
    """While the sink is down the oldest go first, and repeats take no room."""
    async with a_cluster() as (_, client):
        recorder = EventRecorder(Writer(client, AlwaysOpen()), instance="here", clock=Now().read)
        for index in range(WAITING_MAX + 10):
            recorder.record(SUBJECT, Note(reason="Scaled", message=f"to {index}"))
            recorder.record(SUBJECT, Note(reason="Scaled", message=f"to {index}"))
        assert recorder.dropped == 10


async def test_an_event_nobody_takes_is_dropped() -> None:
    """Its namespace is gone: one attempt, and the others are delivered."""
    now = Now()
    gone = Subject(kind=ROLLOUTS, key=Key("nowhere", "web"), uid="uid-web")
    async with a_cluster() as (_, client), recording(client, now) as recorder:
        recorder.record(gone, Note(reason="Scaled", message="lost"))
        recorder.record(SUBJECT, Note(reason="Scaled", message="kept"))
        await recorder.flush(timeout_seconds=5)
        assert recorder.dropped == 1 and now.slept == []
        assert [event["message"] for event in await stored(client)] == ["kept"]


async def test_a_sink_that_fails_is_tried_again_a_few_times() -> None:
    """Then the event is given up, so that the next one has its turn."""
    now = Now()
    async with a_sandbox() as (sandbox, client):
        await sandbox.stop()
        async with recording(client, now) as recorder:
            recorder.record(SUBJECT, Note(reason="Scaled", message="lost"))
            await recorder.flush(timeout_seconds=5)
        assert now.slept == [0.5, 1.0, 2.0, 4.0]
        assert recorder.dropped == 1


async def test_an_event_that_has_to_wait_delays_only_those_of_its_object() -> None:
    """Others overtake it; what comes after it on the same object stays after it."""
    released = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await released.wait()

    other = Subject(kind=ROLLOUTS, key=Key("default", "other"), uid="uid-other")
    async with a_sandbox() as (sandbox, client):
        recorder = EventRecorder(Writer(client, AlwaysOpen()), instance="here", clock=Now().read, sleep=sleep)
        running = asyncio.ensure_future(recorder.run())
        sandbox.faults.inject(Refuse(code=503), verb="create", resource="events", times=1)
        recorder.record(SUBJECT, Note(reason="Scaled", message="first"))
        await asyncio.sleep(0)
        recorder.record(SUBJECT, Note(reason="Scaled", message="second"))
        recorder.record(other, Note(reason="Scaled", message="other"))

        async def messages() -> list[str]:
            found = sorted(await stored(client), key=lambda event: int(event["metadata"]["resourceVersion"]))
            return [event["message"] for event in found]

        await until(messages)
        assert await messages() == ["other"]
        released.set()
        await recorder.flush(timeout_seconds=5)
        assert await messages() == ["other", "first", "second"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_names_fit_and_stay_the_same() -> None:
    """Also for objects with the longest of names."""
    long = Subject(kind=ROLLOUTS, key=Key("default", "a" * 253), uid="u")
    note = Note(reason="Scaled", message="m")
    assert len(event_name(long, note)) <= 253
    assert event_name(long, note) == event_name(long, note) != event_name(SUBJECT, note)
