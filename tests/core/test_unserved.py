"""What is valid but not carried out is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.core.decide import decide
from rollouts.core.observed import Seen
from tests.builders import NOON, Json, a_rollout, canary, parsed_rollout

ROUTING: Json = {"plugins": {"a": {}}}
CASES: list[tuple[str, Json, Json]] = [
    ("spec.workloadRef", canary(20), {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}),
    ("spec.strategy.blueGreen", {"blueGreen": {"activeService": "web"}}, {}),
    ("spec.strategy.canary.trafficRouting", canary(20, trafficRouting=ROUTING), {}),
    ("spec.strategy.canary.canaryService", canary(20, canaryService="canary"), {}),
    ("spec.strategy.canary.stableService", canary(20, stableService="stable"), {}),
    ("spec.strategy.canary.pingPong", canary(20, pingPong={"pingService": "a", "pongService": "b"}), {}),
    ("spec.strategy.canary.canaryMetadata", canary(20, canaryMetadata={"labels": {"a": "b"}}), {}),
    ("spec.strategy.canary.stableMetadata", canary(20, stableMetadata={"labels": {"a": "b"}}), {}),
    (
        "spec.strategy.canary.antiAffinity",
        canary(20, antiAffinity={"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1}}),
        {},
    ),
    ("spec.strategy.canary.steps[1]", canary(20, {"experiment": {"templates": []}}), {}),
    ("spec.strategy.canary.steps[1]", canary(20, {"setCanaryScale": {"replicas": 1}}), {}),
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
