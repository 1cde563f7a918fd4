"""Pods on the node of a running cluster: real programs behind a Service, and played courses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from rollouts.sandbox.controllers.pods import is_ready
from rollouts.sandbox.controllers.progress import condition_of
from rollouts.sandbox.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Json,
    is_terminating,
)
from tests.sandbox.a_cluster import Cluster, a_cluster, a_replica_set, a_service, a_template
from tests.sandbox.ground import Ground

CHILD = """
import asyncio
from tests.sandbox.a_cluster import a_cluster, a_replica_set, a_template
from rollouts.sandbox.kinds import REPLICA_SETS

async def main():
    async with a_cluster() as cluster:
        await cluster.create(REPLICA_SETS, a_replica_set("web", 2, a_template("web", real=True)))
        await cluster.ready("web", 2)
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def cluster(ground: Ground) -> AsyncIterator[Cluster]:
    async with a_cluster(ground) as running:
        yield running


def a_pod(name: str, template: Json) -> Json:
    return {"metadata": {"name": name} | template["metadata"], "spec": template["spec"]}


class Load:
    """Requests to one URL, one after another on several connections, each counted."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._url = url
        self._enough = asyncio.Event()
        self._answered = asyncio.Event()

    async def run(self, *, keep_alive: bool) -> None:
        """Ask until told that it is enough."""
        connector = aiohttp.TCPConnector(force_close=not keep_alive)
        async with aiohttp.ClientSession(connector=connector) as client:
            while not self._enough.is_set():
                try:
                    async with client.get(self._url) as answer:
                        self.answers[(await answer.json())["version"]] += 1
                    self._answered.set()
                    self._answered.clear()
                except aiohttp.ClientError as error:
                    self.failures.append(repr(error))

    async def until(self, version: str, count: int) -> None:
        """Wait until a version has answered so many more requests."""
        wanted = self.answers[version] + count
        async with asyncio.timeout(30):
            while self.answers[version] < wanted:
                await self._answered.wait()

    def stop(self) -> None:
        """It is enough."""
        self._enough.set()


@contextlib.asynccontextmanager
async def load_on(url: str) -> AsyncIterator[Load]:
    """Load on a URL for the length of the block, with and without keep-alive."""
    load = Load(url)
    async with asyncio.TaskGroup() as clients:
        for number in range(4):
            clients.create_task(load.run(keep_alive=number % 2 == 0))
        yield load
        load.stop()


async def test_real_pods_serve_through_the_service(cluster: Cluster) -> None:
    """Every ready pod takes its part; the status names an address of its own for each."""
    await cluster.create(SERVICES, a_service("web", "web"))
    await cluster.create(REPLICA_SETS, a_replica_set("web", 3, a_template("web", real=True, args=("--version=v1",))))
    await cluster.ready("web", 3)
    addresses = {pod["status"]["podIP"] for pod in await cluster.pods_of("web")}
    assert len(addresses) == 3
    await cluster.until_count(ENDPOINT_SLICES, 1, lambda one: len(one["endpoints"] or ()) == 3)
    async with load_on(f"{await cluster.service_url('web')}/") as load:
        await load.until("v1", 60)
    assert not load.failures


async def test_no_request_fails_while_pods_come_and_go(cluster: Cluster) -> None:
    """A rolling update and scaling in both directions under load, with keep-alive and without."""
    template = a_template("web", real=True, args=("--version=v1",))
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await cluster.create(SERVICES, a_service("web", "web"))
    await cluster.create(DEPLOYMENTS, a_replica_set("web", 2, template, strategy=strategy))
    await cluster.until_count(ENDPOINT_SLICES, 1, lambda one: ready_endpoints(one) == 2)
    async with load_on(f"{await cluster.service_url('web')}/") as load:
        await load.until("v1", 20)
        changed = template["spec"] | {"containers": [template["spec"]["containers"][0] | {"args": ["--version=v2"]}]}
        await cluster.api.patch(DEPLOYMENTS, cluster.key("web"), {"spec": {"template": {"spec": changed}}})
        await cluster.until_count(PODS, 2, serves("v2"))
        await cluster.scale(DEPLOYMENTS, "web", 4)
        await cluster.until_count(PODS, 4, serves("v2"))
        await cluster.scale(DEPLOYMENTS, "web", 1)
        await cluster.until_count(PODS, 1)
        await load.until("v2", 20)
    assert not load.failures
    assert load.answers["v1"] and load.answers["v2"]


def ready_endpoints(endpoint_slice: Json) -> int:
    return sum(endpoint["conditions"]["ready"] for endpoint in endpoint_slice.get("endpoints") or ())


def serves(version: str) -> Callable[[Json], bool]:
    return lambda pod: is_ready(pod) and pod["spec"]["containers"][0]["args"] == [f"--version={version}"]


async def test_readiness_follows_the_probe(cluster: Cluster) -> None:
    """The program says 503 for a second and a half: not ready before, ready after."""
    template = a_template("web", real=True, args=("--ready-delay=1.5",))
    await cluster.create(PODS, a_pod("slow", template))
    running = await cluster.until(PODS, "slow", lambda pod: pod["status"]["phase"] == "Running")
    assert not is_ready(running)
    await cluster.until(PODS, "slow", is_ready)


async def test_a_killed_program_is_started_again(cluster: Cluster) -> None:
    """The restart is counted and the end of the first run is on record."""
    await cluster.create(PODS, a_pod("web", a_template("web", real=True)))
    await cluster.until(PODS, "web", is_ready)
    for pid in programs_below(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    again = await cluster.until(
        PODS, "web", lambda pod: is_ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"] == 1
    )
    assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137


async def test_a_program_that_will_not_stop_is_killed_after_its_grace_period(cluster: Cluster) -> None:
    """It drains for a minute, the pod grants one second."""
    template = a_template("web", real=True, args=("--drain=60",))
    template["spec"]["terminationGracePeriodSeconds"] = 1
    await cluster.create(PODS, a_pod("web", template))
    await cluster.until(PODS, "web", is_ready)
    assert programs_below(os.getpid())
    await cluster.api.delete(PODS, cluster.key("web"))
    await cluster.gone(PODS, cluster.key("web"))
    assert not programs_below(os.getpid())


async def test_a_terminating_pod_is_out_of_the_endpoints_before_it_stops(cluster: Cluster) -> None:
    """While the preStop hook sleeps the program still serves, and no slice calls it ready."""
    template = a_template("web", real=True, args=("--version=v1",))
    template["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 1}}}
    await cluster.create(SERVICES, a_service("web", "web"))
    await cluster.create(PODS, a_pod("web", template))
    pod = await cluster.until(PODS, "web", is_ready)
    await cluster.until_count(ENDPOINT_SLICES, 1, lambda one: ready_endpoints(one) == 1)
    await cluster.api.delete(PODS, cluster.key("web"))
    (left,) = await cluster.until_count(ENDPOINT_SLICES, 1, lambda one: ready_endpoints(one) == 0)
    assert left["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://{pod['status']['podIP']}:8080/") as direct,
        client.get(f"{await cluster.service_url('web')}/") as fallback,
    ):
        assert (direct.status, fallback.status) == (200, 200)
    await cluster.gone(PODS, cluster.key("web"))


async def test_settings_of_a_container_reach_its_program(cluster: Cluster) -> None:
    """Values, fields of the pod and ConfigMaps; a missing source is told until it is there."""
    template = a_template("web", real=True, args=("--version=$(VERSION)-$(NAME)",))
    template["spec"]["containers"][0]["env"] = [
        {"name": "VERSION", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "version"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    await cluster.create(PODS, a_pod("web", template))
    waiting = await cluster.until(PODS, "web", lambda pod: "CreateContainerConfigError" in str(pod["status"]))
    assert 'configmap "settings" not found' in str(waiting["status"])
    await cluster.create(CONFIG_MAPS, {"metadata": {"name": "settings"}, "data": {"version": "v9"}})
    ready = await cluster.until(PODS, "web", is_ready)
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://{ready['status']['podIP']}:8080/") as answer,
    ):
        assert (await answer.json())["version"] == "v9-web"


async def test_only_programs_of_the_list_are_run(cluster: Cluster) -> None:
    """Any other name is refused in the pod's status."""
    template = a_template("web", real=True)
    template["metadata"]["annotations"]["sandbox.rollouts.io/program"] = "/bin/sh"
    await cluster.create(PODS, a_pod("web", template))
    refused = await cluster.until(PODS, "web", lambda pod: "CreateContainerConfigError" in str(pod["status"]))
    assert "'/bin/sh' is not one of app" in str(refused["status"])


