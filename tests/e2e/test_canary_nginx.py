"""examples/canary-nginx, lived through: requests follow the weights, and pods are there before them.

A real ingress controller reads the annotations. All the while users come in through it, no request stays without an
answer, and law 1 holds between any two writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from rollouts.demo.sight import ROLLOUTS
from rollouts.demo.traffic import Address, Tally
from rollouts.sandbox.kinds import Json
from tests.e2e.apps import pause, weight
from tests.e2e.carrying import INGRESSES, Carrying, weight_of, weighted
from tests.e2e.ingress import a_way_in
from tests.e2e.shop import SHOP, beside, door, image, ingress, rollout
from tests.e2e.stage import Place, Stage, phase, status, until
from tests.e2e.users import Door, coming_through, shares

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("e2e-canary-nginx")]

EXAMPLE = "canary-nginx"
CANARY_INGRESS = "shop-shop-canary"
WAY = weighted(stable="shop-stable", canary="shop-canary", ingress=CANARY_INGRESS)
BRISK = {"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}
POINTS_MAX = 3.0  # between a weight and the share of requests


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def way_in(stage: Stage) -> Address:
    """The ingress controller."""
    return await a_way_in(stage)


@pytest_asyncio.fixture(loop_scope="module")
async def place(stage: Stage) -> Place:
    """A namespace of its own."""
    return await stage.place(SHOP)


async def deploy(place: Place, entry: Door, **strategy: Any) -> None:
    """v1, reached through the Ingress."""
    await place.apply(*beside(EXAMPLE, "services.yaml"), ingress(entry.host), rollout(EXAMPLE, **strategy))
    await place.until_stable(image("v1"))


@asynccontextmanager
async def served(place: Place, entry: Door) -> AsyncIterator[tuple[Tally, Carrying]]:
    """Users, and the law."""
    async with coming_through(entry) as tally, Carrying(place, WAY) as carrying:
        yield tally, carrying


async def until_shared(entry: Door, **expected: float) -> None:
    """Wait until each version gets its percentage of the requests; the ingress controller takes a moment to follow."""

    async def look() -> Mapping[str, float] | None:
        seen = await shares(entry)
        wrong = seen.keys() != expected.keys() or any(
            abs(seen[version] - percent) > POINTS_MAX for version, percent in expected.items()
        )
        return None if wrong else seen

    await until(f"shares of {expected}", look)


async def until_nothing_is_left(place: Place) -> None:
    """The canary's Ingress stays, without any weight."""

    async def look() -> bool | None:
        return weight_of(await place.api.get(INGRESSES, (place.namespace, CANARY_INGRESS))) == 0 or None

    await until("the weight to be 0", look)


async def until_only_the_users_ingress_is_left(place: Place) -> None:
    """The canary's goes with its Rollout."""

    async def look() -> bool | None:
        return [each["metadata"]["name"] for each in await place.objects(INGRESSES)] == [SHOP] or None

    await until("the canary's Ingress to be gone", look)


