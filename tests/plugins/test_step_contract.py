"""What every step plugin keeps, whoever wrote it: one row per plugin, or the one that `--step-plugin` names.

A plugin may be asked anything twice, in any order, after a crash without its own notes, and with whatever a user wrote
as its configuration. It answers, or says that it does not know; it changes nothing that it is shown.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollouts.core import plugin_answers
from rollouts.ports import Operation, StepAnswer, StepCall, StepPlugin, Unanswered
from tests.plugins.steps import OWN, Row, a_call, named

ENDS = (Operation.ABORT, Operation.TERMINATE)
SLACK_SECONDS = 2.0  # beyond its deadline, on a busy machine


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of the suite for each row."""
    if "row" in metafunc.fixturenames:
        options = metafunc.config  # they are only known where this folder is named on the command line
        target, config = options.getoption("--step-plugin", ""), options.getoption("--step-config", "{}")
        rows = [Row(name=target, config=json.loads(config), making=lambda: named(target))] if target else list(OWN)
        metafunc.parametrize("row", rows, ids=lambda row: row.name, scope="module")


@pytest.fixture(scope="module")
def plugin(row: Row) -> Iterator[StepPlugin]:
    with row.making() as made:
        yield made


@pytest.fixture
def call(row: Row, request: pytest.FixtureRequest) -> StepCall:
    """The first question about a step that no other test asks about."""
    return a_call(f"uid/0/{request.node.name}", config=row.config)


def told(answer: StepAnswer) -> StepAnswer:
    """The answer as the controller takes it in; what does not fit fails the test."""
    return plugin_answers.fit(answer)


def test_a_step_begins_once(plugin: StepPlugin, call: StepCall) -> None:
    """Started again under its key, with its notes or after a crash without them, it is the step that was begun."""
    first = told(plugin.start(call))
    assert told(plugin.start(call)) == first
    assert told(plugin.start(replace(call, status=first.status))) == first


def test_a_step_is_found_without_notes(plugin: StepPlugin, call: StepCall) -> None:
    """The answer that carried them may be lost: looked at again, the step is as it was."""
    first = told(plugin.start(call))
    assert told(plugin.poll(replace(call, status=first.status))).phase == first.phase
    assert told(plugin.poll(call)).phase == first.phase


def test_steps_do_not_know_each_other(plugin: StepPlugin, call: StepCall) -> None:
    """To undo one leaves another as it was."""
    other = replace(call, key=f"{call.key}/other")
    told(plugin.start(call))
    before = told(plugin.start(other))
    told(plugin.abort(replace(call, operation=Operation.ABORT)))
    assert told(plugin.poll(replace(other, status=before.status))) == before


@pytest.mark.parametrize("operation", ENDS)
def test_what_was_begun_can_be_ended(plugin: StepPlugin, call: StepCall, operation: Operation) -> None:
    """At once, and again: nobody asks a second time whether it is over, but the first answer may be lost."""
    notes = told(plugin.start(call)).status
    end = replace(call, operation=operation, status=notes)
    assert told(plugin.abort(end)).phase in ("Successful", "Failed")
    assert told(plugin.abort(end)).phase in ("Successful", "Failed")


@pytest.mark.parametrize("operation", ENDS)
def test_what_was_never_begun_can_be_ended(plugin: StepPlugin, call: StepCall, operation: Operation) -> None:
    """Its start may have been lost on the way; and the steps may have changed, so that its configuration is gone."""
    assert told(plugin.abort(replace(call, operation=operation, config=None))).phase in ("Successful", "Failed")


def test_several_threads_may_ask_at_once(plugin: StepPlugin, call: StepCall) -> None:
    """Every Rollout has a thread of its own."""
    calls = [replace(call, key=f"{call.key}/{number}") for number in range(8)]
    with ThreadPoolExecutor(max_workers=8) as threads:
        answers = list(threads.map(plugin.start, calls))
    assert len({told(answer).phase for answer in answers}) == 1


def test_a_question_ends_in_time(plugin: StepPlugin, call: StepCall) -> None:
    """Whatever the plugin waits for, it is back within the deadline."""
    began = time.monotonic()
    try:
        plugin.start(replace(call, deadline_seconds=1.0))
    except Unanswered:
        pass
    assert time.monotonic() - began < 1.0 + SLACK_SECONDS


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=3,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_junk_is_answered(plugin: StepPlugin, row: Row, call: StepCall, data: st.DataObject) -> None:
    """Whatever users write as its configuration: an answer, or an admission that nobody knows. Nothing is changed."""
    config: Any = data.draw(JUNK)
    if isinstance(row.config, dict) and row.config and data.draw(st.booleans()):
        config = {**row.config, data.draw(st.sampled_from(sorted(row.config))): config}
    asked = replace(call, key=f"{call.key}/{json.dumps(config, sort_keys=True)}", config=config)
    before = copy.deepcopy(asked)
    for ask in (plugin.start, plugin.poll):
        try:
            told(ask(asked))
        except Unanswered as error:
            assert str(error)
    assert asked == before
    told(plugin.abort(replace(asked, operation=Operation.ABORT)))
