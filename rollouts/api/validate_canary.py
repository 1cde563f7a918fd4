"""Rules of the canary strategy as a whole: surge, services, ping-pong, and what needs traffic routing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api import validate_steps
from rollouts.api.findings import Finding, Place
from rollouts.api.rollout import DEFAULT_MAX_SURGE, DEFAULT_MAX_UNAVAILABLE, CanaryStrategy, PingPong, Rollout
from rollouts.api.traffic import TrafficRouting, used_routers

_ROUTERS_NEEDING_SERVICES = frozenset({"smi", "apisix", "ambassador", "nginx", "appMesh", "traefik"})
_SERVICES_NEEDED = "Canary service and Stable service must to be set to use Traffic Routing"
_PING_AND_PONG_NEEDED = "Ping service and Pong service must to be set to use Ping-Pong feature"


def canary(rollout: Rollout, strategy: CanaryStrategy, place: Place) -> Iterator[Finding]:
    """Everything wrong with a canary strategy, except its anti-affinity."""
    yield from _surge(strategy, place)
    if strategy.canary_service and strategy.canary_service == strategy.stable_service:
        yield (place / "stableService").invalid(strategy.stable_service, same_services("stable", "canary"))
    if strategy.ping_pong is not None:
        yield from _ping_pong(strategy.ping_pong, strategy.traffic_routing, place)
    if _needs_services(strategy):
        for name, service in (("stableService", strategy.stable_service), ("canaryService", strategy.canary_service)):
            if not service:
                yield (place / name).invalid(service, _SERVICES_NEEDED)
    yield from _needs_routing(strategy, place)
    yield from validate_steps.steps(rollout, strategy, place)


def same_services(one: str, other: str) -> str:
    """What is wrong when one Service is named for two roles."""
    services = f"the {one} and {other} services"
    return f"This rollout uses the same service for {services}, but two different services are required."


def _surge(strategy: CanaryStrategy, place: Place) -> Iterator[Finding]:
    surge = strategy.max_surge or DEFAULT_MAX_SURGE
    unavailable = strategy.max_unavailable or DEFAULT_MAX_UNAVAILABLE
    if surge.amount == 0 and unavailable.amount == 0:
        yield (place / "maxSurge").invalid(surge.value, "MaxSurge and MaxUnavailable both can not be zero")


def _ping_pong(services: PingPong, routing: TrafficRouting | None, place: Place) -> Iterator[Finding]:
    used = used_routers(routing)
    if routing is not None and not used & {"alb", "istio", "plugins"}:
        yield (place / "trafficRouting" / "alb").invalid(
            None, "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only"
        )
    here = place / "pingPong"
    for name, service in (("pingService", services.ping_service), ("pongService", services.pong_service)):
        if not service:
            yield (here / name).invalid(service, _PING_AND_PONG_NEEDED)
    if services.ping_service == services.pong_service:
        yield (here / "pingService").invalid(services.ping_service, same_services("ping", "pong"))
    if routing is not None and "alb" in used and not _member(routing.routers["alb"], "rootService"):
        yield (place / "trafficRouting" / "alb" / "rootService").invalid(
            "", "Root service field is required for the configuration with ALB and ping-pong feature enabled"
        )


def _needs_services(strategy: CanaryStrategy) -> bool:
    used = used_routers(strategy.traffic_routing)
    if used & _ROUTERS_NEEDING_SERVICES:
        return True
    if strategy.ping_pong is not None or strategy.traffic_routing is None:
        return False
    is_istio_by_host = "istio" in used and not _member(strategy.traffic_routing.routers["istio"], "destinationRule")
    return "alb" in used or is_istio_by_host


def _needs_routing(strategy: CanaryStrategy, place: Place) -> Iterator[Finding]:
    delay, is_dynamic = strategy.scale_down_delay_seconds, strategy.dynamic_stable_scale
    routing = strategy.traffic_routing
    if routing is None:
        if delay is not None:
            message = "Canary scaleDownDelaySeconds can only be used with traffic routing"
            yield (place / "scaleDownDelaySeconds").invalid(delay, message)
        if is_dynamic:
            message = "Canary dynamicStableScale can only be used with traffic routing"
            yield (place / "dynamicStableScale").invalid(is_dynamic, message)
        return
    if delay is not None and is_dynamic:
        message = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds"
        yield (place / "dynamicStableScale").invalid(is_dynamic, message)
    if routing.max_traffic_weight is not None and not used_routers(routing) & {"nginx", "plugins"}:
        yield (place / "trafficRouting" / "maxTrafficWeight").invalid(
            routing.max_traffic_weight, "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"
        )


def _member(section: Any, name: str) -> Any:
    return section.get(name) if isinstance(section, Mapping) else None
