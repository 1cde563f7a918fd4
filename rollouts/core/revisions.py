"""ReplicaSets of a Rollout: adopting them, making the one a new template needs, numbering them, forgetting old ones.

How many pods they get does not belong here (scale.py, replicas.py).
"""

from __future__ import annotations

import copy
import dataclasses
from datetime import datetime
from typing import Any

from rollouts.api import conditions as c
from rollouts.api import template
from rollouts.api.rollout import DEFAULT_REVISION_HISTORY_LIMIT
from rollouts.api.status import RolloutStatus
from rollouts.core import affinity, injected, metadata, naming, order
from rollouts.core.actions import Action, CreateReplicaSet, DeleteReplicaSet, PatchReplicaSet, PatchRollout
from rollouts.core.conditions import get, has, with_condition
from rollouts.core.observed import ReplicaSet
from rollouts.core.plan import WARNING, Change, Note
from rollouts.core.roles import named
from rollouts.core.turn import Turn, next_revision, pod_hash_of, pod_template, revision_of

StatusChange = Change[RolloutStatus]


def adopt(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Take ReplicaSets that match the selector and have no controller; let go of owned ones that stopped matching.

    Either ends the turn: what follows must know whose every ReplicaSet is.
    """
    actions: list[Action] = []
    for rs in turn.seen.replica_sets:
        if rs.is_deleting or rs.is_owned == rs.is_selected:
            continue
        others = [owner for owner in rs.owners if owner.get("uid") != turn.rollout.meta.uid]
        owners = [*others, owner_reference(turn)] if rs.is_selected else others
        patch = {"metadata": {"ownerReferences": owners, "uid": rs.uid}}
        actions.append(PatchReplicaSet(name=rs.name, patch=patch, seen_version=rs.resource_version))
    return Change(status=status, actions=tuple(actions), is_final=bool(actions))


def ensure_new(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Make the ReplicaSet of the current template, with no pods yet; step aside when another object holds its name."""
    if turn.new is not None:
        return Change(status=status)
    name = naming.replica_set_name(turn.rollout.meta.name, turn.pod_hash)
    is_mislabelled = any(rs.name == name and not rs.is_deleting for rs in turn.owned)
    if name in turn.seen.names_taken or is_mislabelled:
        count = (status.collision_count or 0) + 1
        message = f'ReplicaSet "{name}" exists and is not this version of the Rollout; another name is tried ({count})'
        note = Note(reason="ReplicaSetNameTaken", message=message, is_event=False)
        return Change(status=dataclasses.replace(status, collision_count=count), notes=(note,), is_final=True)
    return _created(turn, status, name)


def refused(status: RolloutStatus, *, name: str, why: str, now: datetime) -> Change[RolloutStatus]:
    """The API server will not have the new ReplicaSet (a quota, a policy, a template it finds invalid)."""
    message = f'Failed to create new replica set "{name}": {why}'
    said = with_condition(
        status.conditions,
        type=c.PROGRESSING,
        status=c.FALSE,
        reason=c.REPLICA_SET_CREATE_ERROR,
        message=message,
        now=now,
    )
    note = Note(reason=c.REPLICA_SET_CREATE_ERROR, message=message, type=WARNING, key=message)
    return Change(status=dataclasses.replace(status, conditions=said), notes=(note,))


def sync(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Keep the new ReplicaSet's number, inherited annotations and minReadySeconds in step with the Rollout."""
    rs = turn.new
    if rs is None:
        return Change(status=status)
    changed = {**_inherited(turn, rs), **_renumbered(turn, rs)}
    min_ready = turn.rollout.spec.min_ready_seconds or 0
    actions: list[Action] = []
    if changed or rs.min_ready_seconds != min_ready:
        patch: dict[str, Any] = {"metadata": {"annotations": changed}, "spec": {"minReadySeconds": min_ready}}
        actions.append(PatchReplicaSet(name=rs.name, patch=patch, seen_version=rs.resource_version))
    revision = int(changed.get(naming.REVISION) or revision_of(rs))
    said = _announced(turn, revision)
    return Change(
        status=_found(turn, status),
        actions=(*actions, *said.actions),
        notes=said.notes,
        is_final=bool(actions),
    )


def forget(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Delete the oldest empty ReplicaSets beyond the history limit.

    Ones with pods, or that a Service leads to, are skipped, but count.
    """
    limit = turn.rollout.spec.revision_history_limit
    limit = DEFAULT_REVISION_HISTORY_LIMIT if limit is None else limit
    kept = [rs for rs in turn.others(status) if not rs.is_deleting]
    excess = kept[: max(0, len(kept) - limit)]
    led_to = {order.hash_of(turn, service) for service in named(turn.strategy)}
    actions = tuple(
        DeleteReplicaSet(name=rs.name, uid=rs.uid, seen_version=rs.resource_version)
        for rs in excess
        if _is_empty(rs) and pod_hash_of(rs) not in led_to
    )
    return Change(status=status, actions=actions)


def owner_reference(turn: Turn) -> dict[str, Any]:
    """The reference that makes this Rollout the controller of an object."""
    return naming.owner_reference(turn.rollout.meta)


def _created(turn: Turn, status: RolloutStatus, name: str) -> StatusChange:
    revision = next_revision(turn)
    said = _announced(turn, revision)
    created = Note(
        reason="NewReplicaSetCreated",
        message=f"Created ReplicaSet {name} (revision {revision})",
        key=f"{turn.pod_hash}/{revision}",
        of=name,
    )
    is_tried_again = has(status.conditions, c.PROGRESSING, reason=c.REPLICA_SET_CREATE_ERROR)
    progressing = with_condition(
        status.conditions,
        type=c.PROGRESSING,
        status=c.TRUE,
        reason=c.NEW_REPLICA_SET_CREATED,
        message=f'Created new replica set "{name}"',
        now=turn.now,
    )
    return Change(
        status=status if is_tried_again else dataclasses.replace(status, conditions=progressing),
        actions=(CreateReplicaSet(name=name, manifest=_manifest(turn, status, revision)), *said.actions),
        notes=(*said.notes, created),
    )


def _manifest(turn: Turn, status: RolloutStatus, revision: int) -> dict[str, Any]:
    meta, spec = turn.rollout.meta, turn.rollout.spec
    mark = {naming.POD_HASH_LABEL: turn.pod_hash}
    pods, notes = _pods(turn, status, mark)
    selector = copy.deepcopy(dict(spec.selector or {}))
    selector["matchLabels"] = {**selector.get("matchLabels", {}), **mark}
    inherited = {key: value for key, value in meta.annotations.items() if naming.is_inherited(key)}
    numbers = {naming.REVISION: str(revision), naming.DESIRED_REPLICAS: str(turn.desired)}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": naming.replica_set_name(meta.name, turn.pod_hash),
            "namespace": meta.namespace,
            "labels": {**pod_template(turn.rollout).get("metadata", {}).get("labels", {}), **mark},
            "annotations": {**inherited, **notes, **numbers},
            "ownerReferences": [owner_reference(turn)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.min_ready_seconds or 0,
            "selector": selector,
            "template": pods,
        },
    }


def _pods(turn: Turn, status: RolloutStatus, mark: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The author's template with all that a version is given besides, and what is noted of that on its ReplicaSet."""
    plain = copy.deepcopy(template.usable(pod_template(turn.rollout)))
    pods, notes = injected.dressed(plain, metadata.of_new(turn, status))
    pods["metadata"] = {**pods.get("metadata", {}), "labels": {**pods.get("metadata", {}).get("labels", {}), **mark}}
    pods["spec"] = affinity.with_term(turn, status, pods.get("spec", {}))
    return pods, notes


def _announced(turn: Turn, revision: int) -> StatusChange:
    """The Rollout carries its revision too, for clients; say so when that changes."""
    meta = turn.rollout.meta
    if meta.annotations.get(naming.REVISION) == str(revision):
        return Change(status=turn.rollout.status)
    patch = {"metadata": {"annotations": {naming.REVISION: str(revision)}}}
    return Change(
        status=turn.rollout.status,
        actions=(PatchRollout(patch=patch, seen_version=meta.resource_version),),
        notes=(Note(reason="RolloutUpdated", message=f"Rollout updated to revision {revision}", key=str(revision)),),
    )


def _found(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """A ReplicaSet that was there before this controller looked, or that could be made at last, starts the clock."""
    said = get(status.conditions, c.PROGRESSING)
    if turn.new is None or (said is not None and said.reason != c.REPLICA_SET_CREATE_ERROR):
        return status
    found = with_condition(
        status.conditions,
        type=c.PROGRESSING,
        status=c.TRUE,
        reason=c.FOUND_NEW_REPLICA_SET,
        message=f'Found new replica set "{turn.new.name}"',
        now=turn.now,
    )
    return dataclasses.replace(status, conditions=found)


def _inherited(turn: Turn, rs: ReplicaSet) -> dict[str, str | None]:
    wanted = {key: value for key, value in turn.rollout.meta.annotations.items() if naming.is_inherited(key)}
    return {key: value for key, value in wanted.items() if rs.annotations.get(key) != value}


def _renumbered(turn: Turn, rs: ReplicaSet) -> dict[str, str | None]:
    """A version that comes back gets the next number; the one it had goes to its history."""
    had, wanted = revision_of(rs), next_revision(turn)
    if had >= wanted:
        return {}
    history = [part for part in rs.annotations.get(naming.REVISION_HISTORY, "").split(",") if part]
    changed: dict[str, str | None] = {naming.REVISION: str(wanted)}
    if had:
        changed[naming.REVISION_HISTORY] = ",".join([*history, str(had)])
    return changed


def _is_empty(rs: ReplicaSet) -> bool:
    return rs.wanted == 0 and rs.current == 0 and rs.observed_generation >= rs.generation