async def test_a_readiness_gate_holds_a_pod_back(cluster: Cluster) -> None:
    """Until somebody sets its condition."""
    pod = a_pod("web", a_template("web"))
    pod["spec"]["readinessGates"] = [{"conditionType": "example.com/ok"}]
    await cluster.create(PODS, pod)
    running = await cluster.until(PODS, "web", lambda seen: seen["status"]["phase"] == "Running")
    assert (condition_of(running, "Ready") or {})["reason"] == "ReadinessGatesNotReady"
    conditions = [*running["status"]["conditions"], {"type": "example.com/ok", "status": "True"}]
    await cluster.api.patch(PODS, cluster.key("web"), {"status": {"conditions": conditions}}, subresource="status")
    await cluster.until(PODS, "web", is_ready)


async def test_a_slow_pod_takes_its_time_to_stop(cluster: Cluster) -> None:
    """It stays, terminating, until its time is over; a forced deletion does not wait."""
    await cluster.create(PODS, a_pod("slow", a_template("web", stop_takes="1s")))
    await cluster.create(PODS, a_pod("stuck", a_template("web", stop_takes="ever")))
    for name in ("slow", "stuck"):
        await cluster.until(PODS, name, is_ready)
        await cluster.api.delete(PODS, cluster.key(name))
        await cluster.until(PODS, name, is_terminating)
    await cluster.gone(PODS, cluster.key("slow"))
    await cluster.api.delete(PODS, cluster.key("stuck"), options={"gracePeriodSeconds": 0})
    await cluster.gone(PODS, cluster.key("stuck"))


