"""Verbs by annotation: what is read, what is refused, what is remembered."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.api.status import RolloutStatus
from rollouts.core import naming, verbs
from rollouts.core.actions import PatchRollout
from rollouts.core.observed import VerbOwner
from rollouts.core.plan import Change
from tests.builders import NOON, Json
from tests.core.turns import V1, V2, a_replica_set, a_turn


def heed(verb: str, value: str, *, is_applied: bool = False, status: Json | None = None, **spec: Any) -> Change[Any]:
    """What comes of one verb, ten pods into v2."""
    key = naming.VERB_PREFIX + verb
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), annotations={key: value}, status=status, **spec)
    owner = VerbOwner(manager="ann", at=NOON, is_applied=is_applied)
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, verb_owners={key: owner}))
    return verbs.heed(turn, turn.rollout.status)


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("abort", "abort"),
        ("abort", "true"),
        ("abort", f"abort@{V2}"),
        ("abort", "  abort   5xx on /pay\n"),
        ("abort", "abort\treason"),
        ("promote", "full@" + V2),
        ("promote", "step@0 looks good"),
    ],
)
def test_understood(verb: str, value: str) -> None:
    """Keyword, guard and reason, however they are spaced, are carried out and recorded as they were written."""
    (record,) = heed(verb, value).status.verbs
    assert (record.outcome, record.value, record.requested_by) == ("Done", value, "ann")


@pytest.mark.parametrize(
    ("verb", "value", "why"),
    [
        ("abort", "", "must begin with abort or true, not ''"),
        ("abort", "   ", "must begin with abort or true, not ''"),
        ("abort", "Abort", "must begin with"),
        ("abort", "abörт", "must begin with"),
        ("promote", "promote", "must begin with step or full"),
        ("promote", "true", "must begin with step or full"),
        ("promote", "step@1", "the guard '1' does not match: it would have to be '0'"),
        ("abort", f"abort@{V1}", f"would have to be '{V2}'"),
        ("abort", "abort@a@b", "the guard 'a@b' does not match"),
        ("promote", "full@", "the guard '' does not match"),
        ("promote", "step@ 0", "the guard '' does not match"),
        ("retry", "retry", "not aborted"),
        ("resume", "resume", "not paused"),
    ],
)
def test_refused(verb: str, value: str, why: str) -> None:
    """What a person wrote and means nothing is refused with the reason, and nothing else changes."""
    change = heed(verb, value)
    (record,) = change.status.verbs
    assert record.outcome == "Refused"
    assert why in record.message
    assert dataclasses.replace(change.status, verbs=()) == heed_nothing()
    assert [note.reason for note in change.notes] == ["VerbRefused"]


@pytest.mark.parametrize("value", ["", "x"])
def test_a_record_has_what_its_schema_requires(value: str) -> None:
    """`kubectl annotate rollouts.io/abort=` writes an empty value: its record must not make the status unwritable."""
    written = heed("abort", value).status.to_json()["verbs"][0]
    assert written["value"] == value


def heed_nothing() -> RolloutStatus:
    """The status without any verb."""
    return a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2)).rollout.status


def test_an_absurdly_long_value_is_kept_short() -> None:
    """An annotation may be 256 kB; what is recorded and told of it is not, and two such values are told apart."""
    first, second = heed("abort", "x" * 200_000), heed("abort", "x" * 199_999 + "y")
    for change in (first, second):
        assert len(change.status.verbs[0].value) < 300
        assert len(change.status.verbs[0].message) < 400
        assert len(change.notes[0].message) < 500
    assert first.status.verbs[0].value != second.status.verbs[0].value


def test_a_long_reason_is_carried_out_once() -> None:
    """A value that is recorded shortened is recognised when it is still there."""
    value = "abort " + "because " * 1000
    status = heed("abort", value).status
    again = heed("abort", value, status=status.to_json())
    assert [type(action) for action in again.actions] == [PatchRollout]
    assert again.status.verbs == status.verbs


@pytest.mark.parametrize("value", ["abort", "abort@", "true"])
def test_an_applied_value_needs_a_guard(value: str) -> None:
    """Git would send it again with every apply."""
    (record,) = heed("abort", value, is_applied=True).status.verbs
    assert (record.outcome, "must say what it means" in record.message) == ("Refused", True)


def test_an_applied_value_waits_for_its_moment() -> None:
    """A guard that does not match yet is neither refused nor recorded."""
    change = heed("promote", "step@2", is_applied=True)
    assert (change.status.verbs, change.actions, change.notes) == ((), (), ())


def test_what_a_person_wrote_is_removed_what_was_applied_stays() -> None:
    """A person's annotation goes once it is answered; one from Git would only come back."""
    for is_applied, removals in ((False, 1), (True, 0)):
        value = f"abort@{V2}"
        status = heed("abort", value, is_applied=is_applied).status
        assert len(heed("abort", value, is_applied=is_applied, status=status.to_json()).actions) == removals


