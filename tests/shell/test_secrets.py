"""No value of a Secret leaves the controller: planted once, looked for in everything that is said."""

from __future__ import annotations

import base64
import json
import re
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rollouts.kube.client import MERGE_PATCH, KubeClient, Request
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    EVENTS,
    LEASES,
    REPLICA_SETS,
    ROLLOUTS,
    SECRETS,
)
from rollouts.runtime.lifecycle import Ending
from tests.plugins.backend import Asked, Server, replying, serving
from tests.shell.clusters import LOOSE_CRDS, a_cluster, create, read
from tests.shell.objects import a_rollout, an_object
from tests.shell.processes import until
from tests.shell.test_process import start

PLANTED = 'mark 5ecr3t/with+odd"signs'
FORMS = (PLANTED, "mark%205ecr3t", "mark+5ecr3t", base64.b64encode(PLANTED.encode()).decode(), "5ecr3t")


@pytest.fixture
def gossip() -> Iterator[Server]:
    """A backend that repeats all that it is told, as an error or as a warning."""
    for server in serving():

        def repeat(request: BaseHTTPRequestHandler, asked: Asked) -> None:
            told = json.dumps({**asked.headers, **asked.params, "url": asked.url})
            error = {"status": "error", "errorType": "bad_data", "error": told}
            replying(json.dumps(error).encode(), 400)(request, asked)

        server.answer = repeat
        yield server


def metrics(address: str) -> list[dict[str, Any]]:
    """Every place that a Secret's value can be put in."""
    bearer = [{"key": "Authorization", "value": "Bearer {{args.planted}}"}]
    basic = {"basicAuth": {"username": "shop", "password": "{{args.planted}}"}}
    sections: dict[str, dict[str, Any]] = {
        "query": {"address": address, "query": "up{key='{{args.planted}}'}"},
        "header": {"address": address, "query": "up", "headers": bearer},
        "password": {"address": address, "query": "up", "authentication": basic},
        "path": {"address": f"{address}/{{{{args.planted}}}}", "query": "up"},
        "host": {"address": "http://{{args.planted}}.invalid", "query": "up"},
    }
    return [
        {
            "name": name,
            "consecutiveErrorLimit": 0,
            "successCondition": "result[0] == 1",
            "provider": {"prometheus": section},
        }
        for name, section in sections.items()
    ]


async def plant(admin: KubeClient, address: str) -> None:
    """A run for every use of the Secret, and a Rollout whose next version must pass a gate with all of them."""
    data = {"key": base64.b64encode(PLANTED.encode()).decode()}
    await create(admin, SECRETS, an_object(SECRETS, "vault", data=data))
    argument = {"name": "planted", "valueFrom": {"secretKeyRef": {"name": "vault", "key": "key"}}}
    template: dict[str, Any] = {"args": [argument], "metrics": metrics(address)}
    await create(admin, ANALYSIS_TEMPLATES, an_object(ANALYSIS_TEMPLATES, "gate", spec=template))
    for metric in template["metrics"]:
        spec = {"args": [argument], "metrics": [metric]}
        await create(admin, ANALYSIS_RUNS, an_object(ANALYSIS_RUNS, str(metric["name"]), spec=spec))
    rollout = a_rollout()
    rollout["spec"]["strategy"]["canary"]["steps"] = [{"analysis": {"templates": [{"templateName": "gate"}]}}]
    await create(admin, ROLLOUTS, rollout)


async def test_a_planted_secret_is_nowhere(gossip: Server, tmp_path: Path) -> None:
    """Not in a status, an event, an annotation, the log at its most talkative, or the figures."""
    log = tmp_path / "log"
    async with a_cluster(*LOOSE_CRDS) as (cluster, admin):
        await plant(admin, gossip.url)
        with log.open("wb") as stderr:
            process = await start(cluster.kubeconfig(tmp_path / "kubeconfig"), "--loglevel=debug", stderr=stderr)

        async def status(member: str) -> Any:
            return (await read(admin, ROLLOUTS, "web")).get("status", {}).get(member)

        async def has_ended() -> bool:
            runs = (await admin.get(ANALYSIS_RUNS.path("default")))["items"]
            return bool(await status("abort")) and all(run["status"]["phase"] == "Error" for run in runs)

        try:
            await until(lambda: status("stableRS"))
            version = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}}}
            path = ROLLOUTS.path("default", "web")
            await admin.send(Request(method="PATCH", path=path, body=version, content_type=MERGE_PATCH))
            await until(has_ended)
            figures = await figures_of(log.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == Ending.STOPPED
        kinds = (ROLLOUTS, ANALYSIS_RUNS, REPLICA_SETS, EVENTS, LEASES)
        objects = {kind.name: json.dumps(await admin.get(kind.path("default"))) for kind in kinds}
    said = {**objects, "log": log.read_text(), "figures": figures}
    assert {asked.headers.get("Authorization", "")[:6] for asked in gossip.asked} == {"", "Bearer", "Basic "}
    for where in ("AnalysisRun", "Rollout", "Event", "log"):
        assert "*****" in said[where], where
    for where, text in said.items():
        assert [form for form in FORMS if form in text] == [], where


async def figures_of(log: str) -> str:
    """The metrics of the controller that wrote this log."""
    (port,) = re.findall(r"ports=\((\d+),", log)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return await answer.text()
