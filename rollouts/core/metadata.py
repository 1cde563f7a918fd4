"""Labels and annotations that pods wear for the part their version plays: canary or stable, preview or active.

What each version is to wear follows from the status alone. It is put into the ReplicaSet's template, from which new
pods get it, and brought to the pods there are:

1. One write changes the template, and writes down in which keys the pods may now differ from it. The keys of earlier
   changes that never got through stay in that list.
2. While the list is there and the ReplicaSet controller works by this template, pods are listed and each is made to
   agree with its template in these keys, and in nothing else.
3. The list goes once every pod agrees: in the same plan, after the last pod's write.

So every moment's state says what is left to do, and a crash between any two writes costs a repetition. A version gets
its clothes before its first pods; everything else comes when nothing more urgent is to be written, the versions in
service first, so that what people select by these labels finds the new pods before it loses the old.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, assert_never

from rollouts.api.meta import MetadataPatch
from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import injected, naming
from rollouts.core.actions import Action, PatchPod, PatchReplicaSet
from rollouts.core.injected import KINDS, Dress, Metadata
from rollouts.core.observed import Pod, ReplicaSet, Unreadable
from rollouts.core.plan import Change, Note
from rollouts.core.turn import Turn

RECHECK = timedelta(seconds=10)  # pods are not watched; their ReplicaSet's counts usually wake the turn before
PODS_PER_TURN_MAX = 50  # so that an abort does not wait behind the pods of a large version


def of_new(turn: Turn, status: RolloutStatus) -> Metadata:
    """What the version of the current template is to wear, whether or not its ReplicaSet exists."""
    risen, rising = _parts(turn)
    return _metadata(risen if status.stable_rs in ("", turn.pod_hash) else rising)


def prepare(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Dress the new version before it gets its first pods. That ends the turn, since its size is the next write."""
    new = turn.new
    return Change(status=status) if new is None or _may_have_pods(new) else _dressed(turn, status, [new])