async def test_a_finalizer_keeps_a_stopped_pod(cluster: Cluster) -> None:
    """Its containers are told to have ended, and it goes with its finalizer."""
    pod = a_pod("web", a_template("web"))
    pod["metadata"]["finalizers"] = ["example.com/wait"]
    await cluster.create(PODS, pod)
    await cluster.until(PODS, "web", is_ready)
    await cluster.api.delete(PODS, cluster.key("web"))
    await cluster.until(PODS, "web", lambda seen: "terminated" in seen["status"]["containerStatuses"][0]["state"])
    await cluster.api.patch(PODS, cluster.key("web"), {"metadata": {"finalizers": []}})
    await cluster.gone(PODS, cluster.key("web"))


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [("schedule", "never", "Unschedulable"), ("image", "missing", "ImagePullBackOff"), ("run-for", "x", "run-for")],
)
async def test_pods_that_cannot_run_say_why(cluster: Cluster, annotation: str, value: str, text: str) -> None:
    """Pending, with the reason where kubectl shows it."""
    template = a_template("web")
    template["metadata"]["annotations"][f"sandbox.rollouts.io/{annotation}"] = value
    await cluster.create(PODS, a_pod("web", template))
    pending = await cluster.until(PODS, "web", lambda pod: text in str(pod["status"]))
    assert pending["status"]["phase"] == "Pending"


def programs_below(pid: int) -> list[int]:
    """The demo applications that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and b"app.py" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


async def test_a_killed_cluster_leaves_no_programs_behind() -> None:
    """kill -9 of the process that holds the node ends the pods' programs as well."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    programs = programs_below(child.pid)
    assert len(programs) == 2
    descriptors = [os.pidfd_open(pid) for pid in programs]
    child.kill()
    await child.wait()
    for descriptor in descriptors:
        await ended(descriptor)
        os.close(descriptor)


async def ended(descriptor: int) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, over.set)
    async with asyncio.timeout(30):
        await over.wait()
    loop.remove_reader(descriptor)
