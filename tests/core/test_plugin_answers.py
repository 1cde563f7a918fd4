"""What a step plugin may hand back: anything; and what of that is taken into a status."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.core.plugin_answers import MESSAGE_MAX, NOTES_MAX, Unfit, fit
from rollouts.ports import StepAnswer, StepPhase

RUNNING = StepPhase.RUNNING


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "it returned NoneType, not a StepAnswer"),
        ("Successful", "it returned str, not a StepAnswer"),
        (StepAnswer(phase="Error"), "its phase is 'Error', not one of Running, Successful, Failed"),  # type: ignore[arg-type]  # a stranger's
        (StepAnswer(phase=["Running"]), "its phase is ['Running'], not one of Running"),  # type: ignore[arg-type]  # a stranger's
        (StepAnswer(phase=RUNNING, status=[1]), "its status is list, not a mapping"),  # type: ignore[arg-type]  # a stranger's
        (StepAnswer(phase=RUNNING, status={"a": {1, 2}}), "its status is not JSON: "),
        (StepAnswer(phase=RUNNING, status={"a": float("nan")}), "its status is not JSON: "),
        (StepAnswer(phase=RUNNING, status={"a": 2**63}), "its status has an integer beyond 64 bits"),
        (StepAnswer(phase=RUNNING, status={"a": "x" * NOTES_MAX}), f"its status is {NOTES_MAX + 9} bytes of JSON"),
        (StepAnswer(phase=RUNNING, status=deep(20_000)), "its status is "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_says_why(answer: Any, why: str) -> None:
    """In words for the plugin's author; nothing of it is stored."""
    with pytest.raises(Unfit) as raised:
        fit(answer)
    assert str(raised.value).startswith(why)


def test_a_message_is_cut() -> None:
    """People read its beginning."""
    assert len(fit(StepAnswer(phase=RUNNING, message="x" * 5000)).message) == MESSAGE_MAX


def test_a_message_is_one_line() -> None:
    """A plugin repeats what others wrote, and kubectl prints it: nothing of it moves a cursor or stops an encoder."""
    answer = fit(StepAnswer(phase=RUNNING, message="why\x1b[2J\nnot\x00\ud800 \u202e grün ✓"))
    assert answer.message == "why [2J not     grün ✓"


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(None, 30), (0, 10), (-5, 10), (10.2, 11), (90, 90), (10**9, 3600), (float("inf"), 3600), (float("nan"), 30)],
)
def test_the_pace_is_bounded(asked: float | None, granted: int) -> None:
    """Often enough to be noticed, seldom enough not to be a load."""
    assert fit(StepAnswer(phase=RUNNING, again_seconds=asked)).again_seconds == granted


def test_nulls_in_notes_are_left_out() -> None:
    """A merge patch would drop them; the plugin gets back what it handed in, less these."""
    assert fit(StepAnswer(phase=RUNNING, status={"a": None, "b": [{"c": None}, None, 1]})).status == {"b": [{}, 1]}


JSON = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_notes_come_back_as_they_were(notes: dict[str, Any]) -> None:
    """Whatever the API server can hold; and what is fit already stays as it is."""
    answer = fit(StepAnswer(phase=RUNNING, status=notes))
    assert answer.status == json.loads(json.dumps(notes))
    assert fit(answer) == answer