def wear(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Bring every template, and then every pod, to what its version is to wear."""
    sets = _in_service_first(turn, status)
    change = _dressed(turn, status, sets)
    pending = [rs for rs in sets if naming.METADATA_PENDING in rs.annotations]
    return change if change.actions else _brought(turn, status, pending)


def of(turn: Turn, status: RolloutStatus, rs: ReplicaSet) -> Metadata:
    """What the pods of a version are to wear now."""
    if rs is turn.new:
        return of_new(turn, status)
    return _metadata(_parts(turn)[0] if rs is turn.stable(status) else None)


def awaits_pods(replica_sets: Iterable[ReplicaSet]) -> bool:
    """Whether the pods of some version are to be looked at now: all that are left are made from its new template."""
    pending = [rs for rs in replica_sets if naming.METADATA_PENDING in rs.annotations and _may_have_pods(rs)]
    return bool(pending) and all(_is_observed(rs) for rs in pending)


def _parts(turn: Turn) -> tuple[MetadataPatch | None, MetadataPatch | None]:
    """What is worn by a version that is promoted, and by one that is not yet."""
    match turn.strategy:
        case CanaryStrategy() as canary:
            return canary.stable_metadata, canary.canary_metadata
        case BlueGreenStrategy() as blue_green:
            return blue_green.active_metadata, blue_green.preview_metadata
        case _:
            assert_never(turn.strategy)


def _metadata(patch: MetadataPatch | None) -> Metadata:
    return Metadata() if patch is None else Metadata(dict(patch.labels), dict(patch.annotations))


def _in_service_first(turn: Turn, status: RolloutStatus) -> list[ReplicaSet]:
    serving = [rs for rs in (turn.new, turn.stable(status)) if rs is not None]
    sets = dict.fromkeys([*(rs.uid for rs in serving), *(rs.uid for rs in turn.owned)])
    by_uid = {rs.uid: rs for rs in turn.owned if not rs.is_deleting}
    return [by_uid[uid] for uid in sets if uid in by_uid]


def _dressed(turn: Turn, status: RolloutStatus, sets: Iterable[ReplicaSet]) -> Change[RolloutStatus]:
    """One write for each version whose template does not wear what it is to wear. Any ends the turn."""
    actions: list[Action] = []
    notes: list[Note] = []
    for rs in sets:
        wanted = of(turn, status, rs)
        dress = injected.dress(rs.template, rs.annotations, wanted)
        if dress is not None and not rs.is_deleting:
            actions.append(_put_on(rs, dress))
            notes.append(_announced(rs, wanted))
    return Change(status=status, actions=tuple(actions), notes=tuple(notes), is_final=bool(actions))


def _put_on(rs: ReplicaSet, dress: Dress) -> PatchReplicaSet:
    """The write that changes a template, and says in which keys its pods may now differ."""
    notes = dict(dress.notes)
    if _may_have_pods(rs):
        notes[naming.METADATA_PENDING] = _pending(rs, dress)
    patch: dict[str, Any] = {"metadata": {"annotations": notes}}
    if dress.template:
        patch["spec"] = {"template": {"metadata": {kind: dict(each) for kind, each in dress.template.items()}}}
    return PatchReplicaSet(name=rs.name, patch=patch, seen_version=rs.resource_version)


def _brought(turn: Turn, status: RolloutStatus, pending: Sequence[ReplicaSet]) -> Change[RolloutStatus]:
    """Make pods agree with their templates, as many as one turn may, and note of each version when all do."""
    empty = [rs for rs in pending if not _may_have_pods(rs)]
    if empty:
        return Change(status=status, actions=tuple(map(_settled, empty)), is_final=True)
    if not pending:
        return Change(status=status)
    pods = turn.seen.pods
    if isinstance(pods, Unreadable):
        note = Note(reason="PodsUnreadable", message=pods.why, is_event=False)
        return Change(status=status, notes=(note,), requeue_at=turn.now + RECHECK)
    if pods is None or not awaits_pods(pending):
        return Change(status=status, requeue_at=turn.now + RECHECK)
    return _patched(turn, status, pending, pods)


def _patched(
    turn: Turn, status: RolloutStatus, pending: Iterable[ReplicaSet], pods: Iterable[Pod]
) -> Change[RolloutStatus]:
    actions: list[Action] = []
    requeue_at = None
    for rs in pending:
        mine = [pod for pod in pods if pod.replica_set_uid == rs.uid and not pod.is_deleting]
        patches = list(_patches(rs, mine))
        room = max(0, PODS_PER_TURN_MAX - len(actions))
        actions += patches[:room]
        if len(patches) > room:
            requeue_at = turn.now
            break
        if len(mine) < rs.current:  # some were not listed yet
            requeue_at = turn.now + RECHECK
            continue
        actions.append(_settled(rs))
    return Change(status=status, actions=tuple(actions), requeue_at=requeue_at, is_final=bool(actions))


def _patches(rs: ReplicaSet, pods: Iterable[Pod]) -> Iterator[PatchPod]:
    """One write for each pod that does not agree with its template in the keys that matter."""
    keys, template = _keys(rs), injected.metadata_of(rs.template)
    for pod in sorted(pods, key=lambda pod: pod.name):
        now = Metadata(pod.labels, pod.annotations)
        patch = {
            kind: {key: template.of(kind).get(key) for key in sorted(keys[kind]) if _differs(now, template, kind, key)}
            for kind in KINDS
        }
        changed = {kind: each for kind, each in patch.items() if each}
        if changed:
            yield PatchPod(name=pod.name, uid=pod.uid, patch={"metadata": changed})


def _differs(now: Metadata, template: Metadata, kind: str, key: str) -> bool:
    return now.of(kind).get(key) != template.of(kind).get(key)


def _settled(rs: ReplicaSet) -> PatchReplicaSet:
    patch = {"metadata": {"annotations": {naming.METADATA_PENDING: None}}}
    return PatchReplicaSet(name=rs.name, patch=patch, seen_version=rs.resource_version)


def _pending(rs: ReplicaSet, dress: Dress) -> str:
    """The list of keys with those of this change in it, too."""
    keys = _keys(rs)
    return json.dumps(
        {kind: sorted(keys[kind].union(dress.template.get(kind, ()))) for kind in KINDS}, separators=(",", ":")
    )


def _keys(rs: ReplicaSet) -> dict[str, set[str]]:
    """The keys in which pods may differ from their template. A list that cannot be read stands for all we know of."""
    listed = injected.listed(rs.annotations.get(naming.METADATA_PENDING))
    return {kind: set(listed[kind]) | set(injected.worn(rs.annotations).of(kind)) for kind in KINDS}


def _may_have_pods(rs: ReplicaSet) -> bool:
    """Whether there may be pods that stay. Once the ReplicaSet controller has seen that none are wanted, all go."""
    return rs.wanted > 0 or not _is_observed(rs)


def _is_observed(rs: ReplicaSet) -> bool:
    """Whether the ReplicaSet controller works by the template that was seen."""
    return rs.observed_generation >= rs.generation


def _announced(rs: ReplicaSet, wanted: Metadata) -> Note:
    words = ", ".join(f"{key}={value}" for kind in KINDS for key, value in sorted(wanted.of(kind).items()))
    message = f"Pods of ReplicaSet {rs.name} are to wear {words or 'nothing of ours'}"
    return Note(reason="PodMetadata", message=message, key=f"{rs.name}/{words}", of=rs.name, is_event=False)
