"""The loop around the decision: take a key, look and decide, act, write the status, tell, come back later.

What can go wrong ends in one of three ways. The API refuses or is away: the key comes back after its backoff. This
process is no longer the leader: it stops. Anything else is our bug: it is logged once per turn with its traceback,
counted, and slows only the key it happened to. No rule about rollouts belongs here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from rollouts.core.actions import Action, PatchRollout, SetTraffic
from rollouts.core.plan import WARNING, Note
from rollouts.kube.applier import Found, Gone, Nothing, Outcome, Stored
from rollouts.kube.client import Json
from rollouts.kube.errors import ApiError, Conflict, NotFound, NotLeader, Throttled, Unreachable
from rollouts.kube.events import EventRecorder, Subject
from rollouts.kube.kinds import ROLLOUTS, Key, Kind
from rollouts.kube.status_writer import StatusWriter, Target
from rollouts.runtime import figures
from rollouts.runtime.cache import Cache, Entry, entry_of
from rollouts.runtime.clock import utc_now
from rollouts.runtime.execute import Executor
from rollouts.runtime.expectations import Expectations, Expected
from rollouts.runtime.intake import Intake
from rollouts.runtime.queue import WorkQueue
from rollouts.runtime.routes import Roads
from rollouts.runtime.turns import Turn, Turns
from rollouts.runtime.workloads import is_same_template
from rollouts.telemetry import Telemetry

log = structlog.get_logger()

RESYNC_JITTER = 0.2  # so that objects that arrived together do not come back together
BREATH_SECONDS = 0.05  # before a key comes back whose plan asks for a moment that is past
RECONCILIATION_ERROR = "ReconciliationError"
ROUTING_ERROR = "TrafficRoutingError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every worker needs, whatever kind it works on."""

    cache: Cache
    intake: Intake
    executor: Executor
    statuses: StatusWriter
    events: EventRecorder
    telemetry: Telemetry


