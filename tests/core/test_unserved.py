"""What is valid but not carried out is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.core.decide import decide
from rollouts.core.observed import Seen
from tests.builders import NOON, Json, a_rollout, canary, parsed_rollout

CASES: list[tuple[str, Json, Json]] = [
    ("spec.strategy.canary.steps[1]", canary(20, {"experiment": {"templates": []}}), {}),
    ("spec.strategy.canary.steps[1]", canary(20, {"plugin": {"name": "a"}}), {}),
]


@pytest.mark.parametrize(("path", "strategy", "spec"), CASES, ids=[path for path, _, _ in CASES])
def test_what_is_not_carried_out_is_refused(path: str, strategy: Json, spec: dict[str, Any]) -> None:
    """The status names the field, and no pod is made: half a strategy is worse than none."""
    rollout = parsed_rollout(a_rollout(strategy, **spec))
    plan = decide(Seen(rollout=rollout, problems=(), replica_sets=()), now=NOON)
    assert plan.actions == ()
    assert plan.status.message.startswith("InvalidSpec: ")
    assert f"{path}: Forbidden: not carried out by this version of the controller" in plan.status.message


def test_what_is_carried_out_is_not_refused() -> None:
    """The same Rollout without those members gets its first version."""
    rollout = parsed_rollout(a_rollout(canary(20, {"pause": {}})))
    assert decide(Seen(rollout=rollout, problems=(), replica_sets=()), now=NOON).actions
