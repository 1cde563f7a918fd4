"""The plugin step: what is asked when, what an answer does to its entry, what is left when the update is given up."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from rollouts.api.status import StepPluginStatus
from rollouts.core import plugin_entries, plugin_step
from rollouts.core.actions import RunStepPlugin
from rollouts.core.observed import StepAnswerSeen
from rollouts.core.plan import Change
from rollouts.core.turn import Turn
from rollouts.lib import timestamps
from rollouts.ports import Operation, StepAnswer, StepPhase
from tests.builders import NOON, Json, canary
from tests.core.turns import V1, V2, a_replica_set, a_turn

NOW = timestamps.render(NOON)
LATER = timestamps.render(NOON + timedelta(seconds=30))
STEPS = ({"plugin": {"name": "change", "config": 1}}, 20, {"plugin": {"name": "change", "config": 2}})


def an_entry(index: int = 0, operation: str = "Run", phase: str = "Running", **fields: Any) -> Json:
    """An entry as it is stored; asked once, unless said otherwise."""
    ended = {} if phase in ("Running", "Error") else {"finishedAt": NOW}
    entry = {
        "index": index,
        "name": "change",
        "operation": operation,
        "phase": phase,
        "startedAt": NOW,
        "executions": 1,
    }
    return {**entry, "updatedAt": NOW, "backoff": "30s", **ended, **fields}


def at(index: int, *entries: Json, seconds: int = 0, **fields: Any) -> Turn:
    """A turn at a step, so many seconds after everything that is stored."""
    spec, status = fields.pop("spec", {}), fields.pop("status", {})
    turn = a_turn(
        a_replica_set("v1", 8),
        a_replica_set("v2", 2),
        strategy=canary(*STEPS),
        now=NOON + timedelta(seconds=seconds),
        status={"currentStepIndex": index, "canary": {"stepPluginStatuses": list(entries)}, **status},
        **spec,
    )
    return dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, **fields))


def judged(turn: Turn) -> tuple[Change[Any], list[str]]:
    """What comes of a turn, and the entries after it, in a word or two each."""
    change = plugin_step.judge(turn, turn.rollout.status)
    return change, [f"{each.operation} {each.index} {each.phase}" for each in plugin_entries.of(change.status)]


def an_answer(phase: str | None, *, operation: str = "Run", index: int = 0, ordinal: int = 2, **fields: Any) -> Any:
    """What arrived from the plugin; None: nothing did."""
    answer = None if phase is None else StepAnswer(phase=StepPhase(phase), **fields)
    error = "no route" if phase is None else ""
    key = f"rollout-uid/{index}/{NOW}"
    at = NOON + timedelta(seconds=31)
    return StepAnswerSeen(key=key, operation=Operation(operation), ordinal=ordinal, at=at, answer=answer, error=error)


def asked(change: Change[Any]) -> list[tuple[Any, ...]]:
    """The questions of a plan."""
    return [
        (each.operation, each.key, each.ordinal, each.is_first, each.config)
        for each in change.actions
        if isinstance(each, RunStepPlugin)
    ]


def test_a_plugin_is_asked_once_its_entry_is_stored() -> None:
    """Law 13: the key of a question is stored before it is asked, so that a crash changes nothing about it."""
    change, entries = judged(at(0))
    assert (entries, asked(change)) == (["Run 0 Running"], [])
    (entry,) = change.status.to_json()["canary"]["stepPluginStatuses"]
    again, _ = judged(at(0, entry))
    assert asked(again) == [("Run", f"rollout-uid/0/{NOW}", 1, True, 1)]
    assert asked(judged(at(0, entry))[0]) == asked(again)


@pytest.mark.parametrize(("seconds", "entries", "wake"), [(0, [], 2), (1, [], 2), (2, ["Run 0 Running"], None)])
def test_no_run_begins_in_a_second_of_the_update_before(seconds: int, entries: list[str], wake: int | None) -> None:
    """Law 13: the same second at the same step would be the same key."""
    change, found = judged(at(0, seconds=seconds, status={"duration": {"rolloutStartedAt": NOW}}))
    assert found == entries
    assert change.requeue_at == (None if wake is None else NOON + timedelta(seconds=wake))


@pytest.mark.parametrize(
    ("entry", "seconds", "question", "wake"),
    [
        (an_entry(), 29, [], 30),
        (an_entry(), 30, [("Run", f"rollout-uid/0/{NOW}", 2, False, 1)], None),
        (an_entry(phase="Error", executions=4), 30, [("Run", f"rollout-uid/0/{NOW}", 5, True, 1)], None),
        (an_entry(backoff="1h0m0s"), 60, [], 3600),
        (an_entry(backoff="soon"), 0, [("Run", f"rollout-uid/0/{NOW}", 2, False, 1)], None),
    ],
)
def test_when_a_plugin_is_asked_again(entry: Json, seconds: int, question: list[Any], wake: int | None) -> None:
    """Law 12: not before its time, and at that time by itself; after an error it is asked to start."""
    change, _ = judged(at(0, entry, seconds=seconds))
    assert asked(change) == question
    assert change.requeue_at == (None if wake is None else NOON + timedelta(seconds=wake))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"spec": {"paused": True}}, "held by hand"),
        (
            {"status": {"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": NOW}]}},
            "held by a verdict",
        ),
        ({"status": {"stableRS": ""}}, "a first deploy"),
        ({"status": {"stableRS": V2}}, "done"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_asked_while_the_step_may_not_go_on(fields: Json, why: str) -> None:
    """However long that takes."""
    assert [each for each in asked(judged(at(0, an_entry(), seconds=600, **fields))[0]) if each[0] == "Run"] == []


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        (an_entry(), an_answer("Running", message="m", again_seconds=60), ("Running", "m", "1m0s", 2, False)),
        (an_entry(), an_answer("Successful", message="m"), ("Successful", "m", "", 2, True)),
        (an_entry(), an_answer("Failed", message="m"), ("Failed", "m", "", 2, True)),
        (an_entry(), an_answer(None), ("Error", "no route", "30s", 2, False)),
        (an_entry(), an_answer("Successful", ordinal=1), ("Running", "", "30s", 1, False)),
        (an_entry(), an_answer("Successful", ordinal=3), ("Running", "", "30s", 1, False)),
        (an_entry(operation="Abort"), an_answer("Running", operation="Abort"), ("Failed", "", "", 2, True)),
        (an_entry(operation="Abort"), an_answer(None, operation="Abort"), ("Error", "no route", "30s", 2, True)),
        (an_entry(phase="Successful"), an_answer("Failed"), ("Successful", "", "30s", 1, True)),
    ],
)
def test_an_answer_in_its_entry(before: Json, answer: StepAnswerSeen, after: tuple[Any, ...]) -> None:
    """The answer to the question that is open, and no other; an end that is not reached at once is none."""
    turn = at(1, before, step_answers=(answer,))
    entry = plugin_entries.of(plugin_step.judge(turn, turn.rollout.status).status)[0]
    is_ended = entry.finished_at is not None
    assert (str(entry.phase), entry.message, entry.backoff, entry.executions, is_ended) == after


def test_an_error_keeps_the_plugins_notes() -> None:
    """They are all that it knows of what it began; its next answer replaces them."""
    before = an_entry(status={"test": 7})
    turn = at(0, before, step_answers=(an_answer(None),))
    (entry,) = plugin_entries.of(plugin_step.judge(turn, turn.rollout.status).status)
    assert entry.status == {"test": 7}


def test_a_failure_aborts_in_the_turn_that_hears_of_it() -> None:
    """With the plugin's message; what was done before is to be undone, what failed is not."""
    entries = (an_entry(phase="Successful"), an_entry(2))
    change, after = judged(at(2, *entries, step_answers=(an_answer("Failed", index=2, message="refused"),)))
    assert change.status.abort
    assert [note.message for note in change.notes][-1].endswith("Step Plugin 3 (change) failed: refused")
    assert after == ["Run 0 Successful", "Run 2 Failed", "Abort 0 Running"]


