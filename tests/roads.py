"""Services and routers around a played Rollout: objects as the API server holds them.

A played router keeps one object with the weights it was given, the versions it is pinned to (where no Services are
named), the shares of experiments, and the managed routes. What really reaches a version is told from these objects and
the Services alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from rollouts.api.findings import Finding
from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.core import naming
from rollouts.core.observed import Service
from rollouts.core.roles import roles
from rollouts.ports import Destination, TrafficIntent, TrafficSeen, Unknown
from tests import junctions
from tests.builders import Json
from tests.cluster import merge

SERVICES = ("canaryService", "stableService", "activeService", "previewService")


def built(rollout: Json, *, has_ingresses: bool) -> tuple[dict[str, Json], dict[str, Json]]:
    """The Services and routes that a Rollout's strategy names, as a user makes them before its first deploy.

    `has_ingresses`: the router is the real one, in place of a played one, and its routes are Ingresses.
    """
    (strategy,) = rollout["spec"]["strategy"].values()
    names = [strategy[name] for name in SERVICES if name in strategy] + list(strategy.get("pingPong", {}).values())
    services = {name: new_service(name) for name in names}
    most = strategy.get("trafficRouting", {}).get("maxTrafficWeight", 100)
    routes = {name: new_route(name, most=most) for name in sections(rollout)}
    return services, {"nginx": _object("nginx", junctions.built(rollout))} if has_ingresses else routes


def sections(rollout: Json) -> set[str]:
    """The routers that a Rollout names."""
    routing = (rollout["spec"]["strategy"].get("canary") or {}).get("trafficRouting") or {}
    return {name for name, section in routing.items() if section is not None} - {"managedRoutes", "maxTrafficWeight"}


def new_route(name: str, *, most: int = 100) -> Json:
    """What a router has before it was given any weight; `most` is all of it."""
    return _object(name, {"split": {}, "max": most, "routes": {}})


def new_service(name: str) -> Json:
    """A Service as its user makes it: it names no version."""
    return _object(name, {"selector": {"app": "web"}})


def service(raw: Json) -> Service:
    """A Service as a decision sees it."""
    return Service(
        name=raw["metadata"]["name"],
        resource_version=raw["metadata"]["resourceVersion"],
        selector=raw["spec"]["selector"],
        annotations=raw["metadata"].get("annotations", {}),
    )


def problems(raw: Json, rollout: Rollout) -> tuple[Finding, ...]:
    """What the real router has against its section and objects; a played one has nothing."""
    return junctions.roads(raw, dict(rollout.raw)).problems if junctions.is_junction(raw) else ()


def seen(raw: Json, rollout: Rollout) -> TrafficSeen | Unknown:
    """What a played router says, to the Services as their roles are by now."""
    spec = raw["spec"]
    if "unknown" in spec:
        return Unknown(why=spec["unknown"])
    if junctions.is_junction(raw):
        (road,) = junctions.roads(raw, dict(rollout.raw)).served
        return road.seen
    assert isinstance(rollout.spec.strategy, CanaryStrategy)
    parts = roles(rollout.spec.strategy, rollout.status)
    split = spec.get("lie", in_force(raw))
    canary, stable = (split.get(name, {}) for name in (parts.canary or "canary", parts.stable or "stable"))
    weight = canary.get("weight", 0)
    return TrafficSeen(
        canary=weight,
        stable=stable.get("weight", spec["max"] - weight),
        others={name: part["weight"] for name, part in split.items() if part.get("isOther")},
        canary_hash=canary.get("hash", ""),
        stable_hash=stable.get("hash", ""),
    )


def in_force(raw: Json) -> Json:
    """The split that requests meet: what was asked for, unless the router is stuck at an earlier one."""
    split: Json = raw["spec"].get("stuck", raw["spec"]["split"])
    return split


def troubled(raw: Json, change: Json) -> Json:
    """The change of a router's spec where it cannot be read (`unknown` says why) or does not follow (`isStuck`)."""
    if "isStuck" not in change:
        return change
    return {"stuck": copy.deepcopy(raw["spec"]["split"]) if change["isStuck"] else None}


def changes(raw: Json, rollout: Json, intent: TrafficIntent) -> Iterator[Mapping[str, Any]]:
    """The writes that put the intent in force."""
    if junctions.is_junction(raw):
        yield from junctions.rendered(raw, rollout, intent)
        return
    change = rendered(raw, intent)
    if change is not None:
        yield change


def rendered(raw: Json, intent: TrafficIntent) -> Mapping[str, Any] | None:
    """The change that puts the intent in force; None when it is."""
    parts = (intent.canary, intent.stable, *intent.others)
    assert sum(part.weight for part in parts) == intent.weight_max and min(part.weight for part in parts) >= 0, "law 3"
    gone = dict.fromkeys(name for name, part in raw["spec"]["split"].items() if part.get("isOther"))
    others = {each.service: {"weight": each.weight, "hash": each.pod_hash, "isOther": True} for each in intent.others}
    split = _split("canary", intent.canary) | _split("stable", intent.stable)
    wanted = {
        "split": {"canary": None, "stable": None} | gone | split | others,
        "max": intent.weight_max,
        "routes": {
            **dict.fromkeys(raw["spec"]["routes"]),
            **{name: dict(each) for name, each in intent.routes.items()},
        },
    }
    after = copy.deepcopy(raw)
    merge(after, {"spec": copy.deepcopy(wanted)})
    return None if after == raw else {"spec": wanted}


def _split(role: str, to: Destination) -> Json:
    """By Service; a role without one is pinned to its version."""
    if to.service:
        return {to.service: {"weight": to.weight}}
    return {role: {"weight": to.weight, "hash": to.pod_hash}}


def ways(services: Mapping[str, Json], route: Json) -> list[dict[str, Fraction]]:
    """The share of traffic by version that a route really sends, on each of its ways; the empty hash: any pod."""
    if junctions.is_junction(route):
        return list(junctions.ways({name: hash_of(services, name) for name in services}, route))
    found: dict[str, Fraction] = {}
    for name, part in in_force(route).items():
        pod_hash = part.get("hash") or hash_of(services, name)
        found[pod_hash] = found.get(pod_hash, Fraction(0)) + Fraction(part["weight"], route["spec"]["max"])
    return [found]


def shares(services: Mapping[str, Json], route: Json) -> dict[str, Fraction]:
    """The most that one route sends to each version."""
    most: dict[str, Fraction] = {}
    for way in ways(services, route):
        for version, share in way.items():
            most[version] = max(share, most.get(version, Fraction(0)))
    return most


def hash_of(services: Mapping[str, Json], name: str) -> str:
    """The version a Service leads to; empty: any."""
    raw = services.get(name)
    return "" if raw is None else raw["spec"]["selector"].get(naming.POD_HASH_LABEL, "")


def _object(name: str, spec: Json) -> Json:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"},
        "spec": copy.deepcopy(spec),
    }
