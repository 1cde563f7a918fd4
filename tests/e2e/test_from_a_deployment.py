"""From a Deployment to a Rollout and back under load: not one request stays without an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollouts.sandbox.kinds import Json
from tests.e2e.apps import a_rollout, a_service, pause, serving, weight
from tests.e2e.stage import HASH, NAME, Place, on_stage, phase, status, until
from tests.e2e.users import users

SERVICES = {"stableService": NAME, "canaryService": f"{NAME}-canary"}
REPLICAS = 3


def a_deployment(image: str) -> Json:
    """The application as a Deployment."""
    spec = serving(a_rollout(image=image, replicas=REPLICAS))["spec"]
    kept = {key: spec[key] for key in ("replicas", "selector", "template")}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": kept}


def referring(scale_down: str) -> Json:
    """The Rollout that takes its place."""
    rollout = a_rollout(weight(50), pause("1s"), replicas=REPLICAS, **SERVICES)
    spec = {key: value for key, value in rollout["spec"].items() if key not in ("template", "selector")}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME, "scaleDown": scale_down}
    return rollout | {"spec": spec | {"workloadRef": reference}}


async def until_deployed(place: Place, count: int) -> None:
    """Wait until the Deployment has exactly so many pods that answer."""
    path = "jsonpath={.spec.replicas} {.status.availableReplicas} {.status.replicas}"

    async def look() -> bool | None:
        said = (await place.kubectl("get", "deployment", NAME, "-o", path)).split()
        return said == [str(count)] * (3 if count else 1) or None

    await until(f"a Deployment of {count}", look)


async def until_given_back(place: Place, service: str) -> None:
    """Wait until a Service reaches the pods of every version again."""

    async def look() -> bool | None:
        said = await place.kubectl("get", "service", service, "-o", "jsonpath={.spec.selector}")
        return HASH not in json.loads(said) or None

    await until(f"{service} to be given back", look)


async def until_healthy(place: Place, *, after: str = "") -> str:
    """Wait until a version other than `after` is stable and all there; its hash."""
    seen = await place.until(
        "the Rollout to be healthy",
        lambda seen: (
            phase(seen) == "Healthy"
            and status(seen)["stableRS"] == status(seen)["currentPodHash"] != after
            and status(seen)["availableReplicas"] == REPLICAS
        ),
    )
    return str(status(seen)["stableRS"])


@pytest.mark.parametrize("scale_down", ["progressively", "onsuccess"])
async def test_there_and_back_without_a_lost_request(scale_down: str, tmp_path: Path) -> None:
    """Through a Service that is pointed at a version on the way; with an update and a new controller in between."""
    async with on_stage(tmp_path) as stage:
        await stage.controller()
        place = await stage.place()
        canary = a_service() | {"metadata": {"name": SERVICES["canaryService"]}}
        await place.apply(a_service(), canary, a_deployment("web:1"))
        await until_deployed(place, REPLICAS)
        async with users(place) as tally:
            await place.apply(referring(scale_down))
            first = await until_healthy(place)
            await until_deployed(place, 0)
            await place.kubectl("set", "image", f"deployment/{NAME}", f"{NAME}=web:2")
            await until_healthy(place, after=first)
            await place.kubectl("scale", "deployment", NAME, f"--replicas={REPLICAS}")
            await until_deployed(place, REPLICAS)
            await stage.kill_controllers()
            await stage.controller()
            await place.patch({"spec": {"strategy": {"canary": dict.fromkeys(SERVICES)}}})
            await until_healthy(place)
            for service in SERVICES.values():
                await until_given_back(place, service)
            await place.kubectl("delete", "rollout", NAME, "--wait")
            await place.until_pods({"web:2": REPLICAS})
            await until_deployed(place, REPLICAS)
        assert tally.requests.total() > 0
