"""What the API server will not have: a ReplicaSet, or traffic led elsewhere."""

from __future__ import annotations

from datetime import timedelta

from rollouts.api.conditions import Condition
from rollouts.api.status import RolloutStatus
from rollouts.core import refusals, revisions
from tests.builders import NOON


def test_a_refused_replica_set_is_said_in_progressing() -> None:
    """Clients find the refusal, word for word, where they look for progress; and an Event says it."""
    change = revisions.refused(RolloutStatus(), name="web-1", why="exceeded quota: pods", now=NOON)
    (condition,) = change.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Progressing", "False", "ReplicaSetCreateError")
    assert condition.message == 'Failed to create new replica set "web-1": exceeded quota: pods'
    assert [(note.type, note.reason) for note in change.notes] == [("Warning", "ReplicaSetCreateError")]


def test_the_same_refusal_again_changes_nothing() -> None:
    """A write that is refused every ten seconds moves no time in the status."""
    first = revisions.refused(RolloutStatus(), name="web-1", why="exceeded quota: pods", now=NOON)
    again = revisions.refused(first.status, name="web-1", why="exceeded quota: pods", now=NOON)
    assert again.status == first.status


def test_refused_traffic_is_said_where_people_ask_what_is_waited_for() -> None:
    """Behind what was said already; states, reasons and times stay, and so does what others say."""
    kinds = {"Ready": "False", "Reconciling": "True", "Stalled": "False", "Progressing": "True"}
    before = tuple(
        Condition(type=kind, status=state, reason="r", message="waits", last_update_time=NOON)
        for kind, state in kinds.items()
    )
    after = refusals.said(RolloutStatus(conditions=before), why="denied by a webhook", now=NOON + timedelta(minutes=1))
    said = "waits; the API server refused to lead traffic: denied by a webhook"
    assert [each.message for each in after.conditions] == [said, said, said, "waits"]
    assert [(each.status, each.last_update_time) for each in after.conditions] == [
        (state, NOON) for state in kinds.values()
    ]
