"""Notes of a decision as core/v1 Events on the object they are about.

The name of an Event is derived from the object, the reason and the note's key, so a note that is made again, by this
process or the next, meets its own Event and raises the count instead of adding a second one. Delivery is a bounded
queue of its own, several objects at a time: a sink that is slow, full or dead delays no decision. Which notes are worth
an Event does not belong here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from rollouts.core.plan import Note
from rollouts.kube.client import Json, Writer
from rollouts.kube.errors import AlreadyExists, ApiError, NotFound, NotLeader, Throttled, Unreachable
from rollouts.kube.kinds import EVENTS, Key, Kind
from rollouts.lib import timestamps

log = structlog.get_logger()

COMPONENT = "rollouts-controller"

WAITING_MAX = 10_000  # events in memory (about 1 KiB each) while the sink is down or slow; the oldest go first
AT_ONCE = 8  # objects whose events are delivered at the same time; those of one object go one after the other
REMEMBERED_MAX = 5000  # events whose count is known without asking
ATTEMPTS_MAX = 5  # per event, with the pauses below between them
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
REPLAY = timedelta(minutes=1)  # a keyed note made again within this time is the same note, decided twice
MESSAGE_LENGTH_MAX = 1024  # the API server refuses more
NAME_LENGTH_MAX = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The object an Event is about."""

    kind: Kind
    key: Key
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Occurrence:
    """One event to deliver: how often it happened since the last delivery, and when first and last."""

    subject: Subject
    note: Note
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivered:
    """What the API server is known to hold."""

    count: int
    last: datetime
    message: str


