"""The routers of a Rollout before the objects they look at: what each reads of its section, sees, and complains of.

A router is handed in by its name and asked; the objects come from whoever can look them up. How what it renders is
sent does not belong here, nor which weight is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.api import codec
from rollouts.api.codec import Problem
from rollouts.api.findings import Finding, Kind
from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.api.traffic import Section, used_sections
from rollouts.core.naming import owner_reference
from rollouts.core.roles import roles
from rollouts.ports import Manifest, ObjectRef, Objects, Subject, TrafficIntent, TrafficRouter, TrafficSeen, Unknown

Routers = Mapping[str, TrafficRouter[Any]]
"""The routers there is code for, by their name in a Rollout."""

Look = Callable[[ObjectRef], Manifest | Unknown | None]
"""Looks an object up. None: it does not exist."""

PLACE = "spec.strategy.canary.trafficRouting"
_STEP = re.compile(r"\[(\d+)\]|\['([^']*)'\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A section as its router read it."""

    section: Section
    router: TrafficRouter[Any]
    config: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """What a Rollout says to routers, as far as they are there to read it."""

    readable: tuple[Read, ...] = ()
    unserved: frozenset[str] = frozenset()
    malformed: tuple[Finding, ...] = ()


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

    @property
    def refs(self) -> tuple[ObjectRef, ...]:
        """Every object that a router reads, and so every one that it may write."""
        return tuple(dict.fromkeys(ref for road in self.served for ref in road.router.reads(road.config)))

    def rendered(self, intent: TrafficIntent) -> tuple[tuple[Road, Manifest], ...] | Unknown:
        """The manifests that put an intent in force, whole; Unknown while there is nothing to compare them with."""
        for road in self.served:
            for ref, found in road.objects.items():
                if isinstance(found, Unknown):
                    return Unknown(why=f"{ref.kind} {ref.name} could not be read: {found.why}")
        return tuple(
            (road, manifest)
            for road in self.served
            for manifest in road.router.render(road.config, intent, road.objects)
        )

    def holds(self, manifest: Manifest) -> bool:
        """Whether an object was seen to be as it is rendered here."""
        return any(found == manifest for road in self.served for found in road.objects.values())


def roads(rollout: Rollout, routers: Routers, look: Look) -> Roads:
    """The routers of a Rollout with what they see now."""
    sections = read(rollout, routers)
    return Roads(
        served=tuple(_road(each, look) for each in sections.readable),
        unserved=sections.unserved,
        malformed=sections.malformed,
    )


def read(rollout: Rollout, routers: Routers) -> Sections:
    """The sections of a Rollout, each read by its router."""
    strategy = rollout.spec.strategy
    if not isinstance(strategy, CanaryStrategy):
        return Sections()
    readable: list[Read] = []
    malformed: list[Finding] = []
    used = used_sections(strategy.traffic_routing)
    for section in used:
        router = routers.get(section.router)
        if router is None:
            continue
        config = parsed(router, section, rollout, strategy)
        if isinstance(config, tuple):
            malformed.extend(_malformed(problem, section) for problem in config)
        else:
            readable.append(Read(section=section, router=router, config=config))
    unserved = frozenset(section.router for section in used) - routers.keys()
    return Sections(readable=tuple(readable), unserved=unserved, malformed=tuple(malformed))


def parsed(router: TrafficRouter[Any], section: Section, rollout: Rollout, strategy: CanaryStrategy) -> Any:
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


def _road(read: Read, look: Look) -> Road:
    objects = dict(_found(read, look))
    problems = tuple(_finding(each, read.section, Kind.INVALID) for each in read.router.problems(read.config, objects))
    return Road(name=read.section.router, router=read.router, config=read.config, objects=objects, problems=problems)


def _found(read: Read, look: Look) -> Iterator[tuple[ObjectRef, Manifest | Unknown]]:
    for ref in read.router.reads(read.config):
        found = look(ref)
        if found is not None:
            yield ref, found


def _malformed(problem: Problem, section: Section) -> Finding:
    """A value that is wrong by itself, or (at no path) members that contradict each other."""
    return _finding(problem, section, Kind.INVALID if problem.path else Kind.INTERNAL)


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
