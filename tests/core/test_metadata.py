"""Which version wears what, and how its pods come to it: one turn at a time."""

from __future__ import annotations

import dataclasses
import json

import pytest

from rollouts.core import actions, injected, metadata, naming
from rollouts.core.injected import Metadata
from rollouts.core.observed import Pod, ReplicaSet, Unreadable
from rollouts.core.turn import Turn
from tests.builders import NOON, Json, canary
from tests.core.turns import V1, V2, a_replica_set, a_turn

CANARY, STABLE = {"labels": {"role": "canary"}}, {"labels": {"role": "stable"}, "annotations": {"note": "ours"}}
STRATEGY = canary(20, canaryMetadata=CANARY, stableMetadata=STABLE)
BLUE_GREEN = {"blueGreen": {"activeService": "a", "previewMetadata": CANARY, "activeMetadata": STABLE}}


def pending(*labels: str) -> Json:
    """The note of a ReplicaSet whose pods may differ in these labels."""
    return {naming.METADATA_PENDING: json.dumps({"labels": list(labels), "annotations": []})}


def wearing(rs: ReplicaSet, put: Json) -> ReplicaSet:
    """The ReplicaSet with this metadata in its template, as noted."""
    pods, notes = injected.dressed(rs.template, Metadata(put.get("labels", {}), put.get("annotations", {})))
    return dataclasses.replace(rs, template=pods, annotations={**rs.annotations, **notes})


def a_pod(rs: ReplicaSet, name: str, **labels: str) -> Pod:
    """A pod of this ReplicaSet."""
    return Pod(
        name=name,
        uid=f"uid-{name}",
        created_at=NOON,
        is_deleting=False,
        is_available=True,
        replica_set_uid=rs.uid,
        labels={"app": "web", **labels},
    )


def seeing(turn: Turn, *pods: Pod) -> Turn:
    """The turn with these pods listed."""
    return dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, pods=pods))


def noted(action: actions.Action) -> Json:
    """The list of keys that this write leaves on its ReplicaSet."""
    assert isinstance(action, actions.PatchReplicaSet)
    listed: Json = json.loads(action.patch["metadata"]["annotations"][naming.METADATA_PENDING])
    return listed


@pytest.mark.parametrize("strategy", [STRATEGY, BLUE_GREEN], ids=["canary", "blue-green"])
@pytest.mark.parametrize(
    ("stable", "first", "second", "third"),
    [
        ("", {}, {}, STABLE),
        (V1, STABLE, {}, CANARY),
        (V2, {}, STABLE, CANARY),
        ("v3", {}, {}, STABLE),
    ],
)
def test_each_version_wears_its_part(strategy: Json, stable: str, first: Json, second: Json, third: Json) -> None:
    """New ones are canary (preview) until promoted, unless first; stable ones stable (active); others wear nothing."""
    sets = [a_replica_set(image, 1) for image in ("v1", "v2", "v3")]
    turn = a_turn(*sets, strategy=strategy, image="v3")
    status = dataclasses.replace(turn.rollout.status, stable_rs=turn.pod_hash if stable == "v3" else stable)
    for rs, part in zip(sets, (first, second, third), strict=True):
        assert metadata.of(turn, status, rs) == Metadata(part.get("labels", {}), part.get("annotations", {}))


def test_a_change_notes_the_keys_in_which_pods_may_differ() -> None:
    """In the write of the template itself, and in addition to those of earlier changes that are not through yet."""
    stable = a_replica_set("v1", 2, annotations=pending("old"))
    turn = a_turn(stable, a_replica_set("v2"), strategy=canary(20, stableMetadata=STABLE))
    change = metadata.wear(turn, turn.rollout.status)
    (action,) = change.actions
    assert noted(action) == {"labels": ["old", "role"], "annotations": ["note"]}
    assert isinstance(action, actions.PatchReplicaSet)
    assert action.patch["spec"]["template"]["metadata"] == {**STABLE}
    assert change.is_final


def test_versions_in_service_come_first() -> None:
    """New and stable get theirs before old ones lose it."""
    old = wearing(a_replica_set("v1", 1, age=9), CANARY)
    turn = a_turn(old, a_replica_set("v3", 1), a_replica_set("v2", 1), strategy=STRATEGY, image="v3")
    status = dataclasses.replace(turn.rollout.status, stable_rs=V2)
    names = [getattr(action, "name", "") for action in metadata.wear(turn, status).actions]
    assert names == [turn.new.name if turn.new else "", f"web-{V2}", f"web-{V1}"]


