"""Deployments: one ReplicaSet per template, sized step by step as the strategy allows.

The arithmetic is in `rolling.py`, names and revisions in `revisions.py`, the status in `progress.py`; this file reads
caches, asks them, and writes what differs. Pods are never touched: that is the ReplicaSets' part.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.clock import Clock, wall_clock
from rollouts.sandbox.controllers import revisions
from rollouts.sandbox.controllers.pods import is_finished
from rollouts.sandbox.controllers.progress import limits_of, seconds_to_deadline, status_of
from rollouts.sandbox.controllers.replicaset import in_namespace
from rollouts.sandbox.controllers.rolling import Bounds, Member, grown, shrunk, spread
from rollouts.sandbox.controllers.selection import labels_of, matches
from rollouts.sandbox.informer import Informers, by_controller
from rollouts.sandbox.kinds import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    Json,
    Key,
    controller_of,
    is_terminating,
    key_of,
    owned_by,
    uid_of,
)
from rollouts.sandbox.workqueue import Controller


class Deployments:
    """The controller; `controller` serves its queue."""

    def __init__(self, api: ApiClient, informers: Informers, *, clock: Clock = wall_clock, workers: int = 8) -> None:
        self._api = api
        self._clock = clock
        self._deployments = informers.of(DEPLOYMENTS)
        self._sets = informers.of(REPLICA_SETS)
        self._pods = informers.of(PODS)
        self._deployments.index(in_namespace)
        self._sets.index(by_controller)
        self._pods.index(by_controller)
        self.controller: Controller[Key] = Controller("deployment", self.reconcile, workers=workers)
        self._deployments.on_change(lambda old, new: self.controller.queue.add(key_of(new or old or {})))
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)

    def _set_changed(self, old: Json | None, new: Json | None) -> None:
        for owned in (old, new):
            owner = controller_of(owned) if owned else None
            if owned and owner and owner["kind"] == DEPLOYMENTS.kind:
                self.controller.queue.add((owned["metadata"]["namespace"], owner["name"]))
        if new and not controller_of(new):
            for candidate in self._deployments.find(in_namespace, new["metadata"]["namespace"]):
                if matches(candidate["spec"].get("selector"), labels_of(new)):
                    self.controller.queue.add(key_of(candidate))

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        """A Recreate update waits for the last old pod to go."""
        owner = controller_of(old) if old and new is None else None
        if old is None or owner is None or owner["kind"] != REPLICA_SETS.kind:
            return
        replica_set = self._sets.get((old["metadata"]["namespace"], owner["name"]))
        above = controller_of(replica_set) if replica_set else None
        if above and above["kind"] == DEPLOYMENTS.kind:
            self.controller.queue.add((old["metadata"]["namespace"], above["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """Bring one Deployment's ReplicaSets and status one step further."""
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        if not is_terminating(deployment):
            await self._claim(deployment)
            await self._advance(deployment)
        sets = self._owned(deployment)
        new = revisions.current(deployment, sets)
        now = self._clock()
        status = status_of(deployment, new, sets, now=now)
        await self._write_status(deployment, status)
        await self._clean_up(deployment, [owned for owned in sets if owned is not new])
        return seconds_to_deadline(deployment, status, now=now)

    def _owned(self, deployment: Json) -> list[Json]:
        return sorted(self._sets.find(by_controller, uid_of(deployment)), key=revisions.age_key)

    async def _claim(self, deployment: Json) -> None:
        selector = deployment["spec"].get("selector")
        for orphan in self._sets.find(by_controller, ("orphans", deployment["metadata"]["namespace"])):
            if matches(selector, labels_of(orphan)) and not is_terminating(orphan):
                references = [*(orphan["metadata"].get("ownerReferences") or ()), owned_by(deployment, DEPLOYMENTS)]
                await self._patch_set(orphan, {"metadata": {"ownerReferences": references}})

    async def _advance(self, deployment: Json) -> None:
        sets = self._owned(deployment)
        new = revisions.current(deployment, sets)
        old = [owned for owned in sets if owned is not new]
        if deployment["spec"].get("paused") or self._was_scaled(deployment, sets):
            await self._scale(deployment, new, old)
            return
        if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            await self._recreate(deployment, new, old)
            return
        await self._roll(deployment, new, old)

    @staticmethod
    def _was_scaled(deployment: Json, sets: Sequence[Json]) -> bool:
        desired = str(deployment["spec"].get("replicas", 1))
        told = [revisions.annotation(owned, revisions.DESIRED) for owned in sets if _wanted(owned) > 0]
        return any(text is not None and text != desired for text in told)

    async def _roll(self, deployment: Json, new: Json | None, old: list[Json]) -> None:
        desired, limits = _desired(deployment), _bounds(deployment)
        empty = Member(name="", wanted=0, available=0, created="")
        size = grown(_member(new) if new else empty, [_member(one) for one in old], desired=desired, limits=limits)
        new = await self._ensure_new(deployment, new, old, replicas=size)
        if _wanted(new) != size:
            await self._resize(deployment, new, size)
            return
        members = {one["metadata"]["name"]: one for one in old if _wanted(one) > 0}
        changes = shrunk(_member(new), [_member(one) for one in members.values()], desired=desired, limits=limits)
        for name, replicas in changes.items():
            await self._resize(deployment, members[name], replicas)

    async def _recreate(self, deployment: Json, new: Json | None, old: list[Json]) -> None:
        for one in old:
            if _wanted(one) > 0:
                await self._resize(deployment, one, 0)
        left = [pod for one in old for pod in self._pods.find(by_controller, uid_of(one)) if not is_finished(pod)]
        if left:
            return
        new = await self._ensure_new(deployment, new, old, replicas=_desired(deployment))
        await self._resize(deployment, new, _desired(deployment))

    async def _scale(self, deployment: Json, new: Json | None, old: list[Json]) -> None:
        """Share a change of the desired count out over the ReplicaSets that have pods."""
        sets = ([new] if new else []) + old
        active = [one for one in sets if _wanted(one) > 0]
        desired, limits = _desired(deployment), _bounds(deployment)
        if len(active) <= 1:
            only = active[0] if active else new
            sizes = {only["metadata"]["name"]: desired} if only else {}
        else:
            sizes = dict(spread([_member(one) for one in active], desired=desired, limits=limits))
        for one in sets:
            await self._resize(deployment, one, sizes.get(one["metadata"]["name"], _wanted(one)))

    async def _ensure_new(self, deployment: Json, new: Json | None, old: list[Json], *, replicas: int) -> Json:
        """The ReplicaSet of the present template, made if there is none, with its revision up to date."""
        revision = revisions.next_revision(old)
        if new is None:
            made = revisions.new_replica_set(
                deployment, revision=revision, replicas=replicas, limits=_bounds(deployment)
            )
            new = await self._create_set(deployment, made)
        annotations = revisions.inherited(deployment)
        have = revisions.revision_of(new)
        if have < revision:
            annotations[revisions.REVISION] = str(revision)
            if have:
                past = revisions.annotation(new, revisions.HISTORY)
                annotations[revisions.HISTORY] = f"{past},{have}" if past else str(have)
        new = await self._annotate_set(new, annotations)
        await self._annotate_deployment(deployment, revisions.annotation(new, revisions.REVISION) or str(revision))
        return new

    async def _create_set(self, deployment: Json, made: Json) -> Json:
        namespace = deployment["metadata"]["namespace"]
        try:
            stored = await self._api.create(REPLICA_SETS, namespace, made)
        except ApiFailure as failure:
            if failure.is_taken:
                await self._count_collision(deployment, made)
            raise
        self._sets.observe(stored)
        return stored

    async def _count_collision(self, deployment: Json, made: Json) -> None:
        """Another template's ReplicaSet has the name: choose another name next time."""
        taken = await self._api.get(REPLICA_SETS, key_of(made))
        owner = controller_of(taken)
        if (
            owner
            and owner["uid"] == uid_of(deployment)
            and revisions.bare(taken["spec"]["template"]) == revisions.bare(deployment["spec"]["template"])
        ):
            self._sets.observe(taken)
            return
        collisions = int((deployment.get("status") or {}).get("collisionCount") or 0) + 1
        await self._write_status(deployment, {**(deployment.get("status") or {}), "collisionCount": collisions})

    async def _annotate_set(self, owned: Json, annotations: dict[str, str]) -> Json:
        have = owned["metadata"].get("annotations") or {}
        missing = {name: value for name, value in annotations.items() if have.get(name) != value}
        return await self._patch_set(owned, {"metadata": {"annotations": missing}}) if missing else owned

    async def _annotate_deployment(self, deployment: Json, revision: str) -> None:
        if revisions.annotation(deployment, revisions.REVISION) == revision:
            return
        change = {"metadata": {"annotations": {revisions.REVISION: revision}}}
        self._deployments.observe(await self._api.patch(DEPLOYMENTS, key_of(deployment), change))

    async def _resize(self, deployment: Json, owned: Json, replicas: int) -> None:
        wanted = revisions.sized(_desired(deployment), _bounds(deployment))
        have = owned["metadata"].get("annotations") or {}
        if _wanted(owned) == replicas and all(have.get(name) == value for name, value in wanted.items()):
            return
        change: Json = {"metadata": {"annotations": wanted}}
        if _wanted(owned) != replicas:
            change["spec"] = {"replicas": replicas}
        await self._patch_set(owned, change)

    async def _patch_set(self, owned: Json, change: Json) -> Json:
        """Write to a ReplicaSet as it was read: a conflict means that somebody else has sized it."""
        change.setdefault("metadata", {})["resourceVersion"] = owned["metadata"]["resourceVersion"]
        stored = await self._api.patch(REPLICA_SETS, key_of(owned), change)
        self._sets.observe(stored)
        return stored

    async def _write_status(self, deployment: Json, status: Json) -> None:
        if (deployment.get("status") or {}) == status:
            return
        current = self._deployments.get(key_of(deployment))
        if current is None or uid_of(current) != uid_of(deployment):
            return
        body = {**current, "apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.kind, "status": status}
        stored = await self._api.update(DEPLOYMENTS, key_of(deployment), body, subresource="status")
        self._deployments.observe(stored)

    async def _clean_up(self, deployment: Json, old: list[Json]) -> None:
        if is_terminating(deployment):
            return
        for owned in revisions.to_clean_up(deployment, old):
            await self._api.delete(REPLICA_SETS, key_of(owned), uid=uid_of(owned))


def _desired(deployment: Json) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _bounds(deployment: Json) -> Bounds:
    surge, unavailable = limits_of(deployment, desired=_desired(deployment))
    return Bounds(surge=surge, unavailable=unavailable)


def _wanted(owned: Json) -> int:
    return int(owned["spec"].get("replicas", 1))


def _member(owned: Json) -> Member:
    text = revisions.annotation(owned, revisions.MAXIMUM) or ""
    return Member(
        name=owned["metadata"]["name"],
        wanted=_wanted(owned),
        available=int((owned.get("status") or {}).get("availableReplicas", 0)),
        created=owned["metadata"].get("creationTimestamp", ""),
        allowed_max=int(text) if text.isdigit() else None,
    )
