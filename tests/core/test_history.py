"""Which finished runs and Experiments are kept."""

from __future__ import annotations

import pytest

from rollouts.api.analysis import AnalysisRun
from rollouts.api.experiment import Experiment
from rollouts.api.parse import parse_analysis_run, parse_experiment
from rollouts.core import history, naming
from tests.builders import Json
from tests.core.turns import V2, a_replica_set, a_turn, pod_hash

PHASES = ("Successful", "Failed", "Successful", "Error", "Successful", "Inconclusive", "Running")
"""Of seven objects, `o0` is the oldest."""


def an_object(name: str, phase: str, *, version: str = V2, **meta: str) -> Json:
    """What an AnalysisRun and an Experiment have in common."""
    labels = {naming.POD_HASH_LABEL: version}
    return {"metadata": {"name": name, "namespace": "shop", "labels": labels, **meta}, "status": {"phase": phase}}


def as_run(raw: Json) -> AnalysisRun:
    return parse_analysis_run(raw).value


def as_experiment(raw: Json) -> Experiment:
    return parse_experiment(raw).value


def gone(limits: Json | None, *raws: Json, named: tuple[str, ...] = (), experiments: bool = False) -> list[str]:
    """The names of those that go."""
    turn = a_turn(a_replica_set("v2", 2), analysis=limits or {})
    if experiments:
        return [each.meta.name for each in history.excess(turn, [as_experiment(raw) for raw in raws], named=named)]
    return [each.meta.name for each in history.excess(turn, [as_run(raw) for raw in raws], named=named)]


@pytest.mark.parametrize("experiments", [False, True])
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (None, []),
        ({"successfulRunHistoryLimit": 1}, ["o0", "o2"]),
        ({"unsuccessfulRunHistoryLimit": 1}, ["o1", "o3"]),
        ({"successfulRunHistoryLimit": 0, "unsuccessfulRunHistoryLimit": 0}, ["o0", "o2", "o4", "o1", "o3", "o5"]),
    ],
)
def test_the_oldest_beyond_the_limits_go(*, limits: Json | None, expected: list[str], experiments: bool) -> None:
    """Passed ones and others have a limit each; what is not finished is no history."""
    raws = [an_object(f"o{index}", phase) for index, phase in enumerate(PHASES)]
    assert gone(limits, *raws, experiments=experiments) == expected


def test_five_of_each_are_kept_where_nothing_is_said() -> None:
    """As existing controllers keep them."""
    raws = [an_object(f"{phase}{index}", phase) for phase in ("Successful", "Failed") for index in range(6)]
    assert gone(None, *raws) == ["Successful0", "Failed0"]


def test_those_of_a_version_that_is_gone_go_with_it() -> None:
    """Whatever the limits; but what the status names stays, and what is being deleted needs no second word."""
    old = [an_object(name, "Failed", version=pod_hash("v0")) for name in ("old", "named")]
    deleted = an_object("deleted", "Failed", version=pod_hash("v0"), deletionTimestamp="2026-01-01T12:00:00Z")
    assert gone(None, *old, deleted, named=("named",)) == ["old"]
