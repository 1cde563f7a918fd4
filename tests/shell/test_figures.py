"""What the metrics say of updates and templates."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core.plan import Plan
from rollouts.runtime import figures
from rollouts.runtime.cache import Change
from rollouts.runtime.turns import Turn
from rollouts.telemetry import Telemetry
from tests.shell.objects import a_rollout, a_template, entry

BEGAN = {"rolloutStartedAt": "2026-01-01T00:00:00Z"}
ENDED = {"finishedAt": "2026-01-01T00:10:00Z", "completionStatus": "Promoted", "totalManualPauseDurationSeconds": 240}


def a_turn(before: dict[str, Any], after: dict[str, Any]) -> Turn:
    plan: Plan[Any] = Plan(actions=(), status=None, requeue_at=None, notes=())
    return Turn(entry=entry(a_rollout()), plan=plan, before={"duration": before}, after={"duration": after})


def sums(telemetry: Telemetry) -> dict[str, float]:
    """Sum of each duration histogram, by name and status."""
    lines = [line for line in telemetry.render().decode().splitlines() if "duration_seconds_sum{" in line]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_an_update_that_ends_is_counted_once() -> None:
    """In all, without waiting for people, and the waiting; not again while it stays ended."""
    telemetry = Telemetry(version="test")
    ended = {**BEGAN, **ENDED}
    for before, after in ((BEGAN, BEGAN), (BEGAN, ended), (ended, ended)):
        figures.show_update(telemetry, a_turn(before, after))
    assert sums(telemetry) == {
        'rollout_duration_seconds_sum{status="Promoted"}': 600,
        'rollout_progression_duration_seconds_sum{status="Promoted"}': 360,
        'rollout_manual_pause_duration_seconds_sum{status="Promoted"}': 240,
    }


def test_an_update_that_is_replaced_is_counted_as_superseded() -> None:
    """Up to the moment when the next began, with the wait that was going on."""
    telemetry = Telemetry(version="test")
    waiting = {**BEGAN, "manualPauseStartedAt": "2026-01-01T00:01:00Z"}
    figures.show_update(telemetry, a_turn(waiting, {"rolloutStartedAt": "2026-01-01T00:03:00Z"}))
    assert sums(telemetry)['rollout_progression_duration_seconds_sum{status="Superseded"}'] == 60


@pytest.mark.parametrize("before", [{}, {"rolloutStartedAt": 7}, {"rolloutStartedAt": "soon"}])
def test_what_never_began_does_not_end(before: dict[str, Any]) -> None:
    """A status that somebody else wrote is not trusted."""
    telemetry = Telemetry(version="test")
    figures.show_update(telemetry, a_turn(before, {**BEGAN, **ENDED}))
    assert sums(telemetry) == {}


def test_a_run_is_shown_with_its_metrics() -> None:
    """Its phase, and of each metric the provider, whether it counts, and the verdict; gone with the run."""
    telemetry = Telemetry(version="test")
    telemetry.show_run("shop", "web-1", phase="Running", metrics=[("errors", "prometheus", "false", "Running")])
    telemetry.show_run("shop", "web-1", phase="Failed", metrics=[("errors", "prometheus", "false", "Failed")])
    lines = [line for line in telemetry.render().decode().splitlines() if 'name="web-1"' in line]
    where, what = 'name="web-1",namespace="shop"', 'dry_run="false",metric="errors"'
    assert sorted(lines) == [
        f'analysis_run_info{{{where},phase="Failed"}} 1.0',
        f'analysis_run_metric_phase{{{what},{where},phase="Failed",type="prometheus"}} 1.0',
        f'analysis_run_metric_type{{metric="errors",{where},type="prometheus"}} 1.0',
    ]
    telemetry.forget("analysis_run", "shop", "web-1")
    assert 'name="web-1"' not in telemetry.render().decode()


def test_the_length_of_a_queue_is_that_of_the_moment() -> None:
    """It is asked for when somebody looks."""
    telemetry, waiting = Telemetry(version="test"), ["web"]
    telemetry.show_depth("Rollout", lambda: len(waiting))
    waiting.append("shop")
    assert 'controller_queue_depth{kind="Rollout"} 2.0' in telemetry.render().decode()


def test_templates_are_shown_while_they_exist() -> None:
    """With their metrics; a malformed one with what can be read."""
    telemetry = Telemetry(version="test")
    template = entry(a_template("ok", metrics=[{"name": "errors", "provider": {"prometheus": {}}}, 7]))
    figures.show_template(telemetry, Change(None, template))
    text = telemetry.render().decode()
    assert 'analysis_template_info{name="ok",namespace="default"} 1.0' in text
    assert 'metric="errors",name="ok",namespace="default",type="prometheus"' in text
    figures.show_template(telemetry, Change(template, None))
    assert 'name="ok"' not in telemetry.render().decode()
    odd = dataclasses.replace(template, object={**template.object, "spec": {"metrics": 7}}, memo={})
    figures.show_template(telemetry, Change(None, odd))
