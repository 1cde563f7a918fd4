"""A step plugin that is not there, or does not load, is refused before anything is made."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rollouts.api.status import RolloutStatus
from rollouts.core.decide import decide
from rollouts.core.observed import Seen
from rollouts.core.plan import Plan
from tests.builders import NOON, a_rollout, canary, parsed_rollout

STEP = {"plugin": {"name": "change"}}
WHERE = (
    'InvalidSpec: The Rollout "web" is invalid: spec.strategy.canary.steps[1].plugin.name: Invalid value: "change": '
)
HOW = "install the package that brings it beside the controller, and start the controller again"


def first_turn(installed: Mapping[str, str]) -> Plan[RolloutStatus]:
    rollout = parsed_rollout(a_rollout(canary(20, STEP)))
    return decide(Seen(rollout=rollout, problems=(), replica_sets=(), step_plugins=installed), now=NOON)


@pytest.mark.parametrize(
    ("installed", "why"),
    [
        ({}, f"there is no step plugin of this name (none is installed); {HOW}"),
        ({"b": "", "a": ""}, f"there is no step plugin of this name (installed are a, b); {HOW}"),
        ({"change": "ImportError: no module"}, "this step plugin cannot be used: ImportError: no module"),
    ],
)
def test_what_is_not_carried_out_is_refused(installed: Mapping[str, str], why: str) -> None:
    """The status names the field, what there is and what to do; no pod is made, since the plugin may be a gate."""
    plan = first_turn(installed)
    assert plan.actions == ()
    assert plan.status.message == f"{WHERE}{why}"


def test_a_plugin_that_is_installed_is_not_refused() -> None:
    """The Rollout gets its first version, whatever is wrong with plugins of others."""
    assert first_turn({"change": "", "broken": "SyntaxError"}).actions
