"""When a Deployment's pods go, whose place a Rollout takes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import actions, naming, workload
from rollouts.core.observed import Workload
from rollouts.core.plan import Change
from tests.core.turns import a_replica_set, a_turn


def retired(scale_down: str, *, wanted: int, desired: int, available: int, **other: Any) -> Change[Any]:
    """What becomes of a Deployment of `wanted` pods beside a Rollout with so many available."""
    new = a_replica_set("v1", other.pop("size", desired), available, annotations=other.pop("annotations", {}))
    reference = {"kind": "Deployment", "name": "web", "scaleDown": scale_down}
    kind, phase = other.pop("kind", "Deployment"), other.pop("phase", "Healthy")
    turn = a_turn(new, image="v1", replicas=desired, workloadRef=reference, status={"phase": phase}, **other)
    seen = Workload(kind=kind, name="web", resource_version="7", generation=1, wanted=wanted, ready=wanted)
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, workload=seen))
    return workload.retire(turn, turn.rollout.status)


def size(scale_down: str, **counts: Any) -> int | None:
    """The Deployment's new size; None: it is left alone."""
    change = retired(scale_down, **counts)
    if not change.actions:
        return None
    (action,) = change.actions
    assert isinstance(action, actions.ScaleWorkload)
    assert (action.name, action.seen_version) == ("web", "7")
    (note,) = change.notes
    assert note.of == "web" and f"from {counts['wanted']} to {action.replicas}" in note.message
    return action.replicas


@pytest.mark.parametrize(
    ("wanted", "desired", "available", "left"),
    [
        (4, 4, 0, None),
        (4, 4, 1, 3),
        (3, 4, 1, None),
        (4, 4, 4, 0),
        (2, 4, 1, None),
        (2, 4, 3, 1),
        (9, 4, 3, None),
        (9, 4, 4, 0),
        (4, 0, 0, None),
    ],
)
def test_progressively_as_many_go_as_have_come(wanted: int, desired: int, available: int, left: int | None) -> None:
    """One larger than the Rollout waits until that is whole; a Rollout that wants no pods takes nobody's place."""
    assert size("progressively", wanted=wanted, desired=desired, available=available) == left


def test_pods_that_are_leaving_do_not_count() -> None:
    """A ReplicaSet that is being made smaller still reports them."""
    assert size("progressively", wanted=4, desired=4, available=4, size=1) == 3


def test_on_success_all_go_once_the_rollout_was_healthy() -> None:
    """And still is whole."""
    assert size("onsuccess", wanted=4, desired=4, available=4) == 0
    assert size("onsuccess", wanted=4, desired=4, available=3) is None
    assert size("onsuccess", wanted=4, desired=4, available=4, phase="Progressing") is None


@pytest.mark.parametrize(
    "other",
    [
        {"annotations": {naming.REVISION: "2"}},
        {"annotations": {naming.WORKLOAD_RETIRED: "true"}},
        {"kind": "ReplicaSet"},
        {"paused": True},
    ],
    ids=["a later revision", "retired before", "no Deployment", "on hold"],
)
@pytest.mark.parametrize("scale_down", ["progressively", "onsuccess"])
def test_otherwise_it_is_left_alone(scale_down: str, other: dict[str, Any]) -> None:
    """Whatever there is of the Rollout."""
    assert size(scale_down, wanted=4, desired=4, available=4, **other) is None


@pytest.mark.parametrize("scale_down", ["", "never"])
def test_nothing_goes_unasked(scale_down: str) -> None:
    """Which is the default."""
    assert size(scale_down, wanted=4, desired=4, available=4) is None
    assert not retired(scale_down, wanted=0, desired=4, available=4).actions


def test_that_none_are_left_is_noted_once() -> None:
    """From then on the Deployment is its owner's."""
    change = retired("progressively", wanted=0, desired=4, available=4)
    (action,) = change.actions
    assert isinstance(action, actions.PatchReplicaSet)
    assert action.patch == {"metadata": {"annotations": {naming.WORKLOAD_RETIRED: "true"}}}
    again = {naming.WORKLOAD_RETIRED: "true"}
    assert not retired("progressively", wanted=0, desired=4, available=4, annotations=again).actions