@pytest.mark.parametrize(
    ("runs", "aborts"),
    [
        ([an_entry(phase="Successful"), an_entry(2)], ["Abort 2 Running", "Abort 0 Running"]),
        ([an_entry(phase="Error")], ["Abort 0 Running"]),
        ([an_entry(executions=0)], ["Abort 0 Running"]),
        ([an_entry(phase="Failed")], []),
        ([an_entry(disabled=True)], []),
        ([an_entry(), an_entry(operation="Abort", phase="Successful")], ["Abort 0 Successful"]),
        ([an_entry(), an_entry(operation="Terminate", phase="Successful")], ["Abort 0 Running"]),
    ],
)
def test_what_is_aborted(runs: list[Json], aborts: list[str]) -> None:
    """Law 19: whatever may have been begun and did not end by failing, last to first, once."""
    _, after = judged(at(0, *runs, status={"abort": True}))
    assert [each for each in after if each.startswith("Abort")] == aborts


def test_aborts_are_asked_one_after_the_other() -> None:
    """The last step first, at once, and each with what its own step was told; nothing else is asked meanwhile."""
    runs = (an_entry(phase="Successful"), an_entry(2))
    ends = [an_entry(index, "Abort", executions=0) for index in (2, 0)]
    first, _ = judged(at(0, *runs, *ends, status={"abort": True}))
    assert asked(first) == [("Abort", f"rollout-uid/2/{NOW}", 1, True, 2)]
    second, _ = judged(at(0, *runs, {**ends[0], "phase": "Error", "finishedAt": NOW}, ends[1], status={"abort": True}))
    assert asked(second) == [("Abort", f"rollout-uid/0/{NOW}", 1, True, 1)]


