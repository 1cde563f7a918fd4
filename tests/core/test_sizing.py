"""How long a version stays that nothing leads to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollouts.core import naming, sizing
from rollouts.lib import timestamps
from tests.builders import NOON
from tests.core.turns import a_replica_set


@pytest.mark.parametrize(
    ("end", "delay", "size", "deadline"),
    [
        ("", 0, 0, None),
        ("", 30, 4, 30),
        ("", 100_000, 4, 100_000),
        ("no time at all", 30, 4, 30),
        (timestamps.render(NOON + timedelta(seconds=1)), 30, 4, 1),
        (timestamps.render(NOON + timedelta(hours=9)), 30, 4, 9 * 3600),
        (timestamps.render(NOON), 30, 0, None),
        (timestamps.render(NOON - timedelta(days=9)), 30, 0, None),
    ],
)
def test_a_version_stays_until_its_end(end: str, delay: int, size: int, deadline: int | None) -> None:
    """Its end is stored when it begins to wait; one that nobody can read is set again, and none ends early."""
    annotations = {naming.SCALE_DOWN_DEADLINE: end} if end else {}
    leaving = sizing.until_end(a_replica_set("v1", 4, annotations=annotations), delay_seconds=delay, now=NOON)
    assert leaving.size == size
    assert leaving.deadline == (None if deadline is None else NOON + timedelta(seconds=deadline))
