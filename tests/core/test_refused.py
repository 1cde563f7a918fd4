"""A ReplicaSet that the API server will not have."""

from __future__ import annotations

from rollouts.api.status import RolloutStatus
from rollouts.core import revisions
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