class EventRecorder:
    """Takes notes at once, delivers them in its own time."""

    def __init__(
        self,
        writer: Writer,
        *,
        instance: str,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._instance = instance
        self._clock = clock
        self._sleep = sleep
        self._waiting: OrderedDict[str, _Occurrence] = OrderedDict()
        self._delivered: OrderedDict[str, _Delivered] = OrderedDict()
        self._busy: set[str] = set()
        """Uids of the objects an event of which is being delivered."""
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped = 0
        """Events given up so far, because the sink refused them or fell too far behind."""

    def record(self, subject: Subject, note: Note) -> None:
        """Queue an Event; never waits, never fails."""
        name = event_name(subject, note)
        now = self._clock()
        waiting = self._waiting.get(name)
        if waiting is not None:
            self._waiting[name] = replace(waiting, note=note, count=waiting.count + 1, last=now)
            return
        if len(self._waiting) >= WAITING_MAX:
            self._overflow()
        self._waiting[name] = _Occurrence(subject=subject, note=note, count=1, first=now, last=now)
        self._idle.clear()
        self._arrived.set()

    def _overflow(self) -> None:
        name, _ = self._waiting.popitem(last=False)
        self.dropped += 1
        if self.dropped % WAITING_MAX == 1:
            log.warning("events_overflow", event_name=name, dropped=self.dropped)

    async def run(self) -> None:
        """Deliver until cancelled, or until this process may not write any more."""
        lanes = [asyncio.create_task(self._deliver_all()) for _ in range(AT_ONCE)]
        try:
            await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _deliver_all(self) -> None:
        """Deliver one event after the other until this process may not write any more."""
        while True:
            name = self._next()
            if name is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            occurrence = self._waiting.pop(name)
            self._busy.add(occurrence.subject.uid)
            try:
                await self._deliver(name, occurrence)
            except NotLeader:
                return
            except Exception:  # an Event that cannot be told must not silence the others
                self.dropped += 1
                log.exception("event_failed", event_name=name)
            finally:
                self._busy.discard(occurrence.subject.uid)
            if not self._waiting and not self._busy:
                self._idle.set()

    def _next(self) -> str | None:
        """The oldest event of an object that has none under way: their order is the story that people read."""
        return next((name for name, each in self._waiting.items() if each.subject.uid not in self._busy), None)

    async def flush(self, *, timeout_seconds: float) -> None:
        """Wait until everything is delivered, or the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.info("events_not_flushed", waiting=len(self._waiting))

    async def _deliver(self, name: str, occurrence: _Occurrence) -> None:
        for pause in (*PAUSES_SECONDS, None):
            try:
                await self._write(name, occurrence)
                return
            except (Unreachable, Throttled) as error:
                if pause is None:
                    self._give_up(name, error)
                    return
                await self._sleep(max(pause, error.retry_after_seconds or 0.0))
            except ApiError as error:
                self._give_up(name, error)
                return

    def _give_up(self, name: str, error: ApiError) -> None:
        self.dropped += 1
        log.warning("event_dropped", event_name=name, reason=error.reason, error=error.message)

    async def _write(self, name: str, occurrence: _Occurrence) -> None:
        delivered = self._delivered.get(name)
        if delivered is None:
            try:
                await self._create(name, occurrence)
                return
            except AlreadyExists:
                delivered = _from_event(await self._writer.read(self._path(name, occurrence)), occurrence)
        try:
            await self._repeat(name, occurrence, delivered)
        except NotFound:  # its time to live is over
            await self._create(name, occurrence)

    async def _create(self, name: str, occurrence: _Occurrence) -> None:
        event = self._manifest(name, occurrence)
        await self._writer.create(EVENTS.path(occurrence.subject.key.namespace), event)
        self._remember(name, _Delivered(count=occurrence.count, last=occurrence.last, message=occurrence.note.message))

    async def _repeat(self, name: str, occurrence: _Occurrence, delivered: _Delivered) -> None:
        is_same = bool(occurrence.note.key) and occurrence.note.message == delivered.message
        if is_same and occurrence.last - delivered.last < REPLAY:
            self._remember(name, delivered)
            return
        count = delivered.count + occurrence.count
        message = _cut(occurrence.note.message)
        patch = {"count": count, "lastTimestamp": timestamps.render(occurrence.last), "message": message}
        await self._writer.merge(self._path(name, occurrence), patch)
        self._remember(name, _Delivered(count=count, last=occurrence.last, message=occurrence.note.message))

    def _remember(self, name: str, delivered: _Delivered) -> None:
        self._delivered[name] = delivered
        self._delivered.move_to_end(name)
        if len(self._delivered) > REMEMBERED_MAX:
            self._delivered.popitem(last=False)

    def _path(self, name: str, occurrence: _Occurrence) -> str:
        return EVENTS.path(occurrence.subject.key.namespace, name)

    def _manifest(self, name: str, occurrence: _Occurrence) -> Json:
        subject, note = occurrence.subject, occurrence.note
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.name,
            "metadata": {"name": name, "namespace": subject.key.namespace},
            "involvedObject": {
                "apiVersion": subject.kind.api_version,
                "kind": subject.kind.name,
                "namespace": subject.key.namespace,
                "name": subject.key.name,
                "uid": subject.uid,
            },
            "type": note.type,
            "reason": note.reason,
            "message": _cut(note.message),
            "count": occurrence.count,
            "firstTimestamp": timestamps.render(occurrence.first),
            "lastTimestamp": timestamps.render(occurrence.last),
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance,
        }


def event_name(subject: Subject, note: Note) -> str:
    """The one name of this note about this object, whoever makes it and however often."""
    identity = "\0".join((subject.uid, note.reason, note.type, note.key or note.message))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return f"{subject.key.name[: NAME_LENGTH_MAX - 17].rstrip('.-')}.{digest}"


def _from_event(event: Json, occurrence: _Occurrence) -> _Delivered:
    count: Any = event.get("count")
    last = timestamps.parse(str(event.get("lastTimestamp") or ""))
    return _Delivered(
        count=count if isinstance(count, int) else 1,
        last=last or occurrence.first,
        message=str(event.get("message") or ""),
    )


def _cut(message: str) -> str:
    return (
        message
        if len(message.encode()) <= MESSAGE_LENGTH_MAX
        else message.encode()[:1020].decode(errors="ignore") + "…"
    )