def test_a_version_without_pods_is_dressed_before_it_has_any() -> None:
    """That ends the turn, and no pod has to be looked at for it."""
    turn = a_turn(a_replica_set("v1", 2), a_replica_set("v2"), strategy=STRATEGY)
    change = metadata.prepare(turn, turn.rollout.status)
    (action,) = change.actions
    assert isinstance(action, actions.PatchReplicaSet)
    assert naming.METADATA_PENDING not in action.patch["metadata"]["annotations"]
    assert change.is_final
    dressed = a_turn(a_replica_set("v1", 2), wearing(a_replica_set("v2"), CANARY), strategy=STRATEGY)
    assert not metadata.prepare(dressed, dressed.rollout.status).actions


def test_pods_follow_their_template_in_the_listed_keys_only() -> None:
    """One write for each pod that differs, then the note goes; what else a pod wears is its own."""
    stable = wearing(a_replica_set("v1", 3, annotations=pending("role", "gone")), STABLE)
    turn = a_turn(stable, strategy=STRATEGY, image="v1")
    pods = (
        a_pod(stable, "a", role="canary", gone="x", kept="y"),
        dataclasses.replace(a_pod(stable, "b", role="stable"), annotations={"note": "ours"}),
        dataclasses.replace(a_pod(stable, "c", role="stable"), annotations={"note": "old"}),
    )
    change = metadata.wear(seeing(turn, *pods), turn.rollout.status)
    first, second, last = change.actions
    labels, annotations = {"gone": None, "role": "stable"}, {"note": "ours"}
    patch = {"metadata": {"labels": labels, "annotations": annotations}}
    assert first == actions.PatchPod(name="a", uid="uid-a", patch=patch)
    assert second == actions.PatchPod(name="c", uid="uid-c", patch={"metadata": {"annotations": annotations}})
    assert isinstance(last, actions.PatchReplicaSet)
    assert last.patch == {"metadata": {"annotations": {naming.METADATA_PENDING: None}}}


def test_the_note_stays_while_a_pod_may_be_out_of_sight() -> None:
    """Fewer pods listed than there are, a list that failed, or none: nothing is settled, and it is looked at again."""
    stable = wearing(a_replica_set("v1", 2, annotations=pending("role")), STABLE)
    turn = a_turn(stable, strategy=STRATEGY, image="v1")
    leaving = dataclasses.replace(a_pod(stable, "b", role="canary"), is_deleting=True)
    change = metadata.wear(seeing(turn, a_pod(stable, "a"), leaving), turn.rollout.status)
    assert [type(action) for action in change.actions] == [actions.PatchPod]
    assert change.requeue_at == NOON + metadata.RECHECK
    unreadable = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, pods=Unreadable(why="denied")))
    for blind in (turn, unreadable):
        change = metadata.wear(blind, turn.rollout.status)
        assert (change.actions, change.requeue_at) == ((), NOON + metadata.RECHECK)


def test_pods_are_looked_at_once_all_are_made_from_the_new_template() -> None:
    """Until the ReplicaSet controller has seen it, it may still make pods from the old one."""
    settled, noted = a_replica_set("v1", 2), a_replica_set("v2", 2, annotations=pending("role"))
    unseen = dataclasses.replace(noted, generation=2)
    assert not metadata.awaits_pods([settled])
    assert metadata.awaits_pods([settled, noted])
    assert not metadata.awaits_pods([dataclasses.replace(settled, annotations=pending("role")), unseen])
    assert not metadata.awaits_pods([dataclasses.replace(noted, wanted=0)])


def test_a_large_version_takes_several_turns() -> None:
    """So many pods a turn, and the next turn at once, so that an abort need not wait for all of them."""
    count = metadata.PODS_PER_TURN_MAX + 5
    stable = wearing(a_replica_set("v1", count, annotations=pending("role")), STABLE)
    turn = a_turn(stable, strategy=STRATEGY, image="v1")
    change = metadata.wear(seeing(turn, *(a_pod(stable, f"{at}") for at in range(count))), turn.rollout.status)
    assert [type(action) for action in change.actions] == [actions.PatchPod] * metadata.PODS_PER_TURN_MAX
    assert change.requeue_at == NOON


def test_a_note_about_pods_that_are_gone_goes_too() -> None:
    """Nothing is listed for it."""
    old = a_replica_set("v1", 0, annotations=pending("role"))
    turn = a_turn(old, a_replica_set("v2", 1), a_replica_set("v3", 1), image="v3")
    status = dataclasses.replace(turn.rollout.status, stable_rs=V2)
    (action,) = metadata.wear(turn, status).actions
    assert isinstance(action, actions.PatchReplicaSet) and action.name == old.name
    assert action.patch == {"metadata": {"annotations": {naming.METADATA_PENDING: None}}}
