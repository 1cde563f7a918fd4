"""Where traffic goes, in words: which version each Service leads to, what routers say is in force, and which pods a
referenced workload still has beside them.

Everything is read off what a decision sees. Whether it is as it should be does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from rollouts.core import naming, references
from rollouts.core.observed import Seen, Service, Unreadable
from rollouts.core.turn import pod_hash_of, revision_of
from rollouts.ctl import summary, tree
from rollouts.ports import TrafficSeen, Unknown


def told(seen: Seen) -> Iterator[str]:
    """A line for all Services together, one for each router, and one for the workload."""
    strategy = seen.rollout.spec.strategy
    services = [] if strategy is None else [_service(seen, name) for _, name in references.service_paths(strategy)]
    if services:
        yield "; ".join(services)
    for name, way in seen.routes.items():
        yield _router(seen, name, way)
    yield from _workload(seen)


def version_of(seen: Seen, pod_hash: str) -> str:
    """A version as people know it: `revision 2 (canary)`."""
    found = next((rs for rs in seen.replica_sets if pod_hash_of(rs) == pod_hash), None)
    if found is None:
        return f"version {pod_hash}, which has no ReplicaSet"
    tags = tree.roles(seen.rollout, pod_hash)
    return f"revision {revision_of(found)}" + (f" ({', '.join(tags)})" if tags else "")


def _service(seen: Seen, name: str) -> str:
    service = seen.services.get(name)
    match service:
        case None:
            return f"Service {name} does not exist"
        case Unreadable():
            return f"Service {name} could not be read: {service.why}"
        case Service():
            pod_hash = service.selector.get(naming.POD_HASH_LABEL, "")
            return f"Service {name} leads to {version_of(seen, pod_hash) if pod_hash else 'every version'}"
        case _:
            assert_never(service)


def _router(seen: Seen, name: str, way: TrafficSeen | Unknown) -> str:
    if isinstance(way, Unknown):
        return f"{name}: the weight in force is unknown: {way.why}"
    unsure = way.others.get("", 0)
    range_ = f"{way.canary} to {way.canary + unsure}" if unsure else f"{way.canary}"
    return f"{name} sends {range_} of {summary.weight_max(seen.rollout)} to the canary"


def _workload(seen: Seen) -> Iterator[str]:
    workload = seen.workload
    if workload is not None and (workload.wanted or workload.ready):
        yield f"{workload.kind} {workload.name} has {workload.wanted} pods of its own, {workload.ready} of them ready"
