"""What pods wear for their part must be possible, and leave them the Rollout's."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api import parse, validate
from tests.builders import Json, a_pod_template, a_rollout, canary

HASH = "rollouts-pod-template-hash"


def findings(strategy: Json, **spec: Any) -> list[tuple[str, str]]:
    """Where something is wrong, and what."""
    parsed = parse.parse_rollout(a_rollout(strategy, **spec))
    return [(finding.path, finding.message) for finding in validate.validate(parsed)]


@pytest.mark.parametrize(
    ("metadata", "place", "words"),
    [
        ({"labels": {"role": "a b"}}, "labels", "a valid label must be"),
        ({"labels": {"-": "a"}}, "labels", "name part must consist of"),
        ({"annotations": {"a b": "x"}}, "annotations", "name part must consist of"),
        ({"labels": {HASH: "x"}}, "labels", "only the controller sets it"),
        ({"labels": {"app": "canary"}}, "labels", "`selector` does not match"),
    ],
)
def test_what_a_replica_set_could_not_have_is_refused(metadata: Json, place: str, words: str) -> None:
    """By the strategy's own field, before any pod is made."""
    (found,) = findings(canary(20, canaryMetadata=metadata))
    assert found[0] == f"spec.strategy.canary.canaryMetadata.{place}"
    assert words in found[1]
    blue_green = {"blueGreen": {"activeService": "a", "activeMetadata": metadata}}
    (found,) = findings(blue_green)
    assert found[0] == f"spec.strategy.blueGreen.activeMetadata.{place}"


def test_what_pods_are_selected_by_may_be_repeated() -> None:
    """A label of the selector with the value it has, or another that the selector takes, changes nothing."""
    metadata = {"labels": {"app": "web", "role": "canary"}}
    roles = [{"key": "role", "operator": "In", "values": ["canary", "stable"]}]
    template = a_pod_template()
    template["metadata"]["labels"]["role"] = "stable"
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": roles}
    assert findings(canary(20, canaryMetadata=metadata), selector=selector, template=template) == []
