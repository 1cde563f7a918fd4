"""Where a blue-green update stands, what its versions weigh, and where its Services go: one row for each rule."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from rollouts.core import cutover, doubled, naming, progress, promote, services, tally
from rollouts.core import status as report
from rollouts.core.cutover import Stage
from rollouts.core.observed import ReplicaSet, Unreadable
from rollouts.core.turn import Turn
from rollouts.lib import timestamps
from tests.builders import NOON, Json, an_analysis, blue_green
from tests.core.turns import V1, V2, a_replica_set, a_turn

PRE, POST = {"prePromotionAnalysis": an_analysis("smoke")}, {"postPromotionAnalysis": an_analysis("live")}
PAUSED: Json = {"pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2026-01-01T11:59:00Z"}]}
RESUMED: Json = {"controllerPause": True}
PERSON: Json = {"autoPromotionEnabled": False}


def passed(*gates: str) -> Json:
    """A status with these gates' passes on record."""
    refs = {f"{gate}PromotionAnalysisRunStatus": {"name": f"web-{gate}", "status": "Successful"} for gate in gates}
    return {"blueGreen": refs}


def at(
    *replica_sets: ReplicaSet,
    active: str = V1,
    preview: str = V2,
    status: Json | None = None,
    options: Json | None = None,
    **fields: Any,
) -> Turn:
    """A turn from v1 to v2, both with ten pods unless it is said otherwise."""
    return a_turn(
        *(replica_sets or (a_replica_set("v1", 10, age=60), a_replica_set("v2", 10))),
        status=status,
        strategy=blue_green(**(options or {})),
        services={"web-active": active, "web-preview": preview},
        **fields,
    )


NOT_READY = (a_replica_set("v1", 10, age=60), a_replica_set("v2", 10, 9))
FEW = (a_replica_set("v1", 10, age=60), a_replica_set("v2", 2))
GROWING = (a_replica_set("v1", 10, age=60), a_replica_set("v2", 10, 2))
SMALL: Json = {"previewReplicaCount": 2}
CHECKED: Json = {"blueGreen": {"scaleUpPreviewCheckPoint": True}}


@pytest.mark.parametrize(
    ("stage", "fields", "sets"),
    [
        (Stage.SWITCHING, {}, ()),
        (Stage.PREPARING, {}, NOT_READY),
        (Stage.PREPARING, {"status": {"promoteFull": True}}, NOT_READY),
        (Stage.PROVING, {"options": PRE}, ()),
        (Stage.SWITCHING, {"options": PRE, "status": passed("pre")}, ()),
        (Stage.SWITCHING, {"options": PRE | PERSON, "status": {"promoteFull": True}}, ()),
        (Stage.HOLDING, {"options": PERSON}, ()),
        (Stage.HOLDING, {"options": PERSON, "status": PAUSED}, ()),
        (Stage.HOLDING, {"options": PERSON | {"autoPromotionSeconds": 1}, "status": PAUSED}, ()),
        (Stage.SWITCHING, {"options": PERSON, "status": RESUMED}, ()),
        (Stage.PROVING, {"options": PERSON | PRE, "status": RESUMED}, ()),
        (Stage.HOLDING, {"options": {"autoPromotionSeconds": 61}, "status": PAUSED}, ()),
        (Stage.SWITCHING, {"options": {"autoPromotionSeconds": 60}, "status": PAUSED}, ()),
        (Stage.HOLDING, {"options": {"autoPromotionSeconds": 60}}, ()),
        (Stage.SWITCHING, {"options": SMALL}, FEW),
        (Stage.PREPARING, {"options": SMALL, "status": CHECKED}, FEW),
        (Stage.SWITCHING, {"options": SMALL | PERSON, "status": CHECKED}, ()),
        (Stage.SWITCHING, {"options": SMALL | PERSON, "status": RESUMED}, GROWING),
        (Stage.HOLDING, {"options": SMALL | PERSON}, GROWING),
        (Stage.DONE, {"active": V2}, ()),
        (Stage.DONE, {"active": V2, "options": PERSON}, ()),
        (Stage.VERIFYING, {"active": V2, "options": POST}, ()),
        (Stage.DONE, {"active": V2, "options": POST, "status": passed("post")}, ()),
        (Stage.PROVING, {"active": V2, "options": PRE | POST, "status": passed("post")}, ()),
        (Stage.VERIFYING, {"active": V2, "options": POST}, NOT_READY),
    ],
)
def test_stages(stage: Stage, fields: dict[str, Any], sets: tuple[ReplicaSet, ...]) -> None:
    """Pods, proof, pause, switch, proof: each waits for the one before it."""
    turn = at(*sets, **fields)
    assert cutover.stage(turn, turn.rollout.status) is stage


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        (10, {}),
        (2, {"options": SMALL}),
        (10, {"options": SMALL, "status": CHECKED}),
        (10, {"options": SMALL, "status": {"promoteFull": True}}),
        (10, {"options": SMALL, "active": V2}),
        (10, {"options": SMALL, "active": ""}),
        (10, {"options": SMALL, "status": {"stableRS": ""}}),
        (10, {"options": SMALL, "status": {"stableRS": V2}}),
    ],
)
def test_size_of_the_new_version(size: int, fields: dict[str, Any]) -> None:
    """A preview's few pods, unless users may reach it, or nothing is asked of it any more."""
    turn = at(**fields)
    assert cutover.size(turn, turn.rollout.status) == size


