"""The whole controller in one process, against a cluster with good and bad weather."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rollouts.app import probes
from rollouts.kube.client import KubeClient, Request
from rollouts.kube.kinds import ANALYSIS_RUNS, LEASES, REPLICA_SETS, ROLLOUTS, Key
from rollouts.kube.lease import LeaseTiming
from rollouts.runtime.lifecycle import Ending
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Delay, Refuse
from tests.shell.clusters import LOOSE_CRDS, Access, a_cluster, a_crd, a_sandbox, create, install, read
from tests.shell.objects import a_rollout
from tests.shell.processes import Controller, a_controller, until

LOCK = "argo-rollouts-controller-lock"
BRISK = LeaseTiming(duration=3.0, renew_deadline=2.0, retry_period=0.3)


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Access, KubeClient]]:
    async with a_cluster(*LOOSE_CRDS) as running:
        yield running


@pytest.fixture
async def weather() -> AsyncIterator[tuple[Sandbox, KubeClient]]:
    """A cluster whose weather the test makes."""
    async with a_sandbox(*LOOSE_CRDS) as running:
        yield running


def replica_sets(admin: KubeClient, *, at_least: int = 1) -> Callable[[], Awaitable[list[Any] | None]]:
    """The ReplicaSets, once there are so many."""

    async def look() -> list[Any] | None:
        items = list((await admin.get(REPLICA_SETS.path("default")))["items"])
        return items if len(items) >= at_least else None

    return look


async def test_a_rollout_that_is_there_or_comes_is_carried_out(
    cluster: tuple[Access, KubeClient], tmp_path: Path
) -> None:
    """Before the controller started, or after."""
    access, admin = cluster
    await create(admin, ROLLOUTS, a_rollout("before"))
    async with a_controller(access, tmp_path):
        await until(replica_sets(admin))
        await create(admin, ROLLOUTS, a_rollout("after"))
        await until(replica_sets(admin, at_least=2))


async def test_nothing_of_the_watch_library_is_on_any_object(
    cluster: tuple[Access, KubeClient], tmp_path: Path
) -> None:
    """No annotation, no finalizer."""
    access, admin = cluster
    await create(admin, ROLLOUTS, a_rollout())
    async with a_controller(access, tmp_path):
        await until(replica_sets(admin))
    meta = (await read(admin, ROLLOUTS, "web"))["metadata"]
    assert "finalizers" not in meta
    assert not [name for name in meta.get("annotations", {}) if "kopf" in name]


async def test_a_malformed_rollout_does_not_delay_the_others(
    cluster: tuple[Access, KubeClient], tmp_path: Path
) -> None:
    """Whatever stands in it."""
    access, admin = cluster
    for index, spec in enumerate(({"replicas": "many"}, {"template": 7, "strategy": []}, {"selector": {"a": 1}})):
        await create(admin, ROLLOUTS, a_rollout(f"bad-{index}", spec=spec, status={"conditions": "none"}))
    await create(admin, ROLLOUTS, a_rollout("good"))
    async with a_controller(access, tmp_path):
        (made,) = await until(replica_sets(admin))
        assert made["metadata"]["ownerReferences"][0]["name"] == "good"


async def test_a_kind_that_is_installed_later_is_noticed(tmp_path: Path) -> None:
    """A controller may start on an empty cluster, without rights on CRDs."""
    async with a_cluster() as (access, admin), a_controller(access, tmp_path) as controller:
        await controller.parts.census.complete(controller.parts.census.kinds)
        assert controller.parts.census.unreadable(ANALYSIS_RUNS) is not None
        await install(admin, *LOOSE_CRDS)
        await create(admin, ROLLOUTS, a_rollout())
        await until(replica_sets(admin))

        async def readable() -> bool:
            return controller.parts.census.unreadable(ANALYSIS_RUNS) is None

        await until(readable)


async def test_the_user_of_a_container_needs_no_name(
    cluster: tuple[Access, KubeClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image runs as a number that is in no user database."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr("getpass.getuser", unknown)
    access, admin = cluster
    await create(admin, ROLLOUTS, a_rollout())
    async with a_controller(access, tmp_path):
        await until(replica_sets(admin))


async def test_a_controller_that_may_not_see_replica_sets_is_not_ready(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path
) -> None:
    """From its first look, when the right is taken away later, and until it is given back; healthy it is all along."""
    sandbox, _ = weather
    denied = sandbox.faults.inject(Refuse(code=403), resource="replicasets")
    async with a_controller(sandbox, tmp_path) as controller:
        asked = probes(controller.parts, controller.telemetry)
        await controller.parts.census.complete(controller.parts.census.kinds)
        assert "replicasets cannot be listed" in str(asked.unready())

        async def is_ready() -> bool:
            return asked.unready() is None

        async def is_unready() -> bool:
            return not await is_ready()

        sandbox.faults.remove(denied)
        await until(is_ready)
        sandbox.faults.inject(Refuse(code=403), resource="replicasets")
        sandbox.faults.drop_watches("replicasets")
        await until(is_unready)
        assert asked.unhealthy() is None


async def test_a_deletion_in_a_watch_gap_is_found(weather: tuple[Sandbox, KubeClient], tmp_path: Path) -> None:
    """The watch library lists anew and tells of no deletion; the census does."""
    sandbox, admin = weather
    await create(admin, ROLLOUTS, a_rollout("ghost"))
    await create(admin, ROLLOUTS, a_rollout("stays"))
    async with a_controller(sandbox, tmp_path) as controller:
        await until(replica_sets(admin, at_least=2))
        with sandbox.faults.stale_watches("rollouts"):
            await admin.send(Request(method="DELETE", path=ROLLOUTS.path("default", "ghost")))
            sandbox.compact()
            sandbox.faults.drop_watches("rollouts")

        async def forgotten() -> bool:
            return not knows(controller, "ghost") and knows(controller, "stays")

        await until(forgotten)


def knows(controller: Controller, name: str) -> bool:
    """Whether the controller's copy of the cluster has this Rollout."""
    return controller.cache.get(ROLLOUTS, Key("default", name)) is not None


