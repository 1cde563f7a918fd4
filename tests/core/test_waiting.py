"""The sentences that people read at three in the morning: what is waited for, since when, and what ends the wait."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import waiting
from rollouts.core.observed import Pod, Unreadable
from rollouts.ports import Unknown
from tests.builders import NOON, Json, analysis, canary
from tests.core.turns import V2, a_replica_set, a_turn

SINCE = "2026-01-01T11:59:00Z"
DEADLINE = "2026-01-01T12:09:01Z"


def said(kind: str, reason: str, message: str = "", status: str = "True") -> Json:
    """A condition as it is stored."""
    times = {"lastUpdateTime": SINCE, "lastTransitionTime": SINCE}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}


PROGRESS = said("Progressing", "ReplicaSetUpdated")
RUN = {"name": "web-a-2", "status": "Inconclusive", "message": "no data"}


@pytest.mark.parametrize(
    ("canary_available", "status", "spec", "words"),
    [
        (
            0,
            {"conditions": [PROGRESS]},
            {},
            "step 1 of 3 (index 0, setWeight: 20) waits for 2 canary pods to be available (0 of 2 now); "
            f"without progress it counts as stalled at {DEADLINE}",
        ),
        (
            0,
            {"conditions": [PROGRESS]},
            {"progressDeadlineAbort": True},
            "step 1 of 3 (index 0, setWeight: 20) waits for 2 canary pods to be available (0 of 2 now); "
            f"without progress it is aborted at {DEADLINE}",
        ),
        (
            0,
            {"conditions": [said("ReplicaFailure", "FailedCreate", "exceeded quota: pods")]},
            {},
            "step 1 of 3 (index 0, setWeight: 20) waits for 2 canary pods to be available (0 of 2 now) "
            "[exceeded quota: pods]",
        ),
        (
            2,
            {"currentStepIndex": 1, "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": SINCE}]},
            {},
            f"step 2 of 3 (index 1, pause) has waited since {SINCE} for a person: "
            "resume or promote goes on, abort goes back to stable",
        ),
        (
            2,
            {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": SINCE}]},
            {"strategy": canary({"pause": {"duration": "10m"}})},
            f"step 1 of 1 (index 0, pause: 10m0s) has waited since {SINCE} and ends at 2026-01-01T12:09:00Z; "
            "resume ends it now",
        ),
        (
            2,
            {"canary": {"currentStepAnalysisRunStatus": {"name": "web-a-2-0", "status": "Pending"}}},
            {"strategy": canary(analysis("rate"))},
            "step 1 of 1 (index 0, analysis) waits for analysis web-a-2-0 to pass; if it fails, the update is aborted",
        ),
        (
            2,
            {
                "canary": {"currentBackgroundAnalysisRunStatus": RUN},
                "pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": SINCE}],
            },
            {},
            f"analysis web-a-2 was inconclusive (no data); held since {SINCE} for a person: "
            "resume measures again, promote full goes on without it, abort goes back to stable",
        ),
        (
            2,
            {},
            {"paused": True},
            "paused by spec.paused: no step is taken until that is false (rollouts.io/resume does it)",
        ),
        (
            2,
            {"currentStepIndex": 3, "conditions": [PROGRESS]},
            {},
            "all steps are done; 2 of 10 new pods are available, and all must be; "
            f"without progress it counts as stalled at {DEADLINE}",
        ),
        (
            0,
            {"conditions": [said("Progressing", "ProgressDeadlineExceeded", status="False")]},
            {},
            "no progress within the deadline: step 1 of 3 (index 0, setWeight: 20) "
            "waits for 2 canary pods to be available "
            "(0 of 2 now); it goes on by itself when that comes; a new template replaces it, an abort goes back to "
            "stable",
        ),
        (
            2,
            {
                "abort": True,
                "abortedAt": SINCE,
                "conditions": [
                    said("Progressing", "RolloutAborted", "Rollout aborted update to revision 2: bad", "False")
                ],
            },
            {"paused": True},
            f"aborted update to revision 2: bad (at {SINCE}); stable has 8 of 10 pods available, 2 canary pods are "
            "still there; retry or new steps start again at the first step, promote full goes on without steps, a "
            "new template replaces it",
        ),
        (
            0,
            {"currentStepIndex": 1, "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": SINCE}]},
            {},
            f"step 2 of 3 (index 1, pause) has waited since {SINCE} for a person: resume or promote goes on, "
            "abort goes back to stable; only 0 of 2 canary pods are available",
        ),
        (
            1,
            {},
            {"paused": True},
            "paused by spec.paused: no step is taken until that is false (rollouts.io/resume does it); "
            "only 1 of 2 canary pods are available",
        ),
        (2, {"currentStepIndex": 1}, {}, "step 2 of 3 (index 1, pause) waits for its pause to begin"),
        (
            0,
            {"stableRS": ""},
            {},
            "the first version takes no steps: 0 of 10 new pods are available",
        ),
        (2, {"stableRS": "gone"}, {}, "the ReplicaSet of the stable version (gone) is gone, so no step can be taken: "),
    ],
)
def test_explanation(canary_available: int, status: Json, spec: dict[str, Any], words: str) -> None:
    """One sentence, precise to the pod and the second."""
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2, canary_available), status=status, **spec)
    told = waiting.explain(turn, turn.rollout.status)
    assert told == words or (words.endswith(": ") and told.startswith(words))


def test_unreadable_runs_are_said_to_be_unknown() -> None:
    """What cannot be read is named as such beside the step that waits for it."""
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), strategy=canary(analysis("rate")))
    blind = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, analysis_runs=Unreadable(why="no rights")))
    assert "(unknown: no rights)" in waiting.explain(blind, blind.rollout.status)


def test_a_watcher_is_named() -> None:
    """A background analysis can end any step, so it is told beside each."""
    ref = {"currentBackgroundAnalysisRunStatus": {"name": "web-a-2", "status": "Running"}}
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2, 0), status={"canary": ref})
    told = waiting.explain(turn, turn.rollout.status)
    assert told.endswith("; background analysis web-a-2 aborts it on failure")


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        (1, "1 pods created before 2026-01-01T12:00:00Z are still to be restarted, as far as disruption budgets allow"),
        (None, "pods created before 2026-01-01T12:00:00Z are to be restarted, but they cannot be listed"),
    ],
)
def test_a_restart_is_explained(pods: int | None, words: str) -> None:
    """How many pods are left, or why nobody knows."""
    at = NOON.replace(hour=11)
    one = Pod(name="p", uid="u", created_at=at, is_deleting=False, is_available=True, replica_set_uid="uid-v2")
    turn = a_turn(a_replica_set("v2", 10), status={"stableRS": V2}, restartAt="2026-01-01T12:00:00Z")
    seen = (one,) * pods if pods else Unreadable(why="they cannot be listed")
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, pods=seen))
    assert waiting.explain(turn, turn.rollout.status) == words


def test_nothing_to_wait_for_is_nothing_to_say() -> None:
    """A finished Rollout has no sentence."""
    turn = a_turn(a_replica_set("v2", 10), status={"stableRS": V2})
    assert waiting.explain(turn, turn.rollout.status) == ""


def test_a_finished_rollout_says_what_it_cannot_see() -> None:
    """Its pods are there; who leads where is another question, of those that name a Service or a router."""
    named = canary(20, stableService="web-stable", canaryService="web-canary")
    turn = a_turn(a_replica_set("v2", 10), strategy=named, status={"stableRS": V2})
    for hidden in (
        dataclasses.replace(turn.seen, services={"web-stable": Unreadable(why="they cannot be listed")}),
        dataclasses.replace(turn.seen, routes={"nginx": Unknown(why="they cannot be listed")}),
    ):
        words = waiting.explain(dataclasses.replace(turn, seen=hidden), turn.rollout.status)
        assert "what leads to them is unknown" in words and "they cannot be listed" in words
