"""examples/blue-green, lived through: users change over at once, when a version is proven and a person says so.

All the while users ask the active Service, no request stays without an answer, and law 1 holds between any two writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rollouts.demo.processes import free_port
from rollouts.demo.traffic import Tally
from rollouts.sandbox.kinds import SERVICES, Json, uid_of
from tests.e2e.carrying import Carrying, switched
from tests.e2e.measured import Backend, measuring
from tests.e2e.shop import SHOP, beside, image, rollout
from tests.e2e.stage import HASH, Place, Stage, is_paused, phase, status
from tests.e2e.users import until_answered, users

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("e2e-blue-green")]

EXAMPLE = "blue-green"
PREVIEW = "shop-preview"
UNPROVEN = {"prePromotionAnalysis": None, "postPromotionAnalysis": None}
"""Without analyses: where only people and counts matter."""
BRISK = {"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}
WINDOW = ("[1m]", "[5s]")  # Prometheus scrapes the sandbox's pods each second
FIRST_SCRAPES = "7s"  # it takes up new targets every 5 s, and a rate needs two scrapes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(stage: Stage, prometheus_program: Path) -> AsyncIterator[Backend]:
    """What measures them."""
    async with measuring(stage, prometheus_program) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def place(stage: Stage) -> Place:
    """A namespace of its own."""
    return await stage.place(SHOP)


async def deploy(place: Place, *others: Json, **strategy: Any) -> None:
    """v1, served by the active Service."""
    await place.apply(*beside(EXAMPLE, "services.yaml"), *others, rollout(EXAMPLE, **strategy))
    await place.until_stable(image("v1"))


def template(address: str, **metric: Any) -> Json:
    """The example's template, asking this Prometheus, more often than people would."""
    (found,) = beside(EXAMPLE, "analysis-template.yaml")
    (asked,) = found["spec"]["metrics"]
    query = asked["provider"]["prometheus"]["query"].replace(*WINDOW)
    asked |= {"initialDelay": FIRST_SCRAPES, "interval": "1s", "count": 2, **metric}
    asked["provider"] = {"prometheus": {"address": address, "query": query}}
    return found


@asynccontextmanager
async def served(place: Place) -> AsyncIterator[Tally]:
    """Users of the active Service, and the law."""
    async with users(place, SHOP) as tally, Carrying(place, switched(SHOP)):
        yield tally


async def until_held(place: Place) -> Json:
    """Wait for the pause before the switch."""
    return await place.until("the pause before the switch", is_paused)


def is_running(run: Json) -> bool:
    """Whether an analysis has begun."""
    return bool(status(run).get("phase") == "Running")


async def leads_to(place: Place, service: str) -> str:
    """The version that a Service leads to."""
    return str((await place.api.get(SERVICES, (place.namespace, service)))["spec"]["selector"][HASH])


async def pods_of(place: Place, version: str) -> set[str]:
    """The uids of a version's pods."""
    pods = await place.pod_objects()
    return {uid_of(pod) for pod in pods if pod["spec"]["containers"][0]["image"] == image(version)}


@pytest.mark.needs_apt
async def test_a_proven_version_waits_for_a_person_and_can_be_gone_back_from(place: Place, backend: Backend) -> None:
    """Measured while testers use it, promoted by a person, measured again; while the old pods stay, back is at once."""
    await deploy(place, template(backend.url))
    old = await pods_of(place, "v1")
    async with served(place) as tally:
        await place.apply(rollout(EXAMPLE, "v2"))
        await place.until_run("the analysis of the preview", is_running)
        async with users(place, PREVIEW) as testers:
            await until_held(place)
            await place.until_pods({image("v1"): 4, image("v2"): 1})
            assert "v2" in testers.requests
            assert tally.requests.keys() == {"v1"}
            await place.annotate("promote", "step tried and liked")
            await place.until_stable(image("v2"))
        runs = await place.runs()
        assert [status(run)["phase"] for run in runs] == ["Successful", "Successful"]
        assert tally.requests.keys() == {"v1", "v2"}
        assert await pods_of(place, "v1") == old
        await place.apply(rollout(EXAMPLE))
        await place.until_stable(image("v1"))
        assert await pods_of(place, "v1") == old
        assert len(await place.runs()) == len(runs)


async def test_a_preview_is_given_up_tried_again_scaled_and_superseded(place: Place) -> None:
    """Users stay with v1 through all of it, until the third version is promoted."""
    strategy = UNPROVEN | BRISK
    await deploy(place, **strategy)
    async with served(place) as tally:
        await place.apply(rollout(EXAMPLE, "v2", **strategy))
        second = status(await until_held(place))["currentPodHash"]
        await place.annotate("abort", "abort ugly")
        await place.until("the abort", lambda seen: phase(seen) == "Degraded")
        await place.until_pods({image("v1"): 4})
        await place.annotate("retry", "retry")
        await until_held(place)
        await place.until_pods({image("v1"): 4, image("v2"): 1})
        assert await leads_to(place, PREVIEW) == second
        await place.kubectl("scale", "rollout", SHOP, "--replicas=6")
        await place.until_pods({image("v1"): 6, image("v2"): 1})
        await place.until("both to be told", lambda seen: status(seen)["availableReplicas"] == 6)
        await place.apply(rollout(EXAMPLE, "v3", **strategy))
        await place.until_pods({image("v1"): 4, image("v3"): 1})
        third = status(await until_held(place))["currentPodHash"]
        assert await leads_to(place, PREVIEW) == third
        assert tally.requests.keys() == {"v1"}
        await place.annotate("promote", "step")
        await place.until_stable(image("v3"))
        await place.until_pods({image("v3"): 4})
    assert tally.requests.keys() == {"v1", "v3"}
    assert await leads_to(place, SHOP) == third


async def test_an_abort_after_the_switch_leads_users_back(place: Place) -> None:
    """Given up while it was still being measured: users are back with v1, whose pods had stayed."""
    nobody = f"http://127.0.0.1:{free_port()}"
    strategy = BRISK | {"prePromotionAnalysis": None}
    await deploy(place, template(nobody, count=1000, consecutiveErrorLimit=1000), **strategy)
    old, first = await pods_of(place, "v1"), await leads_to(place, SHOP)
    async with served(place) as tally:
        await place.apply(rollout(EXAMPLE, "v2", **strategy))
        await until_held(place)
        await place.annotate("promote", "step")
        await place.until_run("the analysis after the switch", is_running)
        assert await leads_to(place, SHOP) != first
        await until_answered(tally, "v2")
        await place.annotate("abort", "abort after all")
        await place.until("the abort", lambda seen: phase(seen) == "Degraded")
        await place.until_pods({image("v1"): 4})
    assert await leads_to(place, SHOP) == first
    assert await pods_of(place, "v1") == old
