"""The routers of a Rollout before the cache: the objects they look at, and what they would write.

What they read is taken from it in one moment, together with the rest of the snapshot, and what they render later is
rendered from that same picture: so a write names the version of the object that its weight was decided on, and the API
server refuses it if somebody was faster. What a router makes of its section is core/roads.py's business; which weight
is right, and how a write is sent, does not belong here either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.api.traffic import used_sections
from rollouts.core import roads
from rollouts.core.roads import Road
from rollouts.core.roads import Routers as Routers
from rollouts.kube.errors import Conflict
from rollouts.kube.kinds import ROUTED, Key, Kind
from rollouts.kube.status_writer import difference
from rollouts.lib.members import mapping_at
from rollouts.ports import Manifest, ObjectRef, Told, TrafficIntent, Unknown
from rollouts.runtime.cache import Cache, Entry
from rollouts.runtime.workloads import rollout_of

log = structlog.get_logger()

METADATA = ("labels", "annotations", "ownerReferences")
"""What a router says of an object's metadata; the rest is the API server's."""
SERVED_BY_API = ("apiVersion", "kind", "metadata", "status")


class Roads(roads.Roads):
    """All routers of a Rollout as they were seen, and what they would write."""

    def writes(self, intent: TrafficIntent) -> Iterator[Write]:
        """What puts an intent in force: only what differs from what was seen.

        Raises Conflict where something could not be read: then there is nothing to compare with.
        """
        rendered = self.rendered(intent)
        if isinstance(rendered, Unknown):
            raise Conflict(rendered.why)
        for road, manifest in rendered:
            yield from _write(road, intent, manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """An object to create whole, or (with `seen_version`) to merge-patch in the version that was seen."""

    kind: Kind
    name: str
    body: Manifest
    seen_version: str | None
    told: Told | None
    """What people are told once it is done."""


class Routes:
    """Puts routers in front of the cache."""

    def __init__(self, routers: Routers, cache: Cache, *, unreadable: Callable[[Kind], str | None]) -> None:
        self._routers = routers
        self._cache = cache
        self._unreadable = unreadable

    def of(self, rollout: Rollout) -> Roads:
        """The routers of a Rollout with what they see now."""
        seen = roads.roads(rollout, self._routers, lambda ref: self._object(ref, rollout.meta.namespace))
        return Roads(served=seen.served, unserved=seen.unserved, malformed=seen.malformed)

    def reads(self, entry: Entry) -> Iterator[tuple[Kind, Key]]:
        """The objects that the routers of a Rollout look at. A router's own bug hides its objects, not the Rollout."""
        if not _is_routed(entry):
            return
        rollout = rollout_of(entry).value
        strategy = rollout.spec.strategy
        if not isinstance(strategy, CanaryStrategy):
            return
        for section in used_sections(strategy.traffic_routing):
            router = self._routers.get(section.router)
            if router is None:
                continue
            try:
                config = roads.parsed(router, section, rollout, strategy)
                refs = () if isinstance(config, tuple) else router.reads(config)
            except Exception:  # the same happens in the Rollout's turn, where it is counted
                log.exception("router_failed", router=section.router)
                continue
            yield from ((kind, Key(ref.namespace, ref.name)) for ref in refs if (kind := kind_of(ref)) is not None)

    def _object(self, ref: ObjectRef, namespace: str) -> Manifest | Unknown | None:
        """The object; None: it does not exist. What is in another namespace is not this Rollout's to look at."""
        kind = kind_of(ref)
        if kind is None:
            return Unknown(why=f"{ref.api_version} {ref.kind} is not watched by this controller")
        if ref.namespace != namespace:
            return Unknown(why=f"a Rollout's traffic is split in its own namespace, not in {ref.namespace!r}")
        why = self._unreadable(kind)
        if why is not None:
            return Unknown(why=why)
        entry = self._cache.get(kind, Key(ref.namespace, ref.name))
        return None if entry is None else entry.object


def kind_of(ref: ObjectRef) -> Kind | None:
    """The kind of what a router names; None: one that is not watched."""
    return next((kind for kind in ROUTED if (kind.api_version, kind.name) == (ref.api_version, ref.kind)), None)


def _is_routed(entry: Entry) -> bool:
    """Whether a Rollout has routers at all, found out without reading all of it."""
    return "trafficRouting" in mapping_at(entry.object, "spec", "strategy", "canary")


def _write(road: Road, intent: TrafficIntent, manifest: Manifest) -> Iterator[Write]:
    meta = manifest["metadata"]
    ref = ObjectRef(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=meta.get("namespace", ""),
        name=meta["name"],
    )
    kind, live = kind_of(ref), road.objects.get(ref)
    assert kind is not None and not isinstance(live, Unknown), "a router writes what it can see"
    body = manifest if live is None else _patch(live, manifest)
    if body:
        version = None if live is None else str(live["metadata"].get("resourceVersion", ""))
        told = road.router.tell(road.config, intent, manifest, live)
        yield Write(kind=kind, name=ref.name, body=body, seen_version=version, told=told)


def _patch(live: Manifest, wanted: Manifest) -> Manifest:
    """The merge patch that makes an object what was rendered; a member that was not rendered goes."""
    patch = difference(_rendered(live), _rendered(wanted))
    meta = difference(_metadata(live), _metadata(wanted))
    return {**patch, "metadata": meta} if meta else patch


def _rendered(manifest: Manifest) -> Manifest:
    return {name: value for name, value in manifest.items() if name not in SERVED_BY_API}


def _metadata(manifest: Manifest) -> Manifest:
    return {name: value for name, value in manifest["metadata"].items() if name in METADATA}
