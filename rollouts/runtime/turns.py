"""One turn of one object: what was seen, what was decided, and the status before and after, as JSON.

Here the worker's idea of "an object that is reconciled" meets the two kinds that are: a Rollout, with `decide`, and an
AnalysisRun, with `decide_run`. What is done with a turn belongs to worker.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from rollouts.api import codec
from rollouts.api.analysis import AnalysisRunStatus
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import revisions, sight
from rollouts.core.actions import Action, CreateReplicaSet
from rollouts.core.observed import Pod, RunSeen, Seen, Unreadable
from rollouts.core.plan import Note, Plan
from rollouts.kube.errors import ApiError
from rollouts.kube.kinds import ANALYSIS_RUNS, REPLICA_SETS, ROLLOUTS, Key, Kind
from rollouts.lib import selectors
from rollouts.runtime.cache import Cache, Entry, Json
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.snapshot import Snapshots, pods_of

Decide = Callable[[Seen, datetime], Plan[RolloutStatus]]
DecideRun = Callable[[RunSeen, datetime], Plan[AnalysisRunStatus]]
ListPods = Callable[[str, str], Awaitable[list[Json]]]
"""(namespace, label selector) -> pods; raises ApiError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A decision about one version of one object."""

    entry: Entry
    plan: Plan[Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class Turns(Protocol):
    """Decides about the objects of one kind."""

    kind: Kind

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        """Look and decide; None: the object is gone. Snapshot and decision happen without a break."""
        ...

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        """The turn with what its status says once the API server has refused one of its actions for good."""
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
        wants_pods: Callable[[Rollout], bool],
        list_pods: ListPods,
    ) -> None:
        self._cache = cache
        self._snapshots = snapshots
        self._decide = decide
        self._wants_pods = wants_pods
        self._list_pods = list_pods

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        """Read pods if they matter now, then look and decide; while versions are out of sight, wait and say so. Raises
        ApiError while Rollouts themselves are."""
        self._snapshots.require(ROLLOUTS)
        pods = await self._pods(key)
        seen = self._snapshots.rollout(key, pods=pods)
        entry = self._cache.get(ROLLOUTS, key)
        if seen is None or entry is None:
            return None
        hidden = self._snapshots.unreadable(REPLICA_SETS)
        plan = self._decide(seen, clock()) if hidden is None else sight.wait(seen.rollout, hidden, now=clock())
        before = _status(entry)
        if not before:
            message = f"Rollout resource added to informer: {key}"
            added = Note(reason="RolloutAddedToInformer", message=message, key=entry.uid)
            plan = dataclasses.replace(plan, notes=(added, *plan.notes))
        return Turn(entry=entry, plan=plan, before=before, after=codec.encode(plan.status))

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        """A new version whose ReplicaSet cannot be made says so in its Progressing condition."""
        if not isinstance(action, CreateReplicaSet):
            return turn
        change = revisions.refused(turn.plan.status, name=action.name, why=why, now=now)
        plan = dataclasses.replace(turn.plan, status=change.status, notes=(*turn.plan.notes, *change.notes))
        return dataclasses.replace(turn, plan=plan, after=codec.encode(change.status))

    def gone(self, key: Key, uid: str) -> tuple[Note, ...]:
        """Tell that the Rollout was deleted, in the words that clients know."""
        message = f"Rollout {key.name}/{key.namespace} is deleted."
        return (Note(reason="RolloutDeleted", message=message, key=uid),)

    async def _pods(self, key: Key) -> tuple[Pod, ...] | Unreadable | None:
        rollout = self._snapshots.parsed_rollout(key)
        if rollout is None or not rollout.spec.selector or not self._wants_pods(rollout):
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


def _status(entry: Entry) -> Mapping[str, Any]:
    status = entry.object.get("status")
    return status if isinstance(status, Mapping) else {}
