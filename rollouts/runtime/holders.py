"""Turns of Services that a Rollout pointed at a version: whether that Rollout, the holder, still names each.

The copy of the cluster can say that it does. That it does not is believed only of the API server, asked at this moment:
a copy may be late, and it lacks Rollouts of other controllers. What follows belongs to core/release.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from rollouts.api import conditions as c
from rollouts.core import conditions
from rollouts.core.actions import Action
from rollouts.core.observed import HeldService, Holder
from rollouts.core.plan import Note, Plan
from rollouts.core.release import NOTHING
from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import INSTANCE_LABEL, ROLLOUTS, SERVICES, Key
from rollouts.runtime.cache import Cache, Entry, Json, entry_of, metadata
from rollouts.runtime.snapshot import Snapshots, service_of
from rollouts.runtime.triggers import holder_of, named_services
from rollouts.runtime.turns import Turn
from rollouts.runtime.workloads import rollout_of

ReadRollout = Callable[[Key], Awaitable[Json]]
"""The Rollout as it is stored now, whoever works on it; raises ApiError."""


class ServiceTurns:
    """Turns of Services."""

    kind = SERVICES

    def __init__(
        self,
        cache: Cache,
        snapshots: Snapshots,
        *,
        release: Callable[[HeldService], Plan[None]],
        read_rollout: ReadRollout,
        instance_id: str,
    ) -> None:
        self._cache = cache
        self._snapshots = snapshots
        self._release = release
        self._read_rollout = read_rollout
        self._instance_id = instance_id

    async def take(self, key: Key, clock: Callable[[], datetime]) -> Turn | None:
        """See whether the holder names the Service, in the copy or by asking, and decide.

        Raises ApiError while Rollouts are out of sight, or the holder cannot be read: neither is an absence.
        """
        self._snapshots.require(ROLLOUTS)
        entry = self._cache.get(SERVICES, key)
        holder = None if entry is None else holder_of(entry)
        if entry is None or holder is None:
            return None
        if self._is_named(key, by=holder):
            return _turn(entry, NOTHING)
        found = await self._read(holder)
        entry = self._cache.get(SERVICES, key)
        if entry is None or holder_of(entry) != holder:  # it changed hands meanwhile, and its event brings it back here
            return None
        seen = HeldService(service=entry.parsed("service", service_of), holder=found, instance_id=self._instance_id)
        return _turn(entry, self._release(seen))

    def refused(self, turn: Turn, action: Action, why: str, now: datetime) -> Turn:
        """A Service has no status of ours."""
        return turn

    def gone(self, key: Key, uid: str) -> tuple[Note, ...]:
        """Nothing is kept for a Service."""
        return ()

    def _is_named(self, key: Key, *, by: Key) -> bool:
        rollout = self._cache.get(ROLLOUTS, by)
        return rollout is not None and key.name in named_services(rollout)

    async def _read(self, holder: Key) -> Holder | None:
        try:
            rollout = entry_of(ROLLOUTS, await self._read_rollout(holder))
        except NotFound:
            return None
        labels: Any = metadata(rollout.object).get("labels") or {}
        return Holder(
            services=frozenset(named_services(rollout)),
            is_acted_on=_is_acted_on(rollout),
            instance_id=str(labels.get(INSTANCE_LABEL, "")),
        )


def _is_acted_on(rollout: Entry) -> bool:
    """Whether the Rollout's controller has looked at this spec, and found nothing wrong with it."""
    status = rollout_of(rollout).value.status
    invalid = conditions.get(status.conditions, c.INVALID_SPEC)
    is_refused = invalid is not None and invalid.status == c.TRUE
    return status.observed_generation == str(rollout.generation) and not is_refused


def _turn(entry: Entry, plan: Plan[None]) -> Turn:
    return Turn(entry=entry, plan=plan, before={}, after={})
