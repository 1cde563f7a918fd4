"""Clients against the controller's own process: kubectl as people and pipelines use it, and every version that a watch
shows of a Rollout, read by all of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from rollouts.demo.sight import ROLLOUTS
from rollouts.sandbox.kinds import Json, Kind
from tests.clients import plugin, readers
from tests.clients.wire import JSON_PATCH, Request
from tests.e2e.apps import a_rollout, pause, weight
from tests.e2e.stage import HASH, NAME, Place, is_complete, phase, status, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("clients")]

BUDGETS = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ACTIVE, PREVIEW = "web-active", "web-preview"


def a_blue_green(image: str = "web:1", **fields: Any) -> Json:
    """A blue-green Rollout of played pods that waits for a person before its switch."""
    rollout = a_rollout(image=image)
    strategy = {"activeService": ACTIVE, "previewService": PREVIEW, "autoPromotionEnabled": False, **fields}
    rollout["spec"]["strategy"] = {"blueGreen": strategy}
    return rollout


def a_service(name: str) -> Json:
    """A Service as its user has it."""
    spec = {"selector": {"app": NAME}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


async def with_preview(place: Place) -> None:
    """web:1 serves users, web:2 waits for a person."""
    await place.apply(a_service(ACTIVE), a_service(PREVIEW), a_blue_green())
    await place.until_stable("web:1")
    await place.apply(a_blue_green("web:2"))
    await place.until("the pause before the switch", lambda seen: status(seen).get("message") == "BlueGreenPause")


async def send(place: Place, sent: list[Request]) -> None:
    """The plugin's requests, by kubectl."""
    for request in sent:
        words = ["patch", request.plural, request.name, "-p", json.dumps(request.body)]
        words.append("--type=json" if request.media_type == JSON_PATCH else "--type=merge")
        words += [f"--subresource={request.subresource}"] if request.subresource else []
        await place.kubectl(*words)


async def promote(place: Place, *, is_full: bool = False) -> None:
    """`kubectl argo rollouts promote`, in full or by what is waited for."""
    found = await place.rollout()
    await send(place, plugin.promote_full(found) if is_full else plugin.promote(found))


