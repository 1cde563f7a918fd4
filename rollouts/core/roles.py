"""Which Service has which part: the stable version's and the canary's, which change places with ping-pong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy
from rollouts.api.status import RolloutStatus

PING, PONG = "ping", "pong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Names of Services; empty where the strategy names none."""

    canary: str
    stable: str


def roles(strategy: CanaryStrategy, status: RolloutStatus) -> Roles:
    """The Services as they stand now. Pong is stable until the first promotion."""
    pair = strategy.ping_pong
    if pair is None or strategy.canary_service or strategy.stable_service:
        return Roles(canary=strategy.canary_service, stable=strategy.stable_service)
    if status.canary.stable_ping_pong == PING:
        return Roles(canary=pair.pong_service, stable=pair.ping_service)
    return Roles(canary=pair.ping_service, stable=pair.pong_service)


def flipped(strategy: CanaryStrategy | BlueGreenStrategy, status: RolloutStatus) -> str:
    """What `stablePingPong` becomes with a promotion: the Service that leads to the new version stays where it is."""
    if isinstance(strategy, BlueGreenStrategy) or strategy.ping_pong is None:
        return status.canary.stable_ping_pong
    return PONG if status.canary.stable_ping_pong == PING else PING


def named(strategy: CanaryStrategy | BlueGreenStrategy) -> tuple[str, ...]:
    """Every Service that a strategy names, in the order of the spec."""
    match strategy:
        case CanaryStrategy():
            pair = strategy.ping_pong
            names: tuple[str, ...] = (
                strategy.canary_service,
                strategy.stable_service,
                pair.ping_service if pair else "",
                pair.pong_service if pair else "",
            )
        case BlueGreenStrategy():
            names = (strategy.active_service, strategy.preview_service)
        case _:
            assert_never(strategy)
    return tuple(dict.fromkeys(name for name in names if name))
