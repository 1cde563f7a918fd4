"""What a Rollout waits for, and that it goes on when that comes: Services, Ingresses and workloads in a cluster."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rollouts.kube.client import MERGE_PATCH, KubeClient, Request
from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import (
    DEPLOYMENTS,
    HASH_LABEL,
    INGRESSES,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Key,
    Kind,
)
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Refuse
from tests.shell.clusters import LOOSE_CRDS, Access, a_cluster, a_sandbox, create, read
from tests.shell.objects import (
    a_deployment,
    a_referring_rollout,
    a_rollout,
    a_routed_rollout,
    a_service,
    an_ingress,
)
from tests.shell.processes import Controller, a_controller, until

CANARY_INGRESS = "web-web-canary"
Look = Callable[[], Awaitable[Any]]


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Access, KubeClient]]:
    async with a_cluster(*LOOSE_CRDS) as running:
        yield running


@pytest.fixture
async def weather() -> AsyncIterator[tuple[Sandbox, KubeClient]]:
    """A cluster whose weather the test makes."""
    async with a_sandbox(*LOOSE_CRDS) as running:
        yield running


def empty(rollout: dict[str, Any]) -> dict[str, Any]:
    """The Rollout without pods: what pods would be waited for is there."""
    rollout["spec"]["replicas"] = 0
    return rollout


def says(admin: KubeClient, *words: str, name: str = "web") -> Look:
    """Whether these words are in the status."""

    async def look() -> bool:
        said = str((await read(admin, ROLLOUTS, name)).get("status"))
        return all(word in said for word in words)

    return look


def is_valid(admin: KubeClient) -> Look:
    """Whether the spec is acted on, which it was not."""

    async def look() -> bool:
        status = (await read(admin, ROLLOUTS, "web")).get("status", {})
        return bool(status) and status.get("phase") != "Degraded"

    return look


def exists(admin: KubeClient, kind: Kind, name: str) -> Look:
    """The object, once it is there."""

    async def look() -> Any:
        try:
            return await read(admin, kind, name)
        except NotFound:
            return None

    return look


def leads_somewhere(admin: KubeClient, name: str) -> Look:
    """Whether a Service is pointed at a version."""

    async def look() -> bool:
        return HASH_LABEL in (await read(admin, SERVICES, name))["spec"]["selector"]

    return look


async def delete(admin: KubeClient, kind: Kind, name: str) -> None:
    """Take an object away, as a person does."""
    await admin.send(Request(method="DELETE", path=kind.path("default", name)))


async def test_services_are_waited_for(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """One that comes later, one that is taken away, and its successor."""
    access, admin = cluster
    rollout = empty(a_rollout())
    rollout["spec"]["strategy"] = {"blueGreen": {"activeService": "web-active"}}
    await create(admin, ROLLOUTS, rollout)
    async with a_controller(access, tmp_path):
        await until(says(admin, 'service "web-active" not found'))
        await create(admin, SERVICES, a_service("web-active"))
        await until(leads_somewhere(admin, "web-active"))
        await until(is_valid(admin))
        await delete(admin, SERVICES, "web-active")
        await until(says(admin, 'service "web-active" not found'))
        await create(admin, SERVICES, a_service("web-active"))
        await until(leads_somewhere(admin, "web-active"))
        await until(is_valid(admin))


async def test_ingresses_are_waited_for(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """The user's, and the canary's when somebody took it away."""
    access, admin = cluster
    for name in ("web-canary", "web-stable"):
        await create(admin, SERVICES, a_service(name))
    await create(admin, ROLLOUTS, empty(a_routed_rollout()))
    async with a_controller(access, tmp_path):
        await until(says(admin, 'ingress.networking.k8s.io "web" not found'))
        await create(admin, INGRESSES, an_ingress())
        first = await until(exists(admin, INGRESSES, CANARY_INGRESS))
        await until(is_valid(admin))
        await delete(admin, INGRESSES, CANARY_INGRESS)

        async def successor() -> bool:
            found = await exists(admin, INGRESSES, CANARY_INGRESS)()
            return found is not None and found["metadata"]["uid"] != first["metadata"]["uid"]

        await until(successor)
        await delete(admin, INGRESSES, "web")
        await until(says(admin, 'ingress.networking.k8s.io "web" not found'))


async def test_workloads_are_waited_for(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """A Deployment that comes later, changes, goes, and comes again."""
    access, admin = cluster

    def images(*wanted: str) -> Look:
        async def look() -> bool:
            items = (await admin.get(REPLICA_SETS.path("default")))["items"]
            found = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in items]
            return sorted(found) == sorted(wanted)

        return look

    await create(admin, ROLLOUTS, empty(a_referring_rollout()))
    async with a_controller(access, tmp_path):
        await until(says(admin, 'deployments.apps "web" not found'))
        deployment = a_deployment(replicas=0)
        await create(admin, DEPLOYMENTS, deployment)
        await until(images("app:1"))
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
        path, body = DEPLOYMENTS.path("default", "web"), {"spec": {"template": deployment["spec"]["template"]}}
        await admin.send(Request(method="PATCH", path=path, body=body, content_type=MERGE_PATCH))
        await until(images("app:1", "app:2"))
        await delete(admin, DEPLOYMENTS, "web")
        await until(says(admin, 'deployments.apps "web" not found'))
        await create(admin, DEPLOYMENTS, deployment)
        await until(is_valid(admin))


@pytest.mark.parametrize(
    ("resource", "rollout", "words"),
    [
        ("deployments", a_referring_rollout(), ("WorkloadUnreadable", "deployments cannot be listed")),
        ("ingresses", a_routed_rollout(), ("ingresses cannot be listed",)),
        ("services", a_routed_rollout(), ("services cannot be listed",)),
    ],
)
async def test_a_kind_that_cannot_be_listed_stops_who_needs_it(
    weather: tuple[Sandbox, KubeClient],
    tmp_path: Path,
    resource: str,
    rollout: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    """It says so in its status, and goes on by itself with the right to; the others do not wait."""
    sandbox, admin = weather
    for name in ("web-canary", "web-stable"):
        await create(admin, SERVICES, a_service(name))
    await create(admin, INGRESSES, an_ingress())
    await create(admin, DEPLOYMENTS, a_deployment(replicas=0))
    denied = sandbox.faults.inject(Refuse(code=403), resource=resource)
    await create(admin, ROLLOUTS, empty(rollout))
    await create(admin, ROLLOUTS, empty(a_rollout("other")))
    async with a_controller(sandbox, tmp_path):
        await until(says(admin, "Healthy", name="other"))
        await until(says(admin, *words))
        sandbox.faults.remove(denied)

        async def sees() -> bool:
            return not any([await says(admin, word)() for word in words])

        await until(sees)
        await until(says(admin, "Healthy"))


@pytest.mark.parametrize(("verb", "resource"), [("create", "ingresses"), ("patch", "services")])
async def test_traffic_that_is_refused_is_said(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path, verb: Any, resource: str
) -> None:
    """As long as it is, and without a word of it afterwards."""
    sandbox, admin = weather
    for name in ("web-canary", "web-stable"):
        await create(admin, SERVICES, a_service(name))
    await create(admin, INGRESSES, an_ingress())
    denied = sandbox.faults.inject(Refuse(code=403), verb=verb, resource=resource)
    await create(admin, ROLLOUTS, empty(a_routed_rollout()))
    async with a_controller(sandbox, tmp_path):
        await until(says(admin, "refused to lead traffic", "refused on demand"))
        sandbox.faults.remove(denied)

        async def is_silent() -> bool:
            return not await says(admin, "refused")()

        await until(is_silent)
        await until(says(admin, "Healthy"))


async def test_a_service_whose_write_conflicts_is_pointed_all_the_same(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path
) -> None:
    """Somebody was faster, twice."""
    sandbox, admin = weather
    sandbox.faults.inject(Refuse(code=409), verb="patch", resource="services", times=2)
    rollout = empty(a_rollout())
    rollout["spec"]["strategy"] = {"blueGreen": {"activeService": "web-active"}}
    await create(admin, SERVICES, a_service("web-active"))
    await create(admin, ROLLOUTS, rollout)
    async with a_controller(sandbox, tmp_path):
        await until(leads_somewhere(admin, "web-active"))
        await until(says(admin, "Healthy"))


@pytest.mark.parametrize("kind", [SERVICES, INGRESSES])
async def test_what_was_deleted_in_a_watch_gap_is_found_missing(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path, kind: Kind
) -> None:
    """The watch never tells of it; the census does, and the Rollout that names it looks again."""
    sandbox, admin = weather
    for name in ("web-canary", "web-stable"):
        await create(admin, SERVICES, a_service(name))
    await create(admin, INGRESSES, an_ingress())
    await create(admin, INGRESSES, an_ingress("stays"))
    await create(admin, ROLLOUTS, empty(a_routed_rollout()))
    name = "web-canary" if kind == SERVICES else "web"
    async with a_controller(sandbox, tmp_path) as controller:
        await until(says(admin, "Healthy"))
        with sandbox.faults.stale_watches(kind.plural):
            await delete(admin, kind, name)
            sandbox.compact()
            sandbox.faults.drop_watches(kind.plural)
        await until(says(admin, f'"{name}" not found'))
        assert controller.cache.get(kind, Key("default", name)) is None


async def test_nothing_is_written_once_all_is_as_it_should_be(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path
) -> None:
    """However often everything is looked at: Services, the canary's Ingress and the status stay as they are."""
    sandbox, admin = weather
    for name in ("web-canary", "web-stable"):
        await create(admin, SERVICES, a_service(name))
    await create(admin, INGRESSES, an_ingress())
    await create(admin, DEPLOYMENTS, a_deployment("api", replicas=0))
    await create(admin, ROLLOUTS, empty(a_routed_rollout()))
    await create(admin, ROLLOUTS, empty(a_referring_rollout("api", workload="api")))

    def written(verb: str, resource: str) -> int:
        return sum(
            count for (did, _, to, _), count in sandbox.requests.items() if did == verb and to.startswith(resource)
        )

    def all_written() -> list[int]:
        resources = ("rollouts", "services", "ingresses", "deployments", "replicasets")
        return [written(verb, each) for verb in ("create", "patch", "update", "delete") for each in resources]

    async with a_controller(sandbox, tmp_path) as controller:
        await until(says(admin, "Healthy"))
        await until(says(admin, "Healthy", name="api"))
        rounds = []
        for _ in range(8):
            before = all_written()
            await everything_is_looked_at(controller)
            rounds.append(all_written() == before)
        assert rounds[-4:] == [True] * 4, "the first ones may still see what was being written"


async def everything_is_looked_at(controller: Controller) -> None:
    """Give every Rollout another turn, and wait until it is over."""

    def turns() -> dict[str, float]:
        shown = controller.telemetry.render().decode()
        return {
            name: float(count) for name, count in re.findall(r'rollout_reconcile_count{name="(.*?)",.*} (.*)', shown)
        }

    before = turns()
    controller.parts.intake.look_again()

    async def are_over() -> bool:
        return all(count > before[name] for name, count in turns().items())

    await until(are_over)
