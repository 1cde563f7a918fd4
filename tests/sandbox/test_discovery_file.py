"""The scrape targets that a Prometheus without Kubernetes discovery reads from a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

from rollouts.sandbox.discovery_file import follow, targets
from rollouts.sandbox.kinds import REPLICA_SETS, SERVICES
from tests.sandbox.a_cluster import Cluster, a_cluster, a_replica_set, a_service, a_template
from tests.sandbox.a_pod import Json, a_pod, annotated


def scraped(pod: Json, **labels: str) -> Json:
    pod["metadata"]["annotations"] = {"prometheus.io/scrape": "true"}
    pod["metadata"]["labels"] |= labels
    return pod


def service(name: str, **selector: str) -> Json:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"selector": selector}}


def test_each_pod_is_one_target_with_its_labels() -> None:
    """The most general Service gives its name, whatever narrower ones select the pod too."""
    pod = scraped(a_pod(), **{"rollouts-pod-template-hash": "abc"})
    services = [service("a-canary", app="web", **{"rollouts-pod-template-hash": "abc"}), service("web", app="web")]
    (group,) = targets([pod], services)
    assert group == {
        "targets": ["127.128.0.1:8080"],
        "labels": {
            "namespace": "default",
            "pod": "web-1",
            "service": "web",
            "app": "web",
            "rollouts_pod_template_hash": "abc",
        },
    }


def test_only_pods_that_ask_for_it_and_run_are_listed() -> None:
    """A program is a reason too, unless the annotation says no; no address or a finished pod: no target."""
    waiting = scraped(a_pod("waiting"))
    del waiting["status"]["podIP"]
    assert len(targets([annotated(a_pod(), program="app")], [])) == 1
    unwilling = annotated(a_pod("unwilling"), program="app")
    unwilling["metadata"]["annotations"]["prometheus.io/scrape"] = "false"
    assert targets([a_pod(), unwilling, waiting, scraped(a_pod("done", phase="Succeeded"))], []) == []


async def test_the_file_follows_the_pods(tmp_path: Path) -> None:
    """It appears, grows and shrinks with them."""
    path = tmp_path / "targets.json"
    async with a_cluster() as cluster:
        following = asyncio.create_task(follow(cluster.connection, path))
        await cluster.create(SERVICES, a_service("web", "web"))
        template = a_template("web")
        template["metadata"]["annotations"]["prometheus.io/scrape"] = "true"
        await cluster.create(REPLICA_SETS, a_replica_set("web", 2, template))
        await listed(path, 2)
        await scaled(cluster, 1)
        (group,) = await listed(path, 1)
        assert group["labels"]["service"] == "web"
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def scaled(cluster: Cluster, replicas: int) -> None:
    await cluster.scale(REPLICA_SETS, "web", replicas)
    await cluster.ready("web", replicas)


async def listed(path: Path, count: int) -> list[Json]:
    """The content once it has so many targets; files can only be looked at again and again."""
    async with asyncio.timeout(30):
        while True:
            content: list[Json] = json.loads(path.read_text()) if path.exists() else []  # noqa: ASYNC240 - tiny file
            if len(content) == count:
                return content
            await asyncio.sleep(0.02)
