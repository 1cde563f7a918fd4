"""What every metric provider keeps, whatever its backend: one row per provider.

A provider is called in a thread with whatever a user wrote, about a backend in whatever state. It answers with a
reading; it does not raise, and it shows no secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.core.expression import moment
from rollouts.ports import MetricProvider, Pending, Query, Reading, instant
from rollouts.providers.prometheus import Prometheus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "hunter2"
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Row:
    """A provider, and a section of its own that leads nowhere."""

    name: str
    make: Callable[[], MetricProvider]
    section: dict[str, Any]


ROWS = [
    Row(
        name="prometheus",
        make=lambda: Prometheus(moment=moment, clock=time.monotonic),
        section={
            "address": NOWHERE,
            "query": f"up{{key='{SECRET}'}}",
            "timeout": 1,
            "headers": [{"key": "Authorization", "value": f"Bearer {SECRET}"}],
            "rangeQuery": {"start": "now()", "end": "now()", "step": "1m"},
            "authentication": {"basicAuth": {"username": "u", "password": SECRET}},
            "insecure": False,
        },
    ),
]
every_provider = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def a_query(section: Any, now: datetime = NOON) -> Query:
    """A query with this section."""
    return Query(config=section, now=now, deadline_seconds=1, secrets=(SECRET,))


def asked(provider: MetricProvider, section: Any) -> Reading:
    """The answer, which must come at once."""
    reading = provider.begin(a_query(section))
    assert isinstance(reading, Reading)
    return reading


@every_provider
def test_backend_that_is_not_there_is_an_error(row: Row) -> None:
    """Nobody listening is a reading with an error and no value."""
    reading = asked(row.make(), row.section)
    assert reading.error
    assert (reading.value, reading.text) == (None, "")


@every_provider
def test_no_secret_is_shown(row: Row) -> None:
    """Neither by what the provider answers nor by how a query prints."""
    assert SECRET not in repr(asked(row.make(), row.section))
    assert SECRET not in repr(a_query(row.section))


@every_provider
def test_missing_members_are_errors(row: Row) -> None:
    """A section without any one of its members still ends in a reading."""
    provider = row.make()
    for name in row.section:
        assert asked(provider, {key: value for key, value in row.section.items() if key != name}).error


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(SECRET)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=3,
)


@every_provider
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_junk_in_any_member_is_an_error(row: Row, data: st.DataObject) -> None:
    """Whatever is written in a member: a reading with an error, and no secret in it."""
    name = data.draw(st.sampled_from(sorted(row.section)))
    section = row.section | {name: data.draw(JUNK)}
    reading = asked(row.make(), section)
    assert reading.error
    assert SECRET not in repr(reading)


@every_provider
def test_cancel_never_fails(row: Row) -> None:
    """Also for a question that is not known."""
    row.make().cancel(a_query(row.section), Pending(resume_at=NOON))


def test_plain_function_is_a_provider() -> None:
    """Most backends answer at once: asking is all there is."""
    provider = instant(lambda query: Reading(value=query.config["x"], text="x"))
    query = a_query({"x": 5.0})
    assert provider.begin(query) == provider.resume(query, Pending(resume_at=NOON)) == Reading(value=5.0, text="x")
    provider.cancel(query, Pending(resume_at=NOON))


def test_longer_secrets_are_redacted_first() -> None:
    """A secret that contains another leaves nothing behind; an empty one hides nothing."""
    query = Query(config={}, now=NOON, deadline_seconds=1, secrets=("", "abc", "abcdef"))
    assert query.redact("abcdef abc x") == "***** ***** x"
