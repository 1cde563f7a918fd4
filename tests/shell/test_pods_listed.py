"""Pods are listed for a decision that needs them, and for no other."""

from __future__ import annotations

from datetime import datetime

from rollouts.api.status import RolloutStatus
from rollouts.core.decide import decide, wants_pods
from rollouts.core.naming import METADATA_PENDING
from rollouts.core.observed import Seen
from rollouts.core.plan import Plan
from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import Key, Kind
from rollouts.runtime.cache import Cache, Json
from rollouts.runtime.clock import utc_now
from rollouts.runtime.turns import RolloutTurns
from tests.shell.objects import a_replica_set, a_rollout, entry, owned_by
from tests.shell.pictures import WEB, snapshots_of


async def test_pods_are_listed_for_what_they_are_to_wear() -> None:
    """While a version's pods may differ from its template; each with what it wears."""
    listed: list[str] = []
    decided: list[Seen] = []

    async def pods(namespace: str, selector: str) -> list[Json]:
        listed.append(selector)
        return [{"metadata": {"name": "a", "labels": {"role": "x"}, "annotations": {"note": "y"}}}]

    def look(seen: Seen, now: datetime) -> Plan[RolloutStatus]:
        decided.append(seen)
        return decide(seen, now=now)

    async def no_workload(kind: Kind, key: Key) -> Json:
        raise NotFound("not found")

    cache = Cache()
    snapshots = snapshots_of(cache)
    turns = RolloutTurns(
        cache, snapshots, decide=look, wants_pods=wants_pods, list_pods=pods, read_workload=no_workload
    )
    cache.put(entry(a_rollout()))
    for notes in ({}, {METADATA_PENDING: "{}"}):
        replica_set = a_replica_set("web-1", metadata={**owned_by("web"), "annotations": notes})
        replica_set["status"]["observedGeneration"] = 1
        cache.put(entry(replica_set))
        await turns.take(WEB, utc_now)
    assert (listed, decided[0].pods) == (["app=web"], None)
    assert isinstance(decided[1].pods, tuple)
    (pod,) = decided[1].pods
    assert (pod.labels, pod.annotations) == ({"role": "x"}, {"note": "y"})
