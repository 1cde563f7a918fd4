"""One turn of one object: what was seen, what was decided, and the status before and after, as JSON.

Here the worker's idea of "an object that is reconciled" meets two kinds that are: a Rollout, with `decide`, and an
AnalysisRun, with `decide_run`. The third, Services, is holders.py's. What is done with a turn belongs to worker.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from rollouts.api import codec
from rollouts.api.analysis import AnalysisRunStatus
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import refusals, revisions, sight
from rollouts.core.actions import Action, CreateReplicaSet, PatchService, SetTraffic
from rollouts.core.observed import Pod, ReplicaSet, RunSeen, Seen, Unreadable
from rollouts.core.plan import Note, Plan
from rollouts.kube.errors import ApiError, Conflict, NotFound
from rollouts.kube.kinds import ANALYSIS_RUNS, ROLLOUTS, Key, Kind
from rollouts.lib import selectors
from rollouts.runtime.cache import Cache, Entry, Json, entry_of
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.routes import Roads
from rollouts.runtime.snapshot import Read, Snapshots, pods_of

NO_ROADS = Roads()

Decide = Callable[[Seen, datetime], Plan[RolloutStatus]]
DecideRun = Callable[[RunSeen, datetime], Plan[AnalysisRunStatus]]
ListPods = Callable[[str, str], Awaitable[list[Json]]]
"""(namespace, label selector) -> pods; raises ApiError."""
ReadWorkload = Callable[[Kind, Key], Awaitable[Json]]
"""A workload that is not watched, as it is stored; raises ApiError."""

UNWATCHED_WORKLOAD_PERIOD = timedelta(seconds=30)  # nothing tells of its changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A decision about one version of one object, with the workload and the roads of traffic as they were then."""

    entry: Entry
    plan: Plan[Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    roads: Roads = NO_ROADS
    workload: Entry | None = None
    """Where its pod template came from; None: from itself, or from what nobody watches."""


class Turns(Protocol):
    """Decides about the objects of one kind."""

    kind: Kind

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        """Look and decide; None: the object is gone, or no concern of ours any more. Snapshot and decision happen
        without a break."""
        ...

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        """The turn with what its status says once the API server has refused one of its actions."""
        ...

    def gone(self, key: Key, uid: str) -> tuple[Note, ...]:
        """The object that had turns is gone: let go of what is kept for it, and say the last word."""
        ...


class RolloutTurns:
    """Turns of Rollouts."""

    kind = ROLLOUTS

    def __init__(
        self,
        cache: Cache,
        snapshots: Snapshots,
        *,
        decide: Decide,
        wants_pods: Callable[[Rollout, Iterable[ReplicaSet]], bool],
        list_pods: ListPods,
        read_workload: ReadWorkload,
    ) -> None:
        self._cache = cache
        self._snapshots = snapshots
        self._decide = decide
        self._wants_pods = wants_pods
        self._list_pods = list_pods
        self._read_workload = read_workload

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        """Read pods if they matter now, then look and decide; while versions are out of sight, wait and say so. Raises
        ApiError while Rollouts themselves are, and where what was read is what an earlier spec names."""
        self._snapshots.require(ROLLOUTS)
        asked_for = self._cache.get(ROLLOUTS, key)
        read = await self._read(key)
        found = self._snapshots.rollout(key, read=read)
        entry = self._cache.get(ROLLOUTS, key)
        if found is None or entry is None:
            return None
        if asked_for is None or _author(asked_for) != _author(entry):
            raise Conflict("the object changed while what it names was read")
        seen, roads = found
        hidden = self._snapshots.hidden(key, read=read)
        now = clock()
        plan = self._decide(seen, now) if hidden is None else sight.wait(seen.rollout, hidden, now=now)
        if self._snapshots.unwatched_workload(key) is not None:
            plan = _looking_again(plan, now + UNWATCHED_WORKLOAD_PERIOD)
        before = _status(entry)
        if not before:
            message = f"Rollout resource added to informer: {key}"
            added = Note(reason="RolloutAddedToInformer", message=message, key=entry.uid)
            plan = dataclasses.replace(plan, notes=(added, *plan.notes))
        workload = self._snapshots.watched_workload(key)
        after = codec.encode(plan.status)
        return Turn(entry=entry, plan=plan, before=before, after=after, roads=roads, workload=workload)

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        """A new version whose ReplicaSet cannot be made says so in its Progressing condition; of traffic that cannot be
        led where it should go the conditions speak that say what is waited for."""
        status, notes = turn.plan.status, turn.plan.notes
        if isinstance(action, CreateReplicaSet):
            change = revisions.refused(status, name=action.name, why=why, now=now)
            status, notes = change.status, (*notes, *change.notes)
        elif isinstance(action, SetTraffic | PatchService):
            status = refusals.said(status, why=why, now=now)
        plan = dataclasses.replace(turn.plan, status=status, notes=notes)
        return dataclasses.replace(turn, plan=plan, after=codec.encode(status))

    def gone(self, key: Key, uid: str) -> tuple[Note, ...]:
        """Tell that the Rollout was deleted, in the words that clients know."""
        message = f"Rollout {key.name}/{key.namespace} is deleted."
        return (Note(reason="RolloutDeleted", message=message, key=uid),)

    async def _read(self, key: Key) -> Read:
        """What no watch tells of."""
        read = Read(workload=await self._workload(key))
        return dataclasses.replace(read, pods=await self._pods(key, read))

    async def _workload(self, key: Key) -> Entry | Unreadable | None:
        named = self._snapshots.unwatched_workload(key)
        if named is None:
            return None
        kind, workload = named
        try:
            return entry_of(kind, await self._read_workload(kind, workload))
        except NotFound:
            return None
        except ApiError as error:
            return Unreadable(why=f"{kind.name} {workload.name} cannot be read: {error.message}")

    async def _pods(self, key: Key, read: Read) -> tuple[Pod, ...] | Unreadable | None:
        rollout = self._snapshots.parsed_rollout(key, read=read)
        if rollout is None or not rollout.spec.selector:
            return None
        if not self._wants_pods(rollout, self._snapshots.versions(key)):
            return None
        try:
            return pods_of(await self._list_pods(key.namespace, selectors.render(rollout.spec.selector)))
        except ApiError as error:
            return Unreadable(why=f"pods cannot be listed: {error.message}")


class RunTurns:
    """Turns of AnalysisRuns."""

    kind = ANALYSIS_RUNS

    def __init__(self, cache: Cache, snapshots: Snapshots, *, decide: DecideRun, measurer: Measurer) -> None:
        self._cache = cache
        self._snapshots = snapshots
        self._decide = decide
        self._measurer = measurer

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        """Look and decide; a run that has ended is no longer measured. Raises ApiError while runs are out of sight."""
        self._snapshots.require(ANALYSIS_RUNS)
        seen = self._snapshots.run(key)
        entry = self._cache.get(ANALYSIS_RUNS, key)
        if seen is None or entry is None:
            return None
        plan = self._decide(seen, clock())
        if seen.run.status.phase is not None and seen.run.status.phase.is_completed:
            self._measurer.drop(entry.uid)
        return Turn(entry=entry, plan=plan, before=_status(entry), after=codec.encode(plan.status))

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        """A run's status speaks of measurements only."""
        return turn

    def gone(self, key: Key, uid: str) -> tuple[Note, ...]:
        """Stop measuring for the run."""
        self._measurer.drop(uid)
        return ()


def _looking_again(plan: Plan[RolloutStatus], at: datetime) -> Plan[RolloutStatus]:
    return dataclasses.replace(plan, requeue_at=at if plan.requeue_at is None else min(at, plan.requeue_at))


def _author(entry: Entry) -> tuple[str, int | None]:
    """Which object, and what its author last wrote."""
    return entry.uid, entry.generation


def _status(entry: Entry) -> Mapping[str, Any]:
    status = entry.object.get("status")
    return status if isinstance(status, Mapping) else {}
