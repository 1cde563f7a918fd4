"""The objects that a fleet is made of: a Rollout of played pods by strategy, and what must be there beside it.

Every update takes the same time to wait for: two weights with a pause between them, or a pause before the switch.
"""

from __future__ import annotations

from collections.abc import Callable

from rollouts.sandbox.kinds import SERVICES, Json, Key, Kind

ROLLOUTS = Kind("argoproj.io/v1alpha1", "Rollout", "rollouts")
INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
PAUSE_SECONDS = 5
STEPS: tuple[Json, ...] = ({"setWeight": 50}, {"pause": {"duration": f"{PAUSE_SECONDS}s"}}, {"setWeight": 75})
BRIEFLY = 1  # seconds that earlier versions stay: they are to be gone when the fleet is at rest


def rollout(key: Key, *, strategy: str, replicas: int) -> Json:
    """A Rollout of played pods, which are ready at once. `strategy` is one of STRATEGIES."""
    name = key[1]
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "strategy": STRATEGIES[strategy](name),
        "template": {"metadata": {"labels": {"app": name}}, **change(key, "web:1")["spec"]["template"]},
    }
    return {"apiVersion": ROLLOUTS.api_version, "kind": ROLLOUTS.kind, "metadata": {"name": name}, "spec": spec}


def change(key: Key, image: str) -> Json:
    """The merge patch that makes a Rollout want another image."""
    return {"spec": {"template": {"spec": {"containers": [{"name": key[1], "image": image}]}}}}


def beside(key: Key, *, strategy: str) -> tuple[tuple[Kind, Json], ...]:
    """What a Rollout of this strategy needs: two Services, and an Ingress where one splits its traffic."""
    name = key[1]
    services = (_service(f"{name}-first", name), _service(f"{name}-second", name))
    match strategy:
        case "nginx":
            return (*services, (INGRESSES, _ingress(name)))
        case "blue-green":
            return services
        case _:
            return ()


def _pods(name: str) -> Json:
    return {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": list(STEPS)}}


def _nginx(name: str) -> Json:
    routing = {"trafficRouting": {"nginx": {"stableIngress": name}}, "scaleDownDelaySeconds": BRIEFLY}
    pair = {"stableService": f"{name}-first", "canaryService": f"{name}-second"}
    return {"canary": {**pair, **routing, "steps": list(STEPS)}}


def _blue_green(name: str) -> Json:
    pair = {"activeService": f"{name}-first", "previewService": f"{name}-second"}
    return {"blueGreen": {**pair, "autoPromotionSeconds": PAUSE_SECONDS, "scaleDownDelaySeconds": BRIEFLY}}


STRATEGIES: dict[str, Callable[[str], Json]] = {"pods": _pods, "nginx": _nginx, "blue-green": _blue_green}
"""By the word on the command line: a canary split by pods alone, one split by Ingress-NGINX, and blue-green."""


def _service(service: str, app: str) -> tuple[Kind, Json]:
    spec = {"selector": {"app": app}, "ports": [{"port": 80}]}
    return SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service}, "spec": spec}


def _ingress(name: str) -> Json:
    backend = {"service": {"name": f"{name}-first", "port": {"number": 80}}}
    rule = {"host": name, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": "nginx", "rules": [rule]}
    return {"apiVersion": INGRESSES.api_version, "kind": INGRESSES.kind, "metadata": {"name": name}, "spec": spec}