def led(turn: Turn) -> dict[str, str]:
    """Which Services turn now, and to which version."""
    actions = services.point(turn, turn.rollout.status).actions
    return {action.name: action.patch["spec"]["selector"][naming.POD_HASH_LABEL] for action in actions}  # type: ignore[union-attr]


ABORTED: Json = {"abort": True, "abortedAt": "2026-01-01T11:59:00Z"}
SHORT = (a_replica_set("v1", 10, 8, age=60), a_replica_set("v2", 10))
SHORT_BY_MANY = (a_replica_set("v1", 10, 7, age=60), a_replica_set("v2", 10))
GONE = (a_replica_set("v1", 10, age=60), a_replica_set("v2", 10, 0))
BOTH_SHORT = (a_replica_set("v1", 10, 1, age=60), a_replica_set("v2", 10, 0))
OVER = (
    a_replica_set("v1", 10, age=60),
    a_replica_set("v2", 10, annotations={naming.SCALE_DOWN_DEADLINE: "2026-01-01T11:59:59Z"}),
)


@pytest.mark.parametrize(
    ("expected", "fields", "sets"),
    [
        ({"web-active": V2}, {}, ()),
        ({"web-active": V2, "web-preview": V2}, {"preview": V1}, ()),
        ({"web-preview": V2}, {"preview": V1}, GONE),
        ({}, {}, NOT_READY),
        ({}, {"paused": True, "preview": V1}, ()),
        ({}, {"options": PERSON}, ()),
        ({}, {"options": {"previewReplicaCount": 8}}, (a_replica_set("v1", 10, age=60), a_replica_set("v2", 8))),
        ({}, {"status": {"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": None}]}}, ()),
        ({}, {"status": ABORTED}, ()),
        ({"web-active": V1}, {"active": V2, "status": ABORTED}, ()),
        ({"web-active": V1}, {"active": V2, "status": ABORTED, "paused": True}, ()),
        ({"web-active": V1}, {"active": V2, "status": ABORTED}, GONE),
        ({"web-active": V1}, {"active": V2, "status": ABORTED}, SHORT),
        ({}, {"active": V2, "status": ABORTED}, SHORT_BY_MANY),
        ({"web-active": V1}, {"active": V2, "status": ABORTED}, BOTH_SHORT),
        ({"web-preview": V1}, {"status": ABORTED}, OVER),
        ({"web-active": V1}, {"active": "", "options": PERSON}, ()),
        ({"web-active": V1}, {"active": "", "options": PERSON}, SHORT),
        ({}, {"active": "", "options": PERSON}, SHORT_BY_MANY),
        ({"web-active": V1}, {"active": "nobody", "options": PERSON}, ()),
        ({"web-active": V2}, {"status": {"stableRS": ""}, "active": ""}, ()),
        ({"web-active": V2, "web-preview": V2}, {"status": {"stableRS": V2}, "preview": V1}, ()),
    ],
)
def test_where_services_go(expected: dict[str, str], fields: dict[str, Any], sets: tuple[ReplicaSet, ...]) -> None:
    """Users go to the new version when all of it is there, and to stable as soon as that carries them."""
    assert led(at(*sets, **fields)) == expected


