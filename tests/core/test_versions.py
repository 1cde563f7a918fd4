"""Versions of a Rollout: which is new and stable, their numbers and names, their history, and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from rollouts.api.rollout import Pause, SetWeight, Step
from rollouts.core import naming, revisions, rollback, steps, weights
from rollouts.core.actions import Action, CreateReplicaSet, DeleteReplicaSet, PatchReplicaSet, PatchRollout
from rollouts.core.turn import revision_of
from rollouts.lib import timestamps
from tests.builders import NOON, Json, blue_green
from tests.core.turns import V2, a_replica_set, a_turn, pod_hash


@pytest.mark.parametrize(
    ("text", "revision"),
    [("7", 7), ("", 0), ("-1", 0), ("1.5", 0), ("x", 0), ("٣", 0), ("9" * 18, 10**18 - 1), ("9" * 5000, 0)],
)
def test_revision(text: str, revision: int) -> None:
    """The number is what the annotation says in plain digits; anyone can write it, so nothing it says breaks a turn."""
    assert revision_of(a_replica_set("v1", annotations={naming.REVISION: text})) == revision


def test_the_label_finds_the_new_version_before_its_template_does() -> None:
    """Of two ReplicaSets with one template the labelled one is new; without it the oldest equal one is."""
    twin = a_replica_set("v2", uid="twin", name="web-twin", labels={naming.POD_HASH_LABEL: "twin"}, age=60)
    older = a_replica_set("v2", uid="older", name="web-older", labels={naming.POD_HASH_LABEL: "older"}, age=90)
    assert a_turn(older, twin, a_replica_set("v2")).pod_hash == V2
    assert a_turn(older, twin).pod_hash == "older"


def test_no_hash_is_nobodys_hash() -> None:
    """A ReplicaSet that lost its label is not stable just because nothing is stable yet."""
    bare = a_replica_set("v1", 10, labels={})
    turn = a_turn(bare, status={"stableRS": ""})
    assert turn.stable(turn.rollout.status) is None


@pytest.mark.parametrize(
    ("holder", "is_ours"), [(a_replica_set("v2", labels={}), True), (a_replica_set("v2", is_owned=False), False)]
)
def test_a_name_that_is_taken_leads_to_another(*, holder: Any, is_ours: bool) -> None:
    """A foreign ReplicaSet, or one of ours that lost its label, is stepped around: a collision makes another hash."""
    turn = a_turn(*([holder] if is_ours else []))
    seen = dataclasses.replace(turn.seen, names_taken={} if is_ours else {holder.name: holder})
    change = revisions.ensure_new(dataclasses.replace(turn, seen=seen), turn.rollout.status)
    assert (change.status.collision_count, change.actions, change.is_final) == (1, (), True)


def test_a_new_version_is_numbered_after_all_others() -> None:
    """The next revision is one more than the highest, on the ReplicaSet and on the Rollout."""
    turn = a_turn(a_replica_set("v1", annotations={naming.REVISION: "41"}))
    create, patch = revisions.ensure_new(turn, turn.rollout.status).actions
    assert isinstance(create, CreateReplicaSet)
    assert isinstance(patch, PatchRollout)
    assert create.name == f"web-{V2}"
    assert create.manifest["metadata"]["annotations"][naming.REVISION] == "42"
    assert create.manifest["spec"]["replicas"] == 0
    assert create.manifest["spec"]["selector"]["matchLabels"] == {"app": "web", naming.POD_HASH_LABEL: V2}
    assert patch.patch == {"metadata": {"annotations": {naming.REVISION: "42"}}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], "FoundNewReplicaSet"),
        ([{"type": "Progressing", "reason": "ReplicaSetCreateError"}], "FoundNewReplicaSet"),
        ([{"type": "Progressing", "reason": "ReplicaSetUpdated"}], "ReplicaSetUpdated"),
    ],
)
def test_a_version_that_is_found_starts_the_clock(before: list[Json], after: str) -> None:
    """One that was there before this controller looked, or that could be made at last."""
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status={"conditions": before})
    (said,) = revisions.sync(turn, turn.rollout.status).status.conditions
    assert (said.type, said.reason) == ("Progressing", after)


def test_pods_must_have_been_ready_for_as_long_as_the_rollout_says() -> None:
    """In a new ReplicaSet, and in one that is there when the Rollout changes its mind."""
    create, _ = revisions.ensure_new(a_turn(minReadySeconds=30), a_turn().rollout.status).actions
    assert isinstance(create, CreateReplicaSet)
    assert create.manifest["spec"]["minReadySeconds"] == 30
    turn = a_turn(a_replica_set("v1"), a_replica_set("v2", min_ready_seconds=30), minReadySeconds=5)
    patch = revisions.sync(turn, turn.rollout.status).actions[0]
    assert isinstance(patch, PatchReplicaSet)
    assert patch.patch["spec"] == {"minReadySeconds": 5}


def test_a_version_that_comes_back_gets_a_new_number_and_keeps_the_old_in_its_history() -> None:
    """Revisions only rise; where a version was before stays on record."""
    back = a_replica_set("v2", annotations={naming.REVISION: "2", naming.REVISION_HISTORY: "1"})
    turn = a_turn(a_replica_set("v1", annotations={naming.REVISION: "3"}), back)
    patch = revisions.sync(turn, turn.rollout.status).actions[0]
    assert isinstance(patch, PatchReplicaSet)
    assert patch.patch["metadata"]["annotations"] == {naming.REVISION: "4", naming.REVISION_HISTORY: "1,2"}


@pytest.mark.parametrize(
    ("limit", "forgotten"), [(None, []), (3, []), (2, ["v3"]), (1, ["v3", "v4"]), (0, ["v3", "v4"])]
)
def test_history(limit: int | None, forgotten: list[str]) -> None:
    """The oldest empty versions beyond the limit go; one that has pods stays, but takes a place."""
    old = [a_replica_set("v3", age=50), a_replica_set("v4", age=40), a_replica_set("v5", 1, age=30)]
    spec: Json = {} if limit is None else {"revisionHistoryLimit": limit}
    turn = a_turn(*old, a_replica_set("v1", 10, age=20), a_replica_set("v2"), **spec)
    gone = revisions.forget(turn, turn.rollout.status).actions
    assert all(isinstance(action, DeleteReplicaSet) for action in gone)
    assert [_name(action) for action in gone] == [f"web-{pod_hash(image)}" for image in forgotten]


@pytest.mark.parametrize(
    ("rs", "owners"),
    [
        (a_replica_set("v2", is_owned=False), 1),
        (a_replica_set("v2", is_selected=False), 0),
        (a_replica_set("v2"), None),
        (a_replica_set("v2", is_owned=False, is_deleting=True), None),
        (a_replica_set("v2", is_owned=False, owners=({"uid": "of-someone"},)), 2),
        (a_replica_set("v2", is_selected=False, owners=({"uid": "of-someone"}, {"uid": "rollout-uid"})), 1),
    ],
)
def test_adoption(rs: Any, owners: int | None) -> None:
    """Orphans that match are taken, owned ones that match no more are let go; other owners stay."""
    turn = a_turn(rs)
    change = revisions.adopt(turn, turn.rollout.status)
    assert change.is_final == (owners is not None)
    for action in change.actions:
        assert isinstance(action, PatchReplicaSet)
        assert len(action.patch["metadata"]["ownerReferences"]) == owners


@pytest.mark.parametrize(
    ("age", "annotations", "window", "between", "is_within"),
    [
        (60, {naming.PROMOTED: "true"}, 1, 0, True),
        (60, {naming.PROMOTED: "true"}, 1, 1, False),
        (60, {naming.PROMOTED: "true"}, 2, 1, True),
        (60, {}, 3, 0, False),
        (60, {naming.PROMOTED: "true"}, 0, 0, False),
        (0, {naming.PROMOTED: "true"}, 3, 0, False),
    ],
)
def test_window(*, age: int, annotations: Mapping[str, str], window: int, between: int, is_within: bool) -> None:
    """Steps are skipped for a version that is older than stable, near enough, and was stable itself."""
    others = [a_replica_set(f"v{index + 3}", age=40) for index in range(between)]
    new = a_replica_set("v2", age=age, annotations=dict(annotations))
    turn = a_turn(new, *others, a_replica_set("v1", 10, age=20), rollbackWindow={"revisions": window})
    assert rollback.is_within_window(turn, turn.rollout.status) is is_within


@pytest.mark.parametrize(
    ("wanted", "seconds", "is_within"),
    [(10, 30, True), (10, 0, False), (10, None, True), (0, None, False), (0, -5, False)],
)
def test_delay(*, wanted: int, seconds: int | None, is_within: bool) -> None:
    """A blue-green return is one switch as long as the version is up, also when its end is not yet stored."""
    end = None if seconds is None else timestamps.render(NOON + timedelta(seconds=seconds))
    annotations = {naming.PROMOTED: "true"} | ({naming.SCALE_DOWN_DEADLINE: end} if end else {})
    new = a_replica_set("v2", wanted, age=60, annotations=annotations)
    turn = a_turn(new, a_replica_set("v1", 10, age=20), strategy=blue_green())
    assert rollback.is_within_delay(turn, turn.rollout.status) is is_within


@pytest.mark.parametrize(("history", "is_back"), [("1", True), ("", False), ("1,3", True), ("x," + "9" * 5000, False)])
def test_of_two_versions_made_in_one_second_the_one_with_the_lower_first_number_is_older(
    history: str, *, is_back: bool
) -> None:
    """Creation is told in whole seconds, and a version that returns has the highest number by now."""
    new = a_replica_set("v3", 10, annotations={naming.PROMOTED: "true", naming.REVISION_HISTORY: history})
    stable = a_replica_set("v2", 10)
    turn = a_turn(new, stable, image="v3", strategy=blue_green(), status={"stableRS": V2})
    assert rollback.is_rollback(turn, turn.rollout.status) is is_back
    assert rollback.is_within_delay(turn, turn.rollout.status) is is_back


WAY: tuple[Step, ...] = (Pause(), SetWeight(weight=20), Pause(), SetWeight(weight=0), Pause(duration=30))


@pytest.mark.parametrize(
    ("index", "weight"), [(None, 100), (0, 0), (1, 20), (2, 20), (3, 0), (4, 0), (5, 100), (99, 100)]
)
def test_weight_at_a_step(index: int | None, weight: int) -> None:
    """The last setWeight up to the step counts; nothing before the first one, everything after the last step."""
    assert weights.at_step(WAY, index, weight_max=100) == weight


@pytest.mark.parametrize(
    ("status", "weight"),
    [
        ({"currentStepIndex": 0}, 20),
        ({"currentStepIndex": 0, "abort": True}, 0),
        ({"currentStepIndex": 0, "promoteFull": True}, 100),
        ({"currentStepIndex": 0, "stableRS": ""}, 100),
        ({"currentStepIndex": 0, "stableRS": V2}, 100),
        ({"currentStepIndex": 0, "stableRS": V2, "abort": True}, 100),
    ],
)
def test_target_weight(status: Json, weight: int) -> None:
    """What is stable, first or promoted in full gets everything; what is given up gets nothing."""
    turn = a_turn(a_replica_set("v1", 10), a_replica_set("v2"), status=status)
    assert weights.target(turn, turn.rollout.status) == weight


@pytest.mark.parametrize(
    ("key", "is_inherited"),
    [
        ("team", True),
        ("kubectl.kubernetes.io/last-applied-configuration", False),
        (naming.REVISION, False),
        (naming.DESIRED_REPLICAS, False),
        ("rollouts.io/abort", False),
        ("notified.notifications.argoproj.io", False),
    ],
)
def test_inherited_annotations(*, key: str, is_inherited: bool) -> None:
    """ReplicaSets carry what people note on a Rollout, but neither bookkeeping nor verbs."""
    assert naming.is_inherited(key) is is_inherited


def test_an_unreadable_start_of_a_pause_starts_it_now() -> None:
    """Law 23: a pause whose start cannot be read is no pause that someone ended."""
    status = {"currentStepIndex": 1, "pauseConditions": [{"reason": "CanaryPauseStep"}], "controllerPause": True}
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status=status)
    after = steps.advance(turn, turn.rollout.status).status
    assert after.current_step_index == 1
    assert [(each.reason, each.start_time) for each in after.pause_conditions] == [("CanaryPauseStep", NOON)]


def _name(action: Action) -> str:
    return str(getattr(action, "name", ""))
