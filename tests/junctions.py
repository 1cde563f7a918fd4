"""The real Ingress-NGINX router before played Ingresses.

All Ingresses of a Rollout are one played object, so that a cache shows them in one moment; each of them is a write of
its own. What requests meet is told from their annotations alone, as Ingress-NGINX documents them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from rollouts.core import roads as real
from rollouts.ports import TrafficIntent
from rollouts.routers.nginx import Nginx
from tests.builders import Json, parsed_rollout

PREFIX = "nginx.ingress.kubernetes.io/"
ROUTERS = {"nginx": Nginx()}


def built(rollout: Json) -> Json:
    """The Ingresses that a Rollout's section names, as a user makes them: everything goes to the stable Service."""
    canary = rollout["spec"]["strategy"]["canary"]
    section = canary["trafficRouting"]["nginx"]
    names = section.get("stableIngresses") or [section["stableIngress"]]
    parts = {"canary": canary["canaryService"], "stable": canary["stableService"]}
    return {"ingresses": {name: _ingress(name, parts["stable"]) for name in names}, "parts": parts}


def is_junction(raw: Json) -> bool:
    """Whether a played route is one of Ingresses."""
    return "ingresses" in raw["spec"]


def roads(raw: Json, rollout: Json) -> real.Roads:
    """What the controller makes of them."""
    return real.roads(parsed_rollout(rollout), ROUTERS, lambda ref: raw["spec"]["ingresses"].get(ref.name))


def rendered(raw: Json, rollout: Json, intent: TrafficIntent) -> Iterator[Mapping[str, Any]]:
    """The changes that put the intent in force, one for each Ingress that differs."""
    found = roads(raw, rollout).rendered(intent)
    assert isinstance(found, tuple)
    for _, manifest in found:
        name, wanted = manifest["metadata"]["name"], copy.deepcopy(dict(manifest))
        live = raw["spec"]["ingresses"].get(name, {})
        if live != wanted:
            yield {"spec": {"ingresses": {name: _difference(live, wanted)}}}


def ways(services: Mapping[str, str], raw: Json) -> Iterator[dict[str, Fraction]]:
    """By version: the share that each Ingress sends there; `services` lead to versions."""
    parts, ingresses = raw["spec"]["parts"], raw["spec"]["ingresses"]
    for name in [name for name in ingresses if not name.endswith("-canary")]:
        share = _share(ingresses.get(f"web-{name}-canary"))
        found: dict[str, Fraction] = {}
        for part, each in (("canary", share), ("stable", 1 - share)):
            version = services.get(parts[part], "")
            found[version] = found.get(version, Fraction(0)) + each
        yield found


def _share(ingress: Json | None) -> Fraction:
    annotations = {} if ingress is None else ingress["metadata"].get("annotations", {})
    weight, total = (
        annotations.get(f"{PREFIX}canary-weight", "0"),
        annotations.get(f"{PREFIX}canary-weight-total", "100"),
    )
    if annotations.get(f"{PREFIX}canary") != "true" or not (weight.isdigit() and total.isdigit()):
        return Fraction(0)
    return min(Fraction(1), Fraction(int(weight), max(100, int(total))))


def _ingress(name: str, service: str) -> Json:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": name, "http": {"paths": [path]}}]},
    }


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """The merge patch from one to the other."""
    change: Json = dict.fromkeys(name for name in old if name not in new)
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            inner = _difference(old[name], value)
            change |= {name: inner} if inner else {}
        elif old.get(name) != value:
            change[name] = value
    return change