async def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path
) -> None:
    """Watches and writes go on where they were."""
    sandbox, admin = weather
    await create(admin, ROLLOUTS, a_rollout("before"))
    async with a_controller(sandbox, tmp_path, "--leader-elect=false"):
        await until(replica_sets(admin))
        await sandbox.stop()
        await sandbox.start()
        await create(admin, ROLLOUTS, a_rollout("after"))
        await until(replica_sets(admin, at_least=2))


async def test_watches_that_end_for_good_are_begun_anew(weather: tuple[Sandbox, KubeClient], tmp_path: Path) -> None:
    """The watch library gives up on an answer that it cannot place; it is started again, and sees what it missed."""
    sandbox, admin = weather
    async with a_controller(sandbox, tmp_path):
        await create(admin, ROLLOUTS, a_rollout("before"))
        await until(replica_sets(admin))
        refused = sandbox.faults.inject(Refuse(code=409), verb="watch", resource="rollouts", times=1)
        sandbox.faults.drop_watches("rollouts")

        async def is_refused() -> bool:
            return refused.hits == 1

        await until(is_refused)
        await create(admin, ROLLOUTS, a_rollout("after"))
        await until(replica_sets(admin, at_least=2))


async def test_of_two_controllers_one_acts_and_the_other_takes_over(
    cluster: tuple[Access, KubeClient], tmp_path: Path
) -> None:
    """The first leaves and hands over; the second carries on at once."""
    access, admin = cluster
    async with a_controller(access, tmp_path, timing=BRISK) as first:
        await first.elector.leading.wait()
        async with a_controller(access, tmp_path, timing=BRISK) as second:
            await create(admin, ROLLOUTS, a_rollout("one"))
            await until(replica_sets(admin))
            assert not second.elector.leading.is_set()
            assert await first.end() is Ending.STOPPED
            assert first.elector.remaining_seconds() <= 0
            await second.elector.leading.wait()
            await create(admin, ROLLOUTS, a_rollout("two"))
            await until(replica_sets(admin, at_least=2))
        lease = await read(admin, LEASES, LOCK)
        assert lease["spec"]["leaseTransitions"] == 1


async def test_a_controller_that_loses_its_lease_ends_without_another_write(
    weather: tuple[Sandbox, KubeClient], tmp_path: Path
) -> None:
    """Its renewals hang, its deadline passes: it ends by itself, and what waits stays undone."""
    sandbox, admin = weather
    async with a_controller(sandbox, tmp_path, timing=BRISK) as controller:
        await controller.elector.leading.wait()
        await controller.parts.census.complete(controller.parts.census.kinds)
        sandbox.faults.inject(Delay(3600), resource="leases")
        assert await controller.running is Ending.LEASE_LOST
        sandbox.requests.clear()
        await create(admin, ROLLOUTS, a_rollout())
        assert [request[2] for request in sandbox.requests if request[0] in ("create", "patch")] == ["rollouts"]


async def test_another_instances_objects_are_left_alone(cluster: tuple[Access, KubeClient], tmp_path: Path) -> None:
    """With --instance-id only objects that carry it, without it only those that carry none."""
    access, admin = cluster
    labels = {"argo-rollouts.argoproj.io/controller-instance-id": "blue"}
    await create(admin, ROLLOUTS, a_rollout("theirs"))
    await create(admin, ROLLOUTS, a_rollout("ours", metadata={"labels": labels}))
    async with a_controller(access, tmp_path, "--instance-id", "blue") as controller:
        (made,) = await until(replica_sets(admin))
        assert made["metadata"]["ownerReferences"][0]["name"] == "ours"
        assert not knows(controller, "theirs")


async def test_a_crd_that_drops_our_members_is_known_before_the_first_decision(tmp_path: Path) -> None:
    """So that no verb acts without a record."""
    pruning = {"type": "object", "properties": {"phase": {"type": "string"}}}
    async with a_cluster(a_crd(ROLLOUTS, has_status=True, status=pruning)) as (access, admin):
        await create(admin, ROLLOUTS, a_rollout(metadata={"annotations": {"rollouts.io/abort": "abort"}}))
        async with a_controller(access, tmp_path):

            async def status() -> Any:
                return (await read(admin, ROLLOUTS, "web")).get("status")

            assert set(await until(status)) == {"phase"}
            assert (await read(admin, ROLLOUTS, "web"))["metadata"]["annotations"]["rollouts.io/abort"] == "abort"