class Worker:
    """Works on the keys of one queue. Several loops may run at once; the queue keeps each key to one of them."""

    def __init__(
        self,
        turns: Turns,
        queue: WorkQueue[Key],
        tools: Tools,
        *,
        resync_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._turns = turns
        self._kind: Kind = turns.kind
        self._queue = queue
        self._tools = tools
        self._expectations = Expectations(tools.cache)
        self._resync_seconds = resync_seconds
        self._clock = clock
        self._uids: dict[Key, str] = {}
        """Objects that had a turn, for the last word on them."""
        self._doubts: dict[Key, Doubt] = {}
        """Writes that may or may not have happened, by the key they were for."""
        self._complaints: dict[Key, str] = {}
        """Why each key was put off last."""

    async def run(self, *, urgent_only: bool = False) -> None:
        """Work until the queue is shut, or until this process may not write any more."""
        while await self.step(urgent_only=urgent_only):
            pass

    async def step(self, *, urgent_only: bool = False) -> bool:
        """Wait for a key and give it its turn; False: there is nothing more to do."""
        key = await self._queue.get(urgent_only=urgent_only)
        if key is None:
            return False
        with structlog.contextvars.bound_contextvars(kind=self._kind.name, namespace=key.namespace, name=key.name):
            try:
                await self._reconcile(key)
            except NotLeader:
                return False
            finally:
                self._queue.done(key)
        return True

    async def _reconcile(self, key: Key) -> None:
        """One turn of one key, with everything that can go wrong in it. Raises only NotLeader."""
        patience = self._expectations.patience_left(key, time.monotonic())
        if patience is not None:
            self._queue.add_after(key, patience)
            return
        started = time.perf_counter()
        failed = True
        try:
            await self._turn(key)
            failed = False
            self._complaints.pop(key, None)
        except ApiError as error:
            is_news = self._is_news(key, error)
            delay = self._queue.add_rate_limited(key, at_least_seconds=error.retry_after_seconds or 0.0)
            failed = not isinstance(error, Conflict)
            say = (log.warning if failed else log.info) if is_news else log.debug
            say("turn_put_off", reason=error.reason, error=error.message, delay_seconds=round(delay, 3))
        except NotLeader:
            raise
        except Exception:  # the one place where our own bugs end: only this key slows
            self._tools.telemetry.bugs.labels(self._kind.name).inc()
            log.exception("turn_failed", delay_seconds=round(self._queue.add_rate_limited(key), 3))
        name = figures.METRIC_KINDS.get(self._kind.name)
        if name is not None and self._tools.cache.get(self._kind, key) is not None:
            seconds = time.perf_counter() - started
            self._tools.telemetry.observe_turn(name, key.namespace, key.name, seconds, failed=failed)

    def _is_news(self, key: Key, error: ApiError) -> bool:
        """Whether the log has not said so of this key already; an API server that is away fails in many words."""
        before, self._complaints[key] = self._complaints.get(key), error.message
        return before is None or not (isinstance(error, Unreachable) or error.message == before)

    async def _turn(self, key: Key) -> None:
        await self._resolve_doubt(key)
        turn = await self._turns.take(key, self._clock)
        if turn is None:
            self._forget(key)
            return
        self._uids[key] = turn.entry.uid
        progress = Progress(version=turn.entry.version)
        error: ApiError | None = None
        try:
            await self._act(turn, progress)
        except ApiError as raised:
            error = raised
            self._tell_of(turn, progress.current, error)
            if progress.current is not None and (error.is_lasting or is_misrouted(progress.current, error)):
                turn = self._turns.refused(turn, progress.current, error.message, self._clock())
        is_decided = wrote = False
        try:
            wrote = await self._write_status(turn, progress.version)
            is_decided = wrote or error is None
        finally:
            self._tell(turn, progress, is_decided=is_decided)
        figures.show(self._tools.telemetry, self._kind, turn)
        if wrote:
            figures.show_update(self._tools.telemetry, turn)
        if error is not None:
            raise error
        self._queue.forget(key)
        self._come_back(turn)

    async def _act(self, turn: Turn, progress: Progress) -> None:
        """Carry out the plan's actions in order, and keep account of them. Raises ApiError at the first that fails."""
        for action in turn.plan.actions:
            progress.current = action
            self._check_still_meant(turn)
            if isinstance(action, PatchRollout):
                action = dataclasses.replace(action, seen_version=progress.version)
            try:
                async for outcome in self._tools.executor.execute(turn.entry.key, action, turn.roads):
                    if isinstance(outcome, Note):
                        self._say(turn, outcome)
                        continue
                    self._note_outcome(turn.entry, outcome)
                    if isinstance(outcome, Stored) and _is_same(turn.entry, outcome):
                        progress.version = entry_of(self._kind, outcome.object).version
            except Unreachable:
                self._doubts[turn.entry.key] = Doubt(action=action, roads=turn.roads)
                raise
            progress.done.add(getattr(action, "name", ""))

    async def _resolve_doubt(self, key: Key) -> None:
        """An answer was lost: see what became of the write before anything is decided on a copy that may lack it.

        Without an answer there is no version to wait for. Raises ApiError as long as it cannot be seen.
        """
        doubt = self._doubts.get(key)
        if doubt is None:
            return
        async for outcome in self._tools.executor.look(key, doubt.action, doubt.roads):
            if isinstance(outcome, Found):
                self._tools.intake.learn(entry_of(outcome.kind, outcome.object))
        self._doubts.pop(key, None)

    def _check_still_meant(self, turn: Turn) -> None:
        """A plan is for one generation of the object, and one pod template wherever that comes from: what its author
        changed meanwhile is not acted on half-way."""
        now = self._tools.cache.get(self._kind, turn.entry.key)
        if now is None or now.uid != turn.entry.uid or now.generation != turn.entry.generation:
            raise Conflict("the object changed while its plan was carried out")
        source = turn.workload
        if source is not None and not is_same_template(source, self._tools.cache.get(source.kind, source.key)):
            raise Conflict(
                f"{source.kind.name} {source.key.name} changed while a plan for its template was carried out"
            )

    def _note_outcome(self, owner: Entry, outcome: Outcome) -> None:
        match outcome:
            case Stored(kind, stored):
                entry = entry_of(kind, stored)
                self._expect(owner.key, entry, entry.version)
            case Found(kind, found):
                # perhaps it is not watched, because it lacks our label: then this is how the next turn sees it
                self._tools.intake.learn(entry_of(kind, found))
            case Gone(kind, name, uid):
                gone = Entry(kind, Key(owner.key.namespace, name), {"metadata": {"uid": uid}})
                self._expect(owner.key, gone, None)
            case Nothing():
                pass

    def _expect(self, owner: Key, entry: Entry, version: str | None) -> None:
        expected = Expected(kind=entry.kind, key=entry.key, uid=entry.uid, version=version, written_at=time.monotonic())
        self._expectations.expect(owner, expected)

    async def _write_status(self, turn: Turn, version: str) -> bool:
        changes = self._tools.statuses.changes(self._kind, before=turn.before, after=turn.after)
        if not changes:
            return False
        target = Target(kind=self._kind, key=turn.entry.key, resource_version=version)
        try:
            stored: Json = await self._tools.statuses.write(target, changes)
        except NotFound:
            log.info("status_not_written", reason="the object is gone")
            return False
        entry = entry_of(self._kind, stored)
        self._expect(turn.entry.key, entry, entry.version)
        return True

    def _tell(self, turn: Turn, progress: Progress, *, is_decided: bool) -> None:
        """Notes of the writes that were carried out, whatever came after them; and, if the decision stands, the rest.

        A decision whose status could not be written is made again, and told then; a write that is done is not.
        """
        for note in turn.plan.notes:
            if note.of in progress.done if note.of else is_decided:
                self._say(turn, note)

    def _say(self, turn: Turn, note: Note) -> None:
        log.info("note", reason=note.reason, message=note.message)
        if note.is_event:
            self._record(turn.entry.key, turn.entry.uid, note)

    def _tell_of(self, turn: Turn, action: Action | None, error: ApiError) -> None:
        """A refusal that waiting does not cure is told to people where they look: on the object. Of traffic that could
        not be split they hear also where trying again may help."""
        if action is not None and is_misrouted(action, error):
            note = Note(reason=ROUTING_ERROR, message=error.message, type=WARNING, key=error.message)
            self._record(turn.entry.key, turn.entry.uid, note)
        elif error.is_lasting:
            note = Note(reason=RECONCILIATION_ERROR, message=error.message, type=WARNING)
            self._record(turn.entry.key, turn.entry.uid, note)

    def _record(self, key: Key, uid: str, note: Note) -> None:
        self._tools.events.record(Subject(kind=self._kind, key=key, uid=uid), note)
        if self._kind == ROLLOUTS:
            self._tools.telemetry.observe_event(key.namespace, key.name, type=note.type, reason=note.reason)

    def _come_back(self, turn: Turn) -> None:
        at, resync = turn.plan.requeue_at, self._resync_seconds
        if at is not None:
            self._queue.add_after(turn.entry.key, max(BREATH_SECONDS, (at - self._clock()).total_seconds()))
        if resync > 0 and not turn.after.get("completedAt"):
            self._queue.add_after(turn.entry.key, resync * (1 + RESYNC_JITTER * random.random()))

    def _forget(self, key: Key) -> None:
        self._queue.drop(key)
        self._expectations.drop(key)
        self._doubts.pop(key, None)
        self._complaints.pop(key, None)
        uid = self._uids.pop(key, None)
        if uid is not None:
            for note in self._turns.gone(key, uid):
                self._record(key, uid, note)
        name = figures.METRIC_KINDS.get(self._kind.name)
        if name is not None:
            self._tools.telemetry.forget(name, key.namespace, key.name)


@dataclass(slots=True)
class Progress:
    """How far a plan was carried out: the object's version after the writes to it, whose writes are done, and the last
    action that was begun."""

    version: str
    current: Action | None = None
    done: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A write that may or may not have happened, and the roads it was decided on."""

    action: Action
    roads: Roads


def is_misrouted(action: Action, error: ApiError) -> bool:
    """Whether the API server, or a webhook that it asks, would not have a write of a router's.

    That somebody was faster is no such thing, nor is silence.
    """
    was_refused = error.status > 0 and not isinstance(error, Conflict | NotFound | Throttled)
    return isinstance(action, SetTraffic) and was_refused


def _is_same(entry: Entry, outcome: Stored) -> bool:
    return outcome.kind == entry.kind and outcome.object.get("metadata", {}).get("uid") == entry.uid


async def work(worker: Worker, *, loops: int) -> None:
    """Run a worker's loops until they end, one more of them for urgent keys alone."""
    async with asyncio.TaskGroup() as group:
        for _ in range(loops):
            group.create_task(worker.run())
        group.create_task(worker.run(urgent_only=True))
