"""The routers of a Rollout: which of its sections each reads, the objects they look at, and what they would write.

Routers are pure; here they meet the cache. What they read is taken from it in one moment, together with the rest of the
snapshot, and what they render later is rendered from that same picture: so a write names the version of the object
that its weight was decided on, and the API server refuses it if somebody was faster. Which weight is right, and how a
write is sent, does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from rollouts.api import codec
from rollouts.api.codec import Problem
from rollouts.api.findings import Finding, Kind
from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.api.traffic import Section, used_sections
from rollouts.core.naming import owner_reference
from rollouts.core.roles import roles
from rollouts.kube.errors import Conflict
from rollouts.kube.kinds import ROUTED, Key
from rollouts.kube.kinds import Kind as ObjectKind
from rollouts.kube.status_writer import difference
from rollouts.ports import (
    Manifest,
    ObjectRef,
    Objects,
    Subject,
    Told,
    TrafficIntent,
    TrafficRouter,
    TrafficSeen,
    Unknown,
)
from rollouts.runtime.cache import Cache, Entry
from rollouts.runtime.workloads import rollout_of

log = structlog.get_logger()

Routers = Mapping[str, TrafficRouter[Any]]
"""The routers this controller has code for, by their name in a Rollout."""

PLACE = "spec.strategy.canary.trafficRouting"
METADATA = ("labels", "annotations", "ownerReferences")
"""What a router says of an object's metadata; the rest is the API server's."""
SERVED_BY_API = ("apiVersion", "kind", "metadata", "status")
_STEP = re.compile(r"\[(\d+)\]|\['([^']*)'\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """One router of a Rollout as it was seen: its section, read, and the objects it asked for."""

    name: str
    router: TrafficRouter[Any]
    config: Any
    objects: Objects
    problems: tuple[Finding, ...]

    @property
    def seen(self) -> TrafficSeen | Unknown:
        """The weights in force."""
        return self.router.observe(self.config, self.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roads:
    """All routers of a Rollout, in the order in which they are applied."""

    served: tuple[Road, ...] = ()
    unserved: frozenset[str] = frozenset()
    """Routers it names that nobody has code for."""
    malformed: tuple[Finding, ...] = ()
    """What is wrong with the sections of those that could not be read."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is wrong with sections, and then with objects."""
        return self.malformed + tuple(finding for road in self.served for finding in road.problems)

    def writes(self, intent: TrafficIntent) -> Iterator[Write]:
        """What puts an intent in force: only what differs from what was seen.

        Raises Conflict where something could not be read: then there is nothing to compare with.
        """
        for road in self.served:
            for ref, found in road.objects.items():
                if isinstance(found, Unknown):
                    raise Conflict(f"{ref.kind} {ref.name} could not be read: {found.why}")
            for manifest in road.router.render(road.config, intent, road.objects):
                yield from _write(road, intent, manifest)

    @property
    def refs(self) -> tuple[ObjectRef, ...]:
        """Every object that a router reads, and so every one that it may write."""
        return tuple(dict.fromkeys(ref for road in self.served for ref in road.router.reads(road.config)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """An object to create whole, or (with `seen_version`) to merge-patch in the version that was seen."""

    kind: ObjectKind
    name: str
    body: Manifest
    seen_version: str | None
    told: Told | None
    """What people are told once it is done."""


class Routes:
    """Puts routers in front of the cache."""

    def __init__(self, routers: Routers, cache: Cache, *, unreadable: Callable[[ObjectKind], str | None]) -> None:
        self._routers = routers
        self._cache = cache
        self._unreadable = unreadable

    def of(self, rollout: Rollout) -> Roads:
        """The routers of a Rollout with what they see now."""
        strategy = rollout.spec.strategy
        if not isinstance(strategy, CanaryStrategy):
            return Roads()
        roads: list[Road] = []
        malformed: list[Finding] = []
        unserved: set[str] = set()
        for section in used_sections(strategy.traffic_routing):
            router = self._routers.get(section.router)
            if router is None:
                unserved.add(section.router)
                continue
            config = _parsed(router, section, rollout, strategy)
            if isinstance(config, tuple):
                malformed.extend(_finding(problem, section, Kind.INTERNAL) for problem in config)
            else:
                roads.append(self._road(router, section, config, rollout.meta.namespace))
        return Roads(served=tuple(roads), unserved=frozenset(unserved), malformed=tuple(malformed))

    def reads(self, entry: Entry) -> Iterator[tuple[ObjectKind, Key]]:
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
                config = _parsed(router, section, rollout, strategy)
                refs = () if isinstance(config, tuple) else router.reads(config)
            except Exception:  # the same happens in the Rollout's turn, where it is counted
                log.exception("router_failed", router=section.router)
                continue
            yield from ((kind, Key(ref.namespace, ref.name)) for ref in refs if (kind := kind_of(ref)) is not None)

    def _road(self, router: TrafficRouter[Any], section: Section, config: Any, namespace: str) -> Road:
        found = {ref: self._object(ref, namespace) for ref in router.reads(config)}
        objects = {ref: each for ref, each in found.items() if each is not None}
        problems = tuple(_finding(each, section, Kind.INVALID) for each in router.problems(config, objects))
        return Road(name=section.router, router=router, config=config, objects=objects, problems=problems)

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


def kind_of(ref: ObjectRef) -> ObjectKind | None:
    """The kind of what a router names; None: one that is not watched."""
    return next((kind for kind in ROUTED if (kind.api_version, kind.name) == (ref.api_version, ref.kind)), None)


def _is_routed(entry: Entry) -> bool:
    """Whether a Rollout has routers at all, found out without reading all of it."""
    value: Any = entry.object
    for name in ("spec", "strategy", "canary", "trafficRouting"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value is not None


def _parsed(router: TrafficRouter[Any], section: Section, rollout: Rollout, strategy: CanaryStrategy) -> Any:
    """A router's own reading of its section, or a tuple of problems."""
    if not isinstance(section.config, Mapping):
        return (Problem("", "must be an object"),)
    parts, routing = roles(strategy, rollout.status), strategy.traffic_routing
    assert routing is not None
    subject = Subject(
        namespace=rollout.meta.namespace,
        rollout=rollout.meta.name,
        owner=owner_reference(rollout.meta),
        canary_service=parts.canary,
        stable_service=parts.stable,
        weight_max=routing.max_weight,
        managed_routes=tuple(route.name for route in routing.managed_routes or ()),
    )
    return router.parse(section.config, subject)


def _finding(problem: Problem, section: Section, kind: Kind) -> Finding:
    path = PLACE
    for member in section.members:
        path = codec.join(path, member)
    inner = problem.path if problem.path.startswith("[") or not problem.path else f".{problem.path}"
    where, value = f"{path}{inner}", _value(section.config, problem.path)
    return Finding(path=where, field=where, kind=kind, message=problem.message, value=value)


def _value(section: Any, path: str) -> Any:
    """What stands at a path of a section; None: nothing."""
    value = section
    for index, quoted, plain in _STEP.findall(path):
        if isinstance(value, Mapping):
            value = value.get(quoted or plain)
        elif isinstance(value, list) and index and int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    return value


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