async def let_in_by_header(entry: Door) -> str:
    """The version that answers people who are let in whatever the weight."""
    url = f"http://{entry.address[0]}:{entry.address[1]}/"
    headers = {"Host": entry.host, "X-Canary": "always"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return str((await answer.json())["version"])


async def scale_as_an_autoscaler(place: Place, replicas: int) -> None:
    """Write the scale subresource; what was read a moment too early is read again."""
    path = ROLLOUTS.item((place.namespace, SHOP), "scale")

    async def write() -> Json:
        scale = await place.api.request("GET", path)
        return await place.api.request("PUT", path, body=scale | {"spec": {"replicas": replicas}})

    await until("the scale to be written", write)


async def test_requests_follow_the_weights(place: Place, way_in: Address) -> None:
    """Step by step, as its README has it: 5 %, 20 %, all of them; and people with the header from the first on."""
    entry = door(place, way_in)
    await deploy(place, entry)
    async with served(place, entry) as (_, carrying):
        await place.apply(rollout(EXAMPLE, "v2"))
        await place.until_at(1)
        await until_shared(entry, v1=95, v2=5)
        assert await let_in_by_header(entry) == "v2"
        await place.annotate("promote", "step")
        await place.until_at(3)
        await until_shared(entry, v1=80, v2=20)
        await place.until_pods({image("v1"): 4, image("v2"): 1})
        await place.annotate("promote", "step looks good")
        await place.until_stable(image("v2"))
        await until_shared(entry, v2=100)
        await until_nothing_is_left(place)
    assert carrying.weights == [0, 5, 20, 100, 0]
    await place.kubectl("delete", "rollout", SHOP)
    await until_only_the_users_ingress_is_left(place)


async def test_a_canary_is_given_up_tried_again_scaled_and_superseded(place: Place, way_in: Address) -> None:
    """At 25 % and at 50 %, scaled by people and by an autoscaler: the weights hold, and the third version wins."""
    entry = door(place, way_in)
    strategy: dict[str, Any] = BRISK | {"maxUnavailable": 0, "steps": [weight(25), pause(), weight(50), pause()]}
    await deploy(place, entry, **strategy)
    async with served(place, entry) as (tally, carrying):
        await place.apply(rollout(EXAMPLE, "v2", **strategy))
        await place.until_at(1)
        await until_shared(entry, v1=75, v2=25)
        await place.annotate("abort", "abort slow")
        await place.until("the abort", lambda seen: phase(seen) == "Degraded")
        await place.until_pods({image("v1"): 4})
        await until_shared(entry, v1=100)
        await place.annotate("retry", "retry")
        await place.until_at(1)
        await place.annotate("promote", "step")
        await place.until_at(3)
        await place.kubectl("scale", "rollout", SHOP, "--replicas=8")
        await place.until_pods({image("v1"): 8, image("v2"): 4})
        await scale_as_an_autoscaler(place, 4)
        await place.until_pods({image("v1"): 4, image("v2"): 2})
        await until_shared(entry, v1=50, v2=50)
        assert weights_told(await place.until_at(3)) == (50, 50)
        await place.apply(rollout(EXAMPLE, "v3", **strategy))
        await place.until_at(1)
        await until_shared(entry, v1=75, v3=25)
        await place.until_pods({image("v1"): 4, image("v3"): 1})
        await place.annotate("promote", "full")
        await place.until_stable(image("v3"))
        await until_shared(entry, v3=100)
        await until_nothing_is_left(place)
        await place.until_pods({image("v3"): 4})
    assert tally.requests.keys() == {"v1", "v2", "v3"}
    assert carrying.weights == [0, 25, 0, 25, 50, 0, 25, 0]


async def test_the_way_back_takes_what_stable_carries(place: Place, way_in: Address) -> None:
    """Where stable gave its pods up for the canary's, an abort lets the weight fall as they come back."""
    entry = door(place, way_in)
    strategy: dict[str, Any] = {"maxUnavailable": 0, "dynamicStableScale": True, "steps": [weight(75), pause()]}
    await deploy(place, entry, **strategy)
    async with served(place, entry) as (_, carrying):
        await place.apply(rollout(EXAMPLE, "v2", **strategy))
        await place.until_at(1)
        await place.until_pods({image("v1"): 1, image("v2"): 3})
        await until_shared(entry, v1=25, v2=75)
        await place.annotate("abort", "abort slow")
        await place.until_pods({image("v1"): 4})
        await until_shared(entry, v1=100)
        await until_nothing_is_left(place)
    fall = carrying.weights[carrying.weights.index(75) :]
    assert fall == sorted(fall, reverse=True)
    assert fall[-1] == 0


def weights_told(seen: Json) -> tuple[int, int]:
    """What the status says of the canary's and of stable's weight."""
    weights = status(seen)["canary"]["weights"]
    return weights["canary"]["weight"], weights["stable"]["weight"]