def test_the_same_value_written_again_counts_again() -> None:
    """By hand a value counts once for each time it was written."""
    status = heed("retry", "retry").status
    earlier = dataclasses.replace(status.verbs[0], requested_at=NOON.replace(hour=11))
    again = heed("retry", "retry", status={"verbs": dataclasses.replace(status, verbs=(earlier,)).to_json()["verbs"]})
    assert len(again.status.verbs) == 2


@pytest.mark.parametrize(
    ("verb", "value", "wish"),
    [("pause", "pause", {"paused": True}), ("restart", "restart", {"restartAt": "2026-01-01T12:00:00Z"})],
)
def test_a_verb_about_the_spec_is_recorded_before_it_is_carried_out(verb: str, value: str, wish: Json) -> None:
    """Accepted, then the patch, then Done: a crash in between neither loses nor repeats it."""
    accepted = heed(verb, value)
    assert (accepted.status.verbs[0].outcome, accepted.actions, accepted.is_final) == ("Accepted", (), True)
    carried = heed(verb, value, status=accepted.status.to_json())
    (patch,) = carried.actions
    assert isinstance(patch, PatchRollout)
    assert patch.patch == {"spec": wish}
    done = heed(verb, value, status=accepted.status.to_json(), **wish)
    assert done.status.verbs[0].outcome == "Done"


def test_without_a_memory_verbs_are_refused_and_removed() -> None:
    """Where the CRD drops status.verbs an annotation by hand goes at once, told by one Event."""
    key = naming.VERB_PREFIX + "abort"
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), annotations={key: "abort"})
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, keeps_verbs=False))
    first, second = (verbs.heed(turn, turn.rollout.status) for _ in range(2))
    assert first.status == turn.rollout.status
    assert len(first.actions) == 1
    assert [note.key for note in first.notes] == [note.key for note in second.notes]


def test_ten_records_are_kept_and_those_still_there() -> None:
    """The memory is bounded, but what an annotation may repeat is never forgotten."""
    old = [{"verb": "promote", "value": "step@9", "outcome": "Refused"}]
    old += [{"verb": "retry", "value": f"retry {index}", "outcome": "Refused"} for index in range(20)]
    keys = {naming.VERB_PREFIX + "promote": "step@9", naming.VERB_PREFIX + "abort": "abort"}
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), annotations=keys, status={"verbs": old})
    kept = [record.value for record in verbs.heed(turn, turn.rollout.status).status.verbs]
    assert kept == ["step@9"] + [f"retry {index}" for index in range(11, 20)] + ["abort"]


def test_abort_is_heard_first() -> None:
    """Of several verbs the abort is answered before all others."""
    annotations = {naming.VERB_PREFIX + verb: verb for verb in ("retry", "pause", "abort")}
    turn = a_turn(a_replica_set("v1", 8), a_replica_set("v2", 2), annotations=annotations)
    assert verbs.heed(turn, turn.rollout.status).status.abort
