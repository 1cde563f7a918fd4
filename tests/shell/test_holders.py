"""Services that a Rollout pointed: given back when it names them no more, and only if that is certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rollouts.core.actions import PatchService
from rollouts.core.naming import MANAGED_BY
from rollouts.core.release import release
from rollouts.kube.client import MERGE_PATCH, KubeClient, Request
from rollouts.kube.errors import ApiError, Denied, NotFound, Unreachable
from rollouts.kube.kinds import HASH_LABEL, INSTANCE_LABEL, REPLICA_SETS, ROLLOUTS, SERVICES, Key, Kind
from rollouts.runtime.cache import Cache, Json
from rollouts.runtime.clock import utc_now
from rollouts.runtime.holders import ServiceTurns
from rollouts.runtime.intake import Intake
from rollouts.runtime.queue import WorkQueue
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Refuse
from tests.shell.clusters import LOOSE_CRDS, Access, a_cluster, a_sandbox, create, read
from tests.shell.objects import a_rollout, a_routed_rollout, a_service, entry
from tests.shell.pictures import a_cache, snapshots_of
from tests.shell.processes import a_controller, until

STABLE = Key("default", "web-stable")


def a_held_service(name: str = "web-stable", *, by: str = "web") -> dict[str, Any]:
    """A Service that a Rollout pointed at a version."""
    service = a_service(name, version="1")
    service["metadata"]["annotations"] = {MANAGED_BY: by}
    return service


def turns(cache: Cache, answer: Json | ApiError, unreadable: dict[Kind, str] | None = None) -> ServiceTurns:
    """Turns with one answer to every question for a Rollout."""

    async def read_rollout(key: Key) -> Json:
        if isinstance(answer, ApiError):
            raise answer
        return answer

    return ServiceTurns(
        cache,
        snapshots_of(cache, unreadable),
        release=release,
        read_rollout=read_rollout,
        instance_id="",
    )


def answered(rollout: dict[str, Any], *, generation: int = 1, **status: Any) -> dict[str, Any]:
    """The Rollout with a status that answers this generation of its spec."""
    return {**rollout, "status": {"observedGeneration": str(generation), **status}}


async def released(cache: Cache, answer: Json | ApiError) -> bool:
    """Whether the Service `web-stable` is given back."""
    turn = await turns(cache, answer).take(STABLE, utc_now)
    assert turn is not None
    return any(isinstance(each, PatchService) for each in turn.plan.actions)


async def test_who_is_named_in_the_copy_is_not_asked() -> None:
    """Most events of a Service cost nothing."""
    assert not await released(a_cache(a_routed_rollout(), a_held_service()), Unreachable("nobody is to be asked"))


async def test_the_copy_is_not_believed_that_nobody_names_it() -> None:
    """It may be late, and it lacks Rollouts of other controllers."""
    cache = a_cache(a_held_service())
    assert not await released(cache, a_routed_rollout())
    assert not await released(cache, answered(a_rollout(metadata={"labels": {INSTANCE_LABEL: "theirs"}})))
    assert await released(cache, answered(a_rollout()))
    assert await released(cache, NotFound("gone"))


async def test_a_spec_that_is_not_acted_on_takes_no_service_away() -> None:
    """Nobody has looked at it yet, or it was found to be wrong."""
    cache = a_cache(a_held_service())
    refused = {"type": "InvalidSpec", "status": "True"}
    assert not await released(cache, a_rollout())
    assert not await released(cache, answered(a_rollout(metadata={"generation": 2}), generation=1))
    assert not await released(cache, answered(a_rollout(), conditions=[refused]))
    assert await released(cache, answered(a_rollout(), conditions=[refused | {"status": "False"}]))


@pytest.mark.parametrize("error", [Denied("no"), Unreachable("away")])
async def test_a_read_that_failed_is_no_absence(error: ApiError) -> None:
    """It is tried again."""
    with pytest.raises(type(error)):
        await released(a_cache(a_held_service()), error)


async def test_nothing_is_given_back_while_rollouts_are_out_of_sight() -> None:
    """Not even where the API server says there is none: perhaps the kind is not served at this moment."""
    taking = turns(a_cache(a_held_service()), NotFound("no"), {ROLLOUTS: "not installed"})
    with pytest.raises(Unreachable, match="not installed"):
        await taking.take(STABLE, utc_now)


async def test_a_service_that_changed_hands_meanwhile_is_not_decided_on() -> None:
    """The answer was about another Rollout."""
    cache = a_cache(a_held_service())

    async def read_rollout(key: Key) -> Json:
        cache.put(entry(a_held_service(by="other")))
        raise NotFound("gone")

    taking = ServiceTurns(
        cache,
        snapshots_of(cache),
        release=release,
        read_rollout=read_rollout,
        instance_id="",
    )
    assert await taking.take(STABLE, utc_now) is None


async def test_a_service_that_nobody_holds_any_more_is_forgotten() -> None:
    """As one that is gone."""
    assert await turns(a_cache(a_service("web-stable")), NotFound("no")).take(STABLE, utc_now) is None


async def test_only_services_that_somebody_holds_are_looked_at() -> None:
    """A cluster has many more."""
    queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop())
    cache = a_cache(a_service("free"), a_held_service())
    Intake(cache, {SERVICES: queue}).look_again()
    assert len(queue) == 1 and await queue.get() == STABLE


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Access, KubeClient]]:
    async with a_cluster(*LOOSE_CRDS) as running:
        yield running


def selector_is(admin: KubeClient, name: str, *, pointed: bool) -> Callable[[], Awaitable[bool]]:
    """Whether a Service leads to one version, in its holder's name, or to all its pods, in nobody's."""

    async def look() -> bool:
        service = await read(admin, SERVICES, name)
        marks = (
            HASH_LABEL in service["spec"]["selector"],
            MANAGED_BY in service["metadata"].get("annotations", {}),
        )
        return marks == (pointed, pointed)

    return look


def a_green_rollout(**services: str) -> dict[str, Any]:
    """A blue-green Rollout without pods, whose Services turn at once."""
    rollout = a_rollout()
    rollout["spec"] |= {"replicas": 0, "strategy": {"blueGreen": services}}
    return rollout


async def test_a_strategy_that_changes_gives_its_services_back(
    cluster: tuple[Access, KubeClient], tmp_path: Path
) -> None:
    """The one that it still names stays; what leads to all pods was scaled by nobody."""
    access, admin = cluster
    for name in ("web-active", "web-preview"):
        await create(admin, SERVICES, a_service(name))
    await create(admin, ROLLOUTS, a_green_rollout(activeService="web-active", previewService="web-preview"))
    async with a_controller(access, tmp_path):
        await until(selector_is(admin, "web-preview", pointed=True))
        await until(selector_is(admin, "web-active", pointed=True))
        body = {"spec": {"strategy": {"blueGreen": {"previewService": None}}}}
        path = ROLLOUTS.path("default", "web")
        await admin.send(Request(method="PATCH", path=path, body=body, content_type=MERGE_PATCH))
        await until(selector_is(admin, "web-preview", pointed=False))
        assert await selector_is(admin, "web-active", pointed=True)()


async def test_a_rollout_that_goes_gives_its_services_back(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """Whether somebody watched or not; its ReplicaSets are left to the cluster."""
    access, admin = cluster
    await create(admin, SERVICES, a_service("web-active"))
    await create(admin, SERVICES, a_held_service("old", by="gone"))
    await create(admin, ROLLOUTS, a_green_rollout(activeService="web-active"))
    async with a_controller(access, tmp_path):
        await until(selector_is(admin, "old", pointed=False))
        await until(selector_is(admin, "web-active", pointed=True))
        before = await sizes(admin)
        await admin.send(Request(method="DELETE", path=ROLLOUTS.path("default", "web")))
        await until(selector_is(admin, "web-active", pointed=False))
        assert await sizes(admin) == before


async def test_a_rollout_that_left_its_routers_too_early_keeps_its_services(
    cluster: tuple[Access, KubeClient], tmp_path: Path
) -> None:
    """Routers still send a part of the traffic to the canary: that way stays as it is until the spec makes sense."""
    access, admin = cluster
    path, weights = ROLLOUTS.path("default", "web", "status"), {"canary": {"weight": 25}, "stable": {"weight": 75}}

    async def record(weights: Any) -> None:
        body = {"status": {"canary": {"weights": weights}}}
        await admin.send(Request(method="PATCH", path=path, body=body, content_type=MERGE_PATCH))

    async def is_refused() -> bool:
        return "25 of the traffic" in str((await read(admin, ROLLOUTS, "web")).get("status", {}).get("message"))

    await create(admin, ROLLOUTS, a_rollout())
    await record(weights)
    await create(admin, SERVICES, a_held_service())
    async with a_controller(access, tmp_path):
        await until(is_refused)
        assert await selector_is(admin, "web-stable", pointed=True)()
        await record(None)
        await until(selector_is(admin, "web-stable", pointed=False))


async def test_a_service_goes_from_one_rollout_to_another(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """The second one is refused it, until the first names it no more: then it goes on by itself."""
    access, admin = cluster
    await create(admin, SERVICES, a_service("web-active"))
    await create(admin, ROLLOUTS, a_green_rollout(activeService="web-active"))
    heir = a_green_rollout(activeService="web-active")
    heir["metadata"] |= {"name": "heir"}
    async with a_controller(access, tmp_path):
        await until(selector_is(admin, "web-active", pointed=True))
        await create(admin, ROLLOUTS, heir)

        async def says() -> str:
            return str((await read(admin, ROLLOUTS, "heir")).get("status", {}).get("message", ""))

        async def is_refused() -> bool:
            return "is managed by another Rollout" in await says()

        async def is_held_by_the_heir() -> bool:
            service = await read(admin, SERVICES, "web-active")
            return bool(service["metadata"].get("annotations", {}).get(MANAGED_BY) == "heir")

        async def is_accepted() -> bool:
            return not await is_refused()

        await until(is_refused)
        await admin.send(Request(method="DELETE", path=ROLLOUTS.path("default", "web")))
        await until(is_held_by_the_heir)
        await until(is_accepted)


async def sizes(admin: KubeClient) -> dict[str, int]:
    """Replicas that each ReplicaSet is to have."""
    items = (await admin.get(REPLICA_SETS.path("default")))["items"]
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in items}


async def test_a_holder_that_cannot_be_read_keeps_its_service(tmp_path: Path) -> None:
    """Until it can be."""
    async with a_sandbox(*LOOSE_CRDS) as (sandbox, admin):
        refused = sandbox.faults.inject(Refuse(code=403), verb="get", resource="rollouts")
        await create(admin, SERVICES, a_held_service())
        async with a_controller(sandbox, tmp_path):
            await until(asked_in_vain(sandbox))
            assert await selector_is(admin, "web-stable", pointed=True)()
            sandbox.faults.remove(refused)
            await until(selector_is(admin, "web-stable", pointed=False))


def asked_in_vain(sandbox: Sandbox) -> Callable[[], Awaitable[bool]]:
    """Whether a Rollout was asked for and refused, more than once."""

    async def look() -> bool:
        return sandbox.requests["get", "argoproj.io", "rollouts", 403] > 1

    return look


async def test_controllers_leave_each_others_services_alone(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """Each gives back what its own Rollouts left; and what belonged to a Rollout that is gone, whoever comes first."""
    access, admin = cluster
    theirs = a_rollout("theirs", metadata={"labels": {INSTANCE_LABEL: "blue"}})
    await create(admin, ROLLOUTS, theirs)
    await create(admin, ROLLOUTS, a_rollout("ours"))
    for holder in ("theirs", "ours", "gone"):
        await create(admin, SERVICES, a_held_service(f"of-{holder}", by=holder))
    async with a_controller(access, tmp_path):
        await until(selector_is(admin, "of-ours", pointed=False))
        await until(selector_is(admin, "of-gone", pointed=False))
        assert await selector_is(admin, "of-theirs", pointed=True)()
        (folder := tmp_path / "blue").mkdir()
        async with a_controller(access, folder, "--instance-id", "blue"):
            await until(selector_is(admin, "of-theirs", pointed=False))


async def test_a_rollout_that_went_in_a_watch_gap_gives_its_services_back(tmp_path: Path) -> None:
    """Nobody tells of its deletion; the census finds it."""
    async with a_sandbox(*LOOSE_CRDS) as (sandbox, admin):
        await create(admin, SERVICES, a_service("web-active"))
        await create(admin, ROLLOUTS, a_green_rollout(activeService="web-active"))
        await create(admin, ROLLOUTS, a_rollout("stays"))
        async with a_controller(sandbox, tmp_path):
            await until(selector_is(admin, "web-active", pointed=True))
            with sandbox.faults.stale_watches("rollouts"):
                await admin.send(Request(method="DELETE", path=ROLLOUTS.path("default", "web")))
                sandbox.compact()
                sandbox.faults.drop_watches("rollouts")
            await until(selector_is(admin, "web-active", pointed=False))
