"""Templates of an experiment step: each has a name of its own, and pods to run."""

from __future__ import annotations

import pytest

from rollouts.api import parse, validate
from tests.builders import Json, a_rollout, canary

WHERE = "spec.strategy.steps[0].experiment.templates"


@pytest.mark.parametrize(
    ("templates", "findings"),
    [
        ([{"name": "a", "specRef": "canary"}, {"name": "b", "specRef": "stable"}], []),
        (
            [{"name": "a", "specRef": "other"}],
            [f'{WHERE}[0].specRef: Invalid value: "other": Invalid template step SpecRef: must be canary or stable'],
        ),
        (
            [{"name": "a"}],
            [f'{WHERE}[0].specRef: Invalid value: "": Invalid template step SpecRef: must be canary or stable'],
        ),
        ([{"specRef": "stable"}], [f"{WHERE}[0].name: Required value"]),
        ([{"name": "a", "specRef": "stable"}] * 2, [f'{WHERE}[1].name: Duplicate value: "a"']),
    ],
)
def test_templates_of_an_experiment(templates: list[Json], findings: list[str]) -> None:
    """Found before any pod is made; the CRDs of others let all of it pass."""
    found = validate.validate(parse.parse_rollout(a_rollout(canary({"experiment": {"templates": templates}}))))
    assert [each.text for each in found] == findings
