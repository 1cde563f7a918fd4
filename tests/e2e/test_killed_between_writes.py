"""examples/blue-green and examples/canary-nginx with controllers that are killed between any two of their writes.

Users ask all the while: no request stays without an answer, law 1 holds, and every update ends where it should.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rollouts.demo.cluster import ASSETS
from rollouts.sandbox.kinds import Json
from tests.e2e.apps import pause, weight
from tests.e2e.carrying import Carrying, switched, weighted
from tests.e2e.ingress import a_way_in
from tests.e2e.lives import short_lived
from tests.e2e.shop import SHOP, beside, door, image, ingress, rollout
from tests.e2e.stage import (
    Place,
    image_of,
    in_sandbox,
    is_complete,
    is_fresh,
    is_paused,
    kill,
    phase,
    step_of,
)
from tests.e2e.users import coming_through, users

pytestmark = pytest.mark.skipif(ASSETS in os.environ, reason="a real API server holds no write back on demand")

ALONE = "--leader-elect=false"
BRISK: dict[str, Any] = {"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}
GREEN: dict[str, Any] = BRISK | {"prePromotionAnalysis": None, "postPromotionAnalysis": None}
CANARY: dict[str, Any] = BRISK | {"maxUnavailable": 0, "steps": [weight(50), pause()]}


async def deploy(place: Place, *objects: Json) -> None:
    """v1, by a controller that is gone then."""
    first = await place.stage.controller(ALONE)
    await place.apply(*objects)
    await place.until_stable(image("v1"))
    await kill(first)


def so(place: Place, holds: Callable[[Json], bool]) -> Callable[[], Awaitable[bool]]:
    """Whether the Rollout is so, and its status speaks of the present spec."""

    async def look() -> bool:
        seen = await place.rollout()
        return is_fresh(seen) and holds(seen)

    return look


def is_stable(version: str) -> Callable[[Json], bool]:
    """Whether this version is stable, and all there is."""
    return lambda seen: (
        phase(seen) == "Healthy"
        and is_complete(seen)
        and image_of(seen) == image(version)
        and seen["status"]["replicas"] == seen["spec"]["replicas"]
    )


def is_aborted(seen: Json) -> bool:
    """Whether the update was given up and its pods are gone."""
    return phase(seen) == "Degraded" and seen["status"]["updatedReplicas"] == 0


def is_at_50(seen: Json) -> bool:
    """Whether the canary is held where half of the traffic reaches it."""
    return step_of(seen) == 1 and is_paused(seen)


async def test_blue_green(tmp_path: Path) -> None:
    """Up to the pause, given up, tried again, and over the switch."""
    async with in_sandbox(tmp_path) as (sandbox, stage), short_lived(sandbox, stage) as controllers:
        place = await stage.place(SHOP)
        await deploy(place, *beside("blue-green", "services.yaml"), rollout("blue-green", **GREEN))
        async with users(place, SHOP) as tally, Carrying(place, switched(SHOP)):
            await place.apply(rollout("blue-green", "v2", **GREEN))
            await controllers.carry_on(so(place, is_paused))
            await place.annotate("abort", "abort ugly")
            await controllers.carry_on(so(place, is_aborted))
            await place.annotate("retry", "retry")
            await controllers.carry_on(so(place, is_paused))
            assert tally.requests.keys() == {"v1"}
            await place.annotate("promote", "step")
            await controllers.carry_on(so(place, is_stable("v2")))
            await place.until_pods({image("v2"): 4})
        assert tally.requests.keys() == {"v1", "v2"}


async def test_canary(tmp_path: Path) -> None:
    """Up to 50 %, superseded there, given up, tried again, and on to the end."""
    async with in_sandbox(tmp_path) as (sandbox, stage), short_lived(sandbox, stage) as controllers:
        place = await stage.place(SHOP)
        entry = door(place, await a_way_in(stage))
        way = weighted(stable="shop-stable", canary="shop-canary", ingress="shop-shop-canary")
        services = beside("canary-nginx", "services.yaml")
        await deploy(place, *services, ingress(entry.host), rollout("canary-nginx", **CANARY))
        async with coming_through(entry) as tally, Carrying(place, way) as carrying:
            await place.apply(rollout("canary-nginx", "v2", **CANARY))
            await controllers.carry_on(so(place, is_at_50))
            await place.apply(rollout("canary-nginx", "v3", **CANARY))
            await controllers.carry_on(so(place, is_at_50))
            await place.annotate("abort", "abort slow")
            await controllers.carry_on(so(place, is_aborted))
            await place.annotate("retry", "retry")
            await controllers.carry_on(so(place, is_at_50))
            await place.annotate("promote", "step")
            await controllers.carry_on(so(place, is_stable("v3")))
            await place.until_pods({image("v3"): 4})
        assert tally.requests.keys() == {"v1", "v2", "v3"}
        assert carrying.weights == [0, 50, 0, 50, 0, 50, 100, 0]