def sized(turn: Turn) -> dict[str, int]:
    """The sizes of this turn by version."""
    sizes = doubled.sizing(turn, turn.rollout.status).sizes
    return {uid.removeprefix("uid-"): size for uid, size in sizes.items()}


def test_the_delay_of_an_abort_begins_when_users_are_gone() -> None:
    """A version that is given up has no end as long as users reach it, or stable is not whole."""
    for turn in (at(status=ABORTED, active=V2), at(*SHORT, status=ABORTED)):
        assert doubled.sizing(turn, turn.rollout.status).deadlines == {}
    turn = at(status=ABORTED)
    assert doubled.sizing(turn, turn.rollout.status).deadlines == {"uid-v2": NOON + timedelta(seconds=30)}


def old(wanted: int = 10, seconds: int | None = None, **annotations: str) -> ReplicaSet:
    """A version before stable, which ends in so many seconds."""
    end = {} if seconds is None else {naming.SCALE_DOWN_DEADLINE: timestamps.render(NOON + timedelta(seconds=seconds))}
    return a_replica_set("v0", wanted, age=120, annotations={**end, **annotations})


@pytest.mark.parametrize(
    ("expected", "fields", "sets"),
    [
        ({"v1": 10, "v2": 10}, {}, FEW),
        ({"v1": 10, "v2": 2}, {"options": SMALL}, (a_replica_set("v1", 4, age=60), a_replica_set("v2", 0))),
        ({"v1": 10, "v2": 2}, {"status": ABORTED}, FEW),
        ({"v1": 10, "v2": 10}, {"status": ABORTED, "options": {"abortScaleDownDelaySeconds": 0}, "preview": V1}, OVER),
        ({"v1": 10, "v2": 10}, {"status": ABORTED}, OVER),
        ({"v1": 10, "v2": 0}, {"status": ABORTED, "preview": V1}, OVER),
        ({"v1": 10, "v2": 10}, {"status": ABORTED, "preview": V1, "active": V2}, OVER),
    ],
)
def test_sizes(expected: dict[str, int], fields: dict[str, Any], sets: tuple[ReplicaSet, ...]) -> None:
    """Stable is whole, the new version as large as it is to be, and one given up goes when nothing leads to it."""
    assert sized(at(*sets, **fields)) == expected


@pytest.mark.parametrize(
    ("expected", "fields", "version"),
    [
        (10, {}, old()),
        (10, {}, old(seconds=1)),
        (0, {}, old(seconds=0)),
        (0, {"options": {"scaleDownDelaySeconds": 0}}, old()),
        (0, {"options": {"scaleDownDelayRevisionLimit": 0}}, old()),
        (4, {}, old(4, seconds=5)),
        (10, {}, old(4, seconds=5, **{naming.PROMOTED: "true"})),
        (10, {"active": "v0"}, old(4, seconds=0)),
        (10, {"active": "v0", "options": {"scaleDownDelayRevisionLimit": 0}}, old()),
        (4, {"preview": "v0", "options": {"scaleDownDelayRevisionLimit": 0}}, old(4, seconds=0)),
        (10, {"active": ""}, old(seconds=0)),
        (10, {"active": V2, "options": POST}, old(seconds=0)),
        (0, {"active": V2, "options": POST | {"scaleDownDelaySeconds": 5}}, old(seconds=0)),
        (0, {"active": V2, "options": POST, "status": passed("post")}, old(seconds=0)),
        (
            10,
            {"status": {"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": None}]}},
            old(seconds=0),
        ),
    ],
)
def test_earlier_versions(expected: int, fields: dict[str, Any], version: ReplicaSet) -> None:
    """They stay while anything leads to them, then for the delay, then go; what may be gone back to keeps its size."""
    spelt: dict[str, Any] = {
        name: version.labels[naming.POD_HASH_LABEL] if value == "v0" else value for name, value in fields.items()
    }
    turn = at(version, a_replica_set("v1", 10, age=60), a_replica_set("v2", 10), **spelt)
    assert sized(turn)["v0"] == expected


