"""The Progressing condition, the deadline, and the phase that clients show."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from rollouts.core import conditions, progress, tally
from rollouts.core import status as report
from tests.builders import NOON, Json, canary
from tests.core.turns import V1, V2, a_replica_set, a_turn

LONG_AGO = "2026-01-01T11:00:00Z"


def said(kind: str, reason: str, status: str = "True", at: str = LONG_AGO) -> Json:
    """A condition as it is stored."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "m",
        "lastUpdateTime": at,
        "lastTransitionTime": at,
    }


@pytest.mark.parametrize(
    ("reason", "is_late"),
    [
        ("ReplicaSetUpdated", True),
        ("NewReplicaSetCreated", True),
        ("FoundNewReplicaSet", True),
        ("ReplicaSetCreateError", True),
        ("RolloutResumed", True),
        ("RolloutRetry", True),
        ("ProgressDeadlineExceeded", True),
        ("RolloutPaused", False),
        ("RolloutAborted", False),
        ("NewReplicaSetAvailable", False),
    ],
)
def test_what_the_deadline_counts(*, reason: str, is_late: bool) -> None:
    """An hour after the last progress the deadline of ten minutes has passed, unless nothing was waited for."""
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status={"conditions": [said("Progressing", reason)]})
    assert progress.is_timed_out(turn, turn.rollout.status) is is_late


@pytest.mark.parametrize(
    ("status", "spec"),
    [
        ({"currentStepIndex": 1}, {}),
        ({}, {"paused": True}),
        ({"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": LONG_AGO}]}, {}),
    ],
)
def test_a_wait_for_people_has_no_deadline(status: Json, spec: Json) -> None:
    """Law 20: at a pause step, under spec.paused and after an inconclusive verdict nothing times out."""
    told = [said("Progressing", "ReplicaSetUpdated")]
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status={"conditions": told, **status}, **spec)
    assert not progress.is_timed_out(turn, turn.rollout.status)


RUN: Json = {"currentStepAnalysisRunStatus": {"name": "web-run", "status": "Running", "message": ""}}


@pytest.mark.parametrize(
    ("stored", "decided", "is_late"),
    [
        ({"currentStepIndex": 0}, {}, True),
        ({"currentStepIndex": 0, "canary": RUN}, {}, False),
        ({"currentStepIndex": 0, "canary": {"currentExperiment": "web-experiment"}}, {}, False),
        ({"currentStepIndex": 1}, {"current_step_index": 2}, False),
    ],
)
def test_the_deadline_begins_anew_where_people_go_on(*, stored: Json, decided: dict[str, Any], is_late: bool) -> None:
    """Law 20: time in an analysis that people leave was not spent waiting for pods."""
    told = [said("Progressing", "ReplicaSetUpdated")]
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status={"conditions": told, **stored})
    status = dataclasses.replace(turn.rollout.status, **decided)
    assert progress.is_timed_out(turn, status) is is_late


def test_the_deadline_begins_anew_after_a_pause() -> None:
    """Law 20: the end of a pause winds the clock, whatever Progressing says."""
    told = [said("Progressing", "ReplicaSetUpdated"), said("Paused", "RolloutPaused", "False", "2026-01-01T11:59:00Z")]
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status={"conditions": told})
    assert progress.passes_at(turn, turn.rollout.status.conditions) == NOON + timedelta(seconds=541)


def test_a_time_at_the_end_of_all_time_breaks_nothing() -> None:
    """Anyone with access to the status can write any year."""
    told = [said("Progressing", "ReplicaSetUpdated", at="9999-12-31T23:59:59Z")]
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status={"conditions": told})
    assert not progress.is_timed_out(turn, turn.rollout.status)


@pytest.mark.parametrize(
    ("change", "is_progress"),
    [
        ({}, False),
        ({"updated_replicas": 3, "replicas": 11}, True),
        ({"replicas": 9}, True),
        ({"replicas": 11}, False),
        ({"ready_replicas": 11}, True),
        ({"ready_replicas": 9}, False),
        ({"available_replicas": 11}, True),
        ({"current_step_index": 1}, True),
        ({"current_step_hash": "other"}, True),
        ({"current_pod_hash": "other"}, True),
        ({"stable_rs": V2}, True),
    ],
)
def test_progress(*, change: dict[str, Any], is_progress: bool) -> None:
    """What moves towards the wanted version winds the clock; what only happens does not."""
    before = {"replicas": 10, "updatedReplicas": 2, "readyReplicas": 10, "availableReplicas": 10}
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), status=before)
    assert progress.has_progressed(turn, dataclasses.replace(turn.rollout.status, **change)) is is_progress


FULL = {"replicas": 10, "updatedReplicas": 10, "availableReplicas": 10, "stableRS": V2, "currentStepIndex": 3}


