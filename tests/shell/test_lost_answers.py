"""A write whose answer was lost may have happened: what became of it is looked at before the next decision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rollouts.kube.client import KubeClient
from rollouts.kube.kinds import HASH_LABEL, INGRESSES, REPLICA_SETS, ROLLOUTS, SERVICES, Kind
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Fault, Refuse, Reset
from tests.shell.clusters import LOOSE_CRDS, a_sandbox, create, read
from tests.shell.objects import a_rollout, a_routed_rollout, a_service, an_ingress
from tests.shell.processes import a_controller, until


@asynccontextmanager
async def a_first_scale(folder: Path, fault: Fault) -> AsyncIterator[tuple[Sandbox, KubeClient]]:
    """A controller that begins to deploy, and whose first scale meets this fault."""
    async with a_sandbox(*LOOSE_CRDS) as (sandbox, admin), a_controller(sandbox, folder) as controller:
        await controller.parts.census.complete(controller.parts.census.kinds)
        sandbox.faults.inject(fault, verb="patch", resource="replicasets", times=1)
        await create(admin, ROLLOUTS, a_rollout())
        yield sandbox, admin


@pytest.mark.parametrize("fault", [Reset(after_effect=True), Reset(), Refuse(code=500)])
async def test_what_may_have_been_written_is_read(tmp_path: Path, fault: Fault) -> None:
    """Whether it was carried out or not, the ReplicaSet is read once, and then sized as it should be."""
    async with a_first_scale(tmp_path, fault) as (sandbox, admin):

        async def is_scaled() -> bool:
            items = (await admin.get(REPLICA_SETS.path("default")))["items"]
            return bool(items) and items[0]["spec"]["replicas"] == 2

        async def is_read() -> bool:
            return sandbox.requests["get", "apps", "replicasets", 200] > 0

        await until(is_scaled)
        await until(is_read)
        assert sandbox.requests["get", "apps", "replicasets", 200] == 1


async def test_nothing_is_decided_while_it_cannot_be_read(tmp_path: Path) -> None:
    """The copy may lack the write and the read fails: the key is put off, and no other write is sent meanwhile."""
    async with a_first_scale(tmp_path, Reset(after_effect=True)) as (sandbox, _):
        sandbox.faults.inject(Refuse(code=503), verb="get", resource="replicasets", times=3)

        async def was_read() -> bool:
            answered = sandbox.requests
            if not answered["get", "apps", "replicasets", 200]:
                assert answered["patch", "apps", "replicasets", 200] <= 1
            return bool(answered["get", "apps", "replicasets", 200])

        await until(was_read)
        assert sandbox.requests["get", "apps", "replicasets", 503] == 3


@pytest.mark.parametrize(
    ("verb", "kind", "code", "carried_out"),
    [("create", INGRESSES, 201, 1), ("patch", SERVICES, 200, 2)],  # there are two Services
)
async def test_traffic_that_may_have_been_led_elsewhere_is_looked_at(
    tmp_path: Path, verb: Any, kind: Kind, code: int, carried_out: int
) -> None:
    """The object is read before anything else is decided, and nothing is written to it a second time."""
    rollout = a_routed_rollout()
    rollout["spec"]["replicas"] = 0
    async with a_sandbox(*LOOSE_CRDS) as (sandbox, admin), a_controller(sandbox, tmp_path) as controller:
        await controller.parts.census.complete(controller.parts.census.kinds)
        for each in (a_service("web-canary"), a_service("web-stable")):
            await create(admin, SERVICES, each)
        await create(admin, INGRESSES, an_ingress())
        sandbox.requests.clear()
        sandbox.faults.inject(Reset(after_effect=True), verb=verb, resource=kind.plural, times=1)
        await create(admin, ROLLOUTS, rollout)

        async def is_healthy() -> bool:
            return bool((await read(admin, ROLLOUTS, "web")).get("status", {}).get("phase") == "Healthy")

        async def are_led() -> bool:
            services = [await read(admin, SERVICES, each) for each in ("web-canary", "web-stable")]
            return all(HASH_LABEL in each["spec"]["selector"] for each in services)

        async def was_read() -> bool:
            return sandbox.requests["get", kind.group, kind.plural, 200] > 0

        await until(was_read)
        await until(is_healthy)
        await until(are_led)
        assert sandbox.requests[verb, kind.group, kind.plural, code] == carried_out