def test_nothing_is_sized_while_nobody_knows_whom_users_reach() -> None:
    """Law 23: a failed read is no absence."""
    turn = at(*FEW)
    unknown = {**turn.seen.services, "web-active": Unreadable(why="away")}
    blind = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, services=unknown))
    assert sized(blind) == {}


@pytest.mark.parametrize("service", ["web-active", "web-preview"])
def test_a_service_that_cannot_be_read_leads_where_it_was_last_seen_to(service: str) -> None:
    """A Rollout that was healthy is so until something else is seen."""
    led = {"activeSelector": V2, "previewSelector": V2}
    options = {"previewService": "web-preview"}
    status = {"stableRS": V2, "currentPodHash": V2, "blueGreen": led}
    turn = at(a_replica_set("v2", 10), active=V2, status=status, options=options)
    unknown = {**turn.seen.services, service: Unreadable(why="away")}
    blind = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, services=unknown))
    said = tally.count(blind, blind.rollout.status).status
    assert said.blue_green == blind.rollout.status.blue_green
    assert progress.is_healthy(blind, said)


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("Initial deploy", {"status": {"stableRS": ""}, "active": ""}),
        (None, {}),
        (None, {"active": ""}),
        ("Completed blue-green update", {"active": V2}),
        ("Full promotion requested", {"active": V2, "options": POST, "status": {"promoteFull": True}}),
        (None, {"options": POST, "status": {"promoteFull": True}}),
        (None, {"active": V2, "options": POST}),
        (None, {"active": V2, "options": PRE}),
        (None, {"active": V2, "status": ABORTED}),
        (None, {"active": V2, "paused": True}),
    ],
)
def test_promotion(reason: str | None, fields: dict[str, Any]) -> None:
    """A version is stable when users were seen to reach it and nothing is left to be proven of it."""
    turn = at(**fields)
    change = promote.promote(turn, turn.rollout.status)
    said = [note.message.partition("): ")[2] for note in change.notes]
    assert said == ([] if reason is None else [reason])
    assert (change.status.stable_rs == V2) is (reason is not None)


def test_counts_are_of_the_pods_that_users_reach() -> None:
    """Autoscalers and clients see the active version, by a selector that names it."""
    turn = at(a_replica_set("v1", 8, 7, age=60), a_replica_set("v2", 3, 2))
    status = tally.count(turn, turn.rollout.status).status
    assert (status.replicas, status.updated_replicas) == (11, 3)
    assert (status.hpa_replicas, status.ready_replicas, status.available_replicas) == (8, 7, 7)
    assert status.selector == f"app=web,{naming.POD_HASH_LABEL}={V1}"
    assert (status.blue_green.active_selector, status.blue_green.preview_selector) == (V1, V2)


def test_counts_without_an_active_version_are_of_all_pods() -> None:
    """Before the first switch nothing else is known."""
    turn = at(a_replica_set("v1", 8, 7, age=60), a_replica_set("v2", 3, 2), active="")
    status = tally.count(turn, turn.rollout.status).status
    assert (status.hpa_replicas, status.available_replicas, status.selector) == (11, 9, "app=web")


@pytest.mark.parametrize(
    ("message", "fields", "sets"),
    [
        ("more replicas need to be updated", {}, FEW),
        ("updated replicas are still becoming available", {}, NOT_READY),
        ("active service cutover pending", {}, ()),
        ("waiting for analysis to complete", {"active": V2, "options": POST}, ()),
        ("waiting for post-promotion verification to complete", {"active": V2}, ()),
        ("", {"active": V2, "status": {"stableRS": V2}}, ()),
    ],
)
def test_phase(message: str, fields: dict[str, Any], sets: tuple[ReplicaSet, ...]) -> None:
    """The words that clients know, first match first."""
    turn = at(*sets, **fields)
    status = report.phase(turn, tally.count(turn, turn.rollout.status).status).status
    assert (status.phase, status.message) == ("Progressing" if message else "Healthy", message)