@pytest.mark.parametrize(
    ("status", "spec", "phase", "message"),
    [
        (
            {"abort": True, "conditions": [said("Progressing", "RolloutAborted", "False")]},
            {"paused": True},
            "Degraded",
            "RolloutAborted: m",
        ),
        (
            {"conditions": [said("Progressing", "ProgressDeadlineExceeded", "False")]},
            {"paused": True},
            "Degraded",
            "ProgressDeadlineExceeded: m",
        ),
        ({"pauseConditions": [{"reason": "CanaryPauseStep"}]}, {"paused": True}, "Paused", "manually paused"),
        (
            {"pauseConditions": [{"reason": "InconclusiveAnalysisRun"}, {"reason": "CanaryPauseStep"}]},
            {},
            "Paused",
            "InconclusiveAnalysisRun",
        ),
        (FULL, {"restartAt": LONG_AGO}, "Progressing", "rollout is restarting"),
        ({**FULL, "updatedReplicas": 9}, {}, "Progressing", "more replicas need to be updated"),
        ({**FULL, "availableReplicas": 9}, {}, "Progressing", "updated replicas are still becoming available"),
        ({**FULL, "replicas": 11}, {}, "Progressing", "old replicas are pending termination"),
        ({**FULL, "stableRS": V1}, {}, "Progressing", "waiting for all steps to complete"),
        ({**FULL, "stableRS": ""}, {}, "Progressing", "waiting for all steps to complete"),
        (FULL, {}, "Healthy", ""),
        ({**FULL, "restartedAt": LONG_AGO}, {"restartAt": LONG_AGO}, "Healthy", ""),
    ],
)
def test_phase(status: Json, spec: Json, phase: str, message: str) -> None:
    """The first row that holds gives phase and message, in the order clients know."""
    turn = a_turn(a_replica_set("v2", 10), status=status, **spec)
    told = report.phase(turn, turn.rollout.status).status
    assert (told.phase, told.message) == (phase, message)


def test_old_pods_do_not_hide_new_ones_that_are_not_available() -> None:
    """Ten available pods of which none is new are not a healthy new version."""
    turn = a_turn(a_replica_set("v1", 0, 10), a_replica_set("v2", 10, 0), status=FULL)
    assert report.phase(turn, turn.rollout.status).status.phase == "Progressing"


def test_counts_are_sums_over_versions() -> None:
    """Counts come from the ReplicaSets, and the marks say which spec they answer."""
    turn = a_turn(a_replica_set("v1", 8, 7), a_replica_set("v2", 2, 1), status={"abortedAt": LONG_AGO})
    began = dataclasses.replace(turn.rollout.status, current_step_hash=turn.step_hash)
    told = tally.count(turn, began).status
    assert (told.replicas, told.hpa_replicas, told.updated_replicas) == (10, 10, 2)
    assert (told.ready_replicas, told.available_replicas) == (8, 8)
    assert (told.observed_generation, told.selector, told.aborted_at) == ("1", "app=web", None)


def test_a_condition_that_says_the_same_is_left_as_it_was() -> None:
    """Clients and the deadline read its times; a new reason moves it to the end and keeps the transition time."""
    later = NOON + timedelta(seconds=5)

    def told(old: conditions.Conditions, reason: str, at: Any) -> conditions.Conditions:
        return conditions.with_condition(old, type="A", status="True", reason=reason, message="m", now=at)

    first = told((), "One", NOON)
    assert told(first, "One", later) == first
    two = conditions.with_condition(first, type="B", status="True", reason="B", message="", now=NOON)
    moved = told(two, "Two", later)
    assert [each.type for each in moved] == ["B", "A"]
    assert (moved[1].last_transition_time, moved[1].last_update_time) == (NOON, later)


def test_a_failure_of_a_replica_set_is_the_rollouts() -> None:
    """The new version's comes first; when it is over the condition goes."""
    quota, forbidden = ({"reason": "FailedCreate", "message": words} for words in ("exceeded quota", "forbidden"))

    def told(old: Json | None, new: Json | None) -> list[str]:
        sets = a_replica_set("v1", 8, failure=old), a_replica_set("v2", 2, failure=new)
        turn = a_turn(*sets, status={"conditions": [said("ReplicaFailure", "FailedCreate")]})
        seen = report.availability(turn, turn.rollout.status).status.conditions
        return [each.message for each in seen if (each.type, each.status) == ("ReplicaFailure", "True")]

    assert told(quota, forbidden) == ["forbidden"]
    assert told(quota, None) == ["exceeded quota"]
    assert told(None, None) == []


def test_words_are_kept_up_to_date_in_place_and_in_bounds() -> None:
    """A condition whose words are its point changes them without moving; they are cut at a length people read."""

    def told(old: conditions.Conditions, message: str) -> conditions.Conditions:
        return conditions.with_words(old, type="Ready", status="False", reason="R", message=message, now=NOON)

    first = told((), "one")
    assert told(first, "one") is first
    assert told(first, "two")[0].message == "two"
    assert len(told(first, "x" * 5000)[0].message) == conditions.MESSAGE_MAX


def test_availability_of_a_rollout_without_pods() -> None:
    """No pods wanted and none there is a healthy Rollout."""
    status = {"stableRS": V2, "currentStepIndex": 3, "currentPodHash": V2}
    turn = a_turn(a_replica_set("v2", 0), status=status, replicas=0, strategy=canary(20, 40, 60))
    assert report.phase(turn, turn.rollout.status).status.phase == "Healthy"
