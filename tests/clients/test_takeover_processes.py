"""The controller's process comes to clusters that Argo Rollouts ran until now, with pods in them that serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from rollouts.demo.sight import ROLLOUTS
from rollouts.sandbox.kinds import REPLICA_SETS, SERVICES, Json, Kind, uid_of
from tests.clients import plugin, recorded
from tests.clients.recorded import of_kind
from tests.e2e.stage import HASH, NAME, Place, Stage, is_complete, on_stage, phase, status, until, until_said

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("takeover")]

INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases")
STORIES = ("at_pause_foreign_hash", "blue_green_in_pause", "routed_foreign_hash", "aborted", "healthy_old_status")
KINDS = {"ReplicaSet": REPLICA_SETS, "Service": SERVICES, "Ingress": INGRESSES}
OF_THE_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp")
HELD_SECONDS = 3
V2 = "registry.example.com/web:2"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A cluster that nobody controls yet."""
    async with on_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


async def furnish(place: Place, story: str) -> set[str]:
    """Put the recorded objects there, and wait for their pods; their uids."""
    found = recorded.objects(story)
    rollout = await place.api.create(ROLLOUTS, place.namespace, _authored(found[0], place))
    answered = {**found[0]["status"]}
    if answered["observedGeneration"].isdigit():
        answered["observedGeneration"] = str(rollout["metadata"]["generation"])
    await place.api.patch(ROLLOUTS, (place.namespace, NAME), {"status": answered}, subresource="status")
    for kind, plural in KINDS.items():
        for raw in of_kind(found, kind).values():
            await place.api.create(plural, place.namespace, _authored(raw, place, owner=uid_of(rollout)))
    wanted = sum(raw["spec"]["replicas"] for raw in of_kind(found, "ReplicaSet").values())

    async def are_ready() -> bool | None:
        sets = await place.objects(REPLICA_SETS)
        return True if sum(status(raw).get("availableReplicas", 0) for raw in sets) == wanted else None

    await until(f"{wanted} pods of {story}", are_ready)
    return await pods(place)


async def pods(place: Place) -> set[str]:
    """The uids of those that are not leaving."""
    return {uid_of(pod) for pod in await place.pod_objects()}


def _authored(raw: Json, place: Place, *, owner: str = "") -> Json:
    """An object without what only the server sets, owned by the Rollout as it is here."""
    meta = {key: value for key, value in raw["metadata"].items() if key not in OF_THE_SERVER}
    if "ownerReferences" in meta:
        meta["ownerReferences"] = [{**each, "uid": owner} for each in meta["ownerReferences"]]
    return {**raw, "metadata": {**meta, "namespace": place.namespace}}


async def hold(stage: Stage) -> None:
    """The Lease, as a controller of theirs leaves it that was stopped just now."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {
        "holderIdentity": "argo-rollouts-5b8f6d_0c1e",
        "leaseDurationSeconds": HELD_SECONDS,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": 3,
    }
    meta = {"name": "argo-rollouts-controller-lock", "namespace": "default"}
    await stage.api.create(
        LEASES, "default", {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": meta, "spec": spec}
    )


async def test_nothing_is_replaced_and_everything_goes_on(stage: Stage) -> None:
    """Five Rollouts in five phases: with another controller every pod, ReplicaSet, weight and number is the same; then
    each goes on as people wish."""
    places = {story: await stage.place() for story in STORIES}
    before = {story: await furnish(place, story) for story, place in places.items()}
    sets = {story: await place.replica_sets() for story, place in places.items()}
    await hold(stage)
    controller = await stage.controller()
    for story, place in places.items():
        seen = await place.until("the first answer", lambda seen: _condition(seen, "Ready"))
        assert status(seen)["currentPodHash"] == recorded.objects(story)[0]["status"]["currentPodHash"]
        assert await pods(place) == before[story], story
        found = await place.replica_sets()
        assert [each["metadata"]["name"] for each in found] == [each["metadata"]["name"] for each in sets[story]]
        assert [each["spec"] for each in found] == [each["spec"] for each in sets[story]]
    lease = await stage.api.get(LEASES, ("default", "argo-rollouts-controller-lock"))
    assert lease["spec"]["leaseTransitions"] == 4, "it was taken over, not made anew"
    await until_said(controller, "leader_elected")
    assert phase(await places["healthy_old_status"].rollout()) == "Healthy"
    assert phase(await places["aborted"].rollout()) == "Degraded"
    await _retry(places["aborted"])
    for story in ("at_pause_foreign_hash", "blue_green_in_pause", "routed_foreign_hash"):
        place = places[story]
        for request in plugin.promote_full(await place.rollout()):
            await place.patch(request.body, subresource=request.subresource)
        done = await place.until_stable(V2)
        new = next(
            each for each in await place.replica_sets() if each["metadata"]["labels"][HASH] == status(done)["stableRS"]
        )
        assert new["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "2"
        assert len(await place.replica_sets()) == 2


async def _retry(place: Place) -> None:
    """What was given up before the change of controllers begins again after it."""
    await place.patch({"status": {"abort": False}}, subresource="status")
    seen = await place.until_at(1)
    assert not is_complete(seen)


def _condition(rollout: Json, kind: str) -> bool:
    return any(each["type"] == kind for each in status(rollout).get("conditions", []))