@pytest.mark.parametrize(
    ("entries", "seconds", "after"),
    [
        ([an_entry(), an_entry(operation="Abort", executions=0)], 5, ["Run 0 Running", "Abort 0 Running"]),
        ([an_entry(), an_entry(operation="Abort", phase="Successful")], 0, ["Run 0 Running", "Abort 0 Successful"]),
        ([an_entry(), an_entry(operation="Abort", phase="Successful")], 1, ["Run 0 Running"]),
        ([an_entry(phase="Failed")], 1, ["Run 0 Running"]),
    ],
)
def test_entries_of_an_attempt_that_is_over_go_when_its_plugins_know(
    entries: list[Json], seconds: int, after: list[str]
) -> None:
    """And when no new run can get a key of theirs; then the step begins anew."""
    change, found = judged(at(0, *entries, seconds=seconds))
    assert found == after
    is_waiting = seconds == 0
    assert (change.requeue_at is not None) == is_waiting
    if found == ["Run 0 Running"]:
        (run,) = plugin_entries.of(change.status)
        assert run.started_at is not None and run.started_at > NOON


@pytest.mark.parametrize(
    ("index", "entries", "status", "after"),
    [
        (1, [an_entry()], {}, ["Run 0 Running", "Terminate 0 Running"]),
        (1, [an_entry(phase="Successful")], {}, ["Run 0 Successful"]),
        (1, [an_entry(), an_entry(operation="Terminate", phase="Error", finishedAt=NOW)], {}, 2),
        (0, [an_entry()], {"promoteFull": True}, ["Run 0 Running", "Terminate 0 Running"]),
        (0, [an_entry()], {}, ["Run 0 Running"]),
    ],
)
def test_what_is_terminated(index: int, entries: list[Json], status: Json, after: list[str] | int) -> None:
    """What still runs although a person promoted past it, once."""
    _, found = judged(at(index, *entries, status=status))
    assert (len(found) if isinstance(after, int) else found) == after


@pytest.mark.parametrize(
    ("entries", "is_over"),
    [
        ([], False),
        ([an_entry()], False),
        ([an_entry(phase="Error")], False),
        ([an_entry(phase="Successful")], True),
        ([an_entry(disabled=True)], True),
        ([an_entry(), an_entry(operation="Terminate", executions=0)], True),
        ([an_entry(phase="Successful"), an_entry(operation="Abort", phase="Successful")], False),
        ([an_entry(2, phase="Successful")], False),
    ],
)
def test_when_a_plugin_step_is_over(entries: list[Json], *, is_over: bool) -> None:
    """Done, disabled or told to stop; never by what an earlier attempt or another step did."""
    assert plugin_step.is_over(at(0, *entries).rollout.status) is is_over


def test_a_finished_update_leaves_nothing_to_undo() -> None:
    """What the plugins of a promoted version did stays done; of one that another replaces it is undone."""
    entries = (an_entry(phase="Successful"),)
    done, halfway = at(0, *entries, status={"stableRS": V2}), at(0, *entries, status={"stableRS": V1})
    assert plugin_step.superseded(done, done.rollout.status) == ()
    left: tuple[StepPluginStatus, ...] = plugin_step.superseded(halfway, halfway.rollout.status)
    assert [str(each.operation) for each in left] == ["Run", "Abort"]


def test_a_step_that_has_changed_is_undone_without_its_configuration() -> None:
    """Another plugin's configuration would mean something else to it."""
    entries = (an_entry(1), an_entry(1, "Abort", executions=0))
    change, _ = judged(at(0, *entries, seconds=5))
    assert asked(change) == [("Abort", f"rollout-uid/1/{NOW}", 1, True, None)]


@pytest.mark.parametrize("operation", ["", "Undo"])
def test_an_entry_of_no_operation_is_as_good_as_none(operation: str) -> None:
    """People may write into a status: what nobody can have meant is dropped, and the step goes on."""
    change, entries = judged(at(0, an_entry(operation=operation), an_entry(), seconds=30))
    assert entries == ["Run 0 Running"]
    assert asked(change) == [("Run", f"rollout-uid/0/{NOW}", 2, False, 1)]
    aborted, ends = judged(at(0, an_entry(operation=operation), an_entry(), status={"abort": True}))
    assert ends == ["Run 0 Running", "Abort 0 Running"] and asked(aborted) == []


def test_a_time_at_the_end_of_all_time_breaks_nothing() -> None:
    """Anyone with access to the status can write any year; an abort is heard all the same."""
    end = "9999-12-31T23:59:59Z"
    begun = at(0, status={"duration": {"rolloutStartedAt": end}})
    assert judged(begun)[0].requeue_at == timestamps.LATEST
    stale = at(0, an_entry(phase="Failed", startedAt=end))
    assert judged(stale)[0].requeue_at == timestamps.LATEST