class Watch:
    """Every version of the Rollout, as a watch shows it; each is read by every client."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def read(self, rollout: Json) -> None:
        """One version."""
        if "status" not in rollout:
            return
        said = readers.plugin_status(rollout)
        assert said.word in ("Healthy", "Progressing", "Paused", "Degraded")
        readers.argocd_health(rollout)
        readers.picture(rollout, (), ())
        if said.word == "Healthy":
            assert is_complete(rollout)
        if not self.words or self.words[-1] != said.word:
            self.words.append(said.word)

    async def until(self, word: str) -> None:
        """Wait until this is what clients say."""

        async def is_said() -> bool | None:
            return True if self.words and self.words[-1] == word else None

        await until(word, is_said)


@asynccontextmanager
async def watching(place: Place) -> AsyncIterator[Watch]:
    """Read along from here on."""
    watch, found = Watch(), await place.rollout()

    async def follow() -> None:
        async for event in place.api.watch(ROLLOUTS, found["metadata"]["resourceVersion"]):
            if event["type"] in ("ADDED", "MODIFIED") and event["object"]["metadata"]["namespace"] == place.namespace:
                watch.read(event["object"])

    task = asyncio.create_task(follow())
    try:
        yield watch
    finally:
        is_broken = task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert not is_broken


async def test_kubectl_wait_understands_blue_green(place: Place) -> None:
    """Every condition that people and pipelines wait for, before, at and after the switch."""
    await place.apply(a_service(ACTIVE), a_service(PREVIEW), a_blue_green())
    for kind in ("Available", "Healthy", "Completed", "Ready"):
        await place.wait_for(kind)
    await place.apply(a_blue_green("web:2"))
    await place.wait_for("Paused")
    await place.wait_for("Available")
    for kind in ("Completed", "Healthy", "Ready"):
        await place.wait_for(kind, status="False")
    await promote(place)
    for kind in ("Healthy", "Completed", "Ready", "Available"):
        await place.wait_for(kind)
    await place.wait_for("Paused", status="False")


async def test_blue_green_by_the_plugins_requests(place: Place) -> None:
    """Given up, tried again, promoted; and back by an undo, which is one switch."""
    await with_preview(place)
    await send(place, plugin.abort(await place.rollout()))
    await place.until("the abort", lambda seen: phase(seen) == "Degraded")
    await send(place, plugin.retry(await place.rollout()))
    await place.until("the pause again", lambda seen: status(seen).get("message") == "BlueGreenPause")
    await promote(place)
    await place.until_stable("web:2")
    former = (await place.replica_sets())[0]["spec"]["template"]
    del former["metadata"]["labels"][HASH]
    body = [{"op": "replace", "path": "/spec/template", "value": former}]
    await send(place, [Request(body=body, media_type=JSON_PATCH)])
    seen = await place.until_stable("web:1")
    assert not status(seen).get("pauseConditions")


async def test_nobody_reads_a_flicker(place: Place) -> None:
    """Of a canary that is applied, held, given up, superseded and promoted: Healthy once, and Degraded by the abort."""
    steps = (weight(25), pause())
    await place.apply(a_rollout(*steps))
    await place.until_stable("web:1")
    async with watching(place) as watch:
        await place.apply(a_rollout(*steps, image="web:2"))
        await watch.until("Paused")
        assert set(watch.words) == {"Progressing", "Paused"}
        await send(place, plugin.abort(await place.rollout()))
        await watch.until("Degraded")
        await place.apply(a_rollout(*steps, image="web:3"))
        await watch.until("Paused")
        assert watch.words.count("Degraded") == 1
        await promote(place, is_full=True)
        await watch.until("Healthy")
        await place.until_stable("web:3")
    assert watch.words.count("Healthy") == 1


async def test_wishes_at_the_same_moment(place: Place) -> None:
    """Ten people at once, each with a patch of the status: none is refused, and the last version is what all wanted."""
    steps = (weight(25), pause(), weight(50), pause(), weight(75), pause())
    await place.apply(a_rollout(*steps))
    await place.until_stable("web:1")
    await place.apply(a_rollout(*steps, image="web:2"))
    await place.until_at(1)
    key = (place.namespace, NAME)
    ended: Json = {"status": {"pauseConditions": None}}
    full: Json = {"status": {"promoteFull": True}}
    async with watching(place):
        await asyncio.gather(*(place.api.patch(ROLLOUTS, key, ended, subresource="status") for _ in range(10)))
        await asyncio.gather(*(place.api.patch(ROLLOUTS, key, full, subresource="status") for _ in range(10)))
        seen = await place.until_stable("web:2")
    assert not {"promoteFull", "pauseConditions", "controllerPause", "abort"} & set(status(seen))


@pytest.mark.parametrize("strategy", ["canary", "blue-green"])
async def test_a_restart_keeps_to_a_disruption_budget(place: Place, strategy: str) -> None:
    """While the budget allows nothing no pod goes and nothing fails; when it does, each is replaced."""
    rollout = a_rollout() if strategy == "canary" else a_blue_green()
    rollout["spec"]["template"]["metadata"]["annotations"] = {"sandbox.rollouts.io/ready-after": "1s"}
    await place.apply(a_service(ACTIVE), a_service(PREVIEW), rollout)
    await place.until_stable("web:1")
    budget = {"selector": {"matchLabels": {"app": NAME}}, "maxUnavailable": 0}
    meta = {"name": NAME, "namespace": place.namespace}
    kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    await place.api.create(BUDGETS, place.namespace, {**kind, "metadata": meta, "spec": budget})

    async def is_counted() -> bool | None:
        found = await place.api.get(BUDGETS, (place.namespace, NAME))
        return True if (found.get("status") or {}).get("expectedPods") == 4 else None

    await until("the budget to be counted", is_counted)
    before = {pod["metadata"]["uid"] for pod in await place.pod_objects()}
    await place.kubectl("annotate", "rollout", NAME, "rollouts.io/restart=restart")
    await place.until("the restart", lambda seen: status(seen).get("message") == "rollout is restarting")
    record = await place.until_verb("restart", "restart")
    assert record["outcome"] == "Done"
    assert {pod["metadata"]["uid"] for pod in await place.pod_objects()} == before
    await place.api.delete(BUDGETS, (place.namespace, NAME))
    await place.until("its end", lambda seen: bool(status(seen).get("restartedAt")) and phase(seen) == "Healthy")
    assert not before & {pod["metadata"]["uid"] for pod in await place.pod_objects()}
    assert len(await place.replica_sets()) == 1


async def test_an_autoscaler_reads_and_writes_blue_green_by_the_scale_subresource(place: Place) -> None:
    """It counts the pods that users reach, not those of the preview, and what it writes arrives in both versions."""
    await with_preview(place)
    path = ROLLOUTS.item((place.namespace, NAME), "scale")
    scale = await place.api.request("GET", path)
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (4, 4)
    selector = scale["status"]["selector"]
    active = status(await place.rollout())["blueGreen"]["activeSelector"]
    assert f"{HASH}={active}" in selector
    shown = json.loads(await place.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    assert {pod["spec"]["containers"][0]["image"] for pod in shown} == {"web:1"}
    await place.api.request("PUT", path, body=scale | {"spec": {"replicas": 6}})
    await place.until_pods({"web:1": 6, "web:2": 6})
    seen = await place.until("the same pause", lambda seen: status(seen).get("message") == "BlueGreenPause")
    assert status(seen)["HPAReplicas"] == 6
