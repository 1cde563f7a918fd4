"""Reading objects: complete, tolerant, and exact about what could not be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollouts.api import codec, parse
from rollouts.api.analysis import Metric
from rollouts.api.codec import Problem
from rollouts.api.rollout import AnalysisStep, CanaryStrategy, Pause, RolloutSpec, SetCanaryScale, SetWeight
from rollouts.api.status import RolloutStatus
from rollouts.lib.intstr import IntOrPercent


def a_rollout(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec}


def test_a_canary_is_read_into_types() -> None:
    steps = [
        {"setWeight": 20},
        {"pause": {"duration": "1h"}},
        {"pause": {"duration": "90"}},
        {"pause": {}},
        {"analysis": {"templates": [{"templateName": "rate"}], "args": [{"name": "a", "value": "b"}]}},
        {"setCanaryScale": {"matchTrafficWeight": True}},
    ]
    canary = {
        "maxSurge": "30%",
        "maxUnavailable": 0,
        "steps": steps,
        "trafficRouting": {"nginx": {"stableIngress": "i"}},
    }
    parsed = parse.parse_rollout(a_rollout(replicas=3, strategy={"canary": canary}))
    assert parsed.problems == ()
    strategy = parsed.value.spec.strategy
    assert isinstance(strategy, CanaryStrategy)
    assert strategy.max_surge == IntOrPercent("30%")
    assert strategy.max_unavailable == IntOrPercent(0)
    assert strategy.traffic_routing is not None
    assert strategy.traffic_routing.routers == {"nginx": {"stableIngress": "i"}}
    weight, hour, digits, forever, analysis, scale = strategy.steps
    assert weight == SetWeight(weight=20)
    assert (hour, digits, forever) == (Pause(duration=3600), Pause(duration=90), Pause(duration=None))
    assert isinstance(analysis, AnalysisStep)
    assert analysis.analysis.templates[0].template_name == "rate"
    assert scale == SetCanaryScale(match_traffic_weight=True)


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ({"replicas": "x"}, "spec.replicas", "must be an integer, not 'x'"),
        ({"replicas": True}, "spec.replicas", "must be an integer, not True"),
        ({"template": "x"}, "spec.template", "must be an object, not 'x'"),
        ({"restartAt": "soon"}, "spec.restartAt", "must be an RFC 3339 time, not 'soon'"),
        (
            {"strategy": {"canary": {"maxSurge": "many"}}},
            "spec.strategy.canary.maxSurge",
            "must be an integer or a percentage, not 'many'",
        ),
        (
            {"strategy": {"canary": {"steps": [{"setWeight": "a"}]}}},
            "spec.strategy.canary.steps[0].setWeight",
            "must be an integer, not 'a'",
        ),
        ({"strategy": {"canary": {"steps": {"a": 1}}}}, "spec.strategy.canary.steps", "must be a list, not an object"),
    ],
)
def test_a_problem_names_its_path(spec: dict[str, Any], path: str, message: str) -> None:
    parsed = parse.parse_rollout(a_rollout(**spec))
    assert parsed.problems == (Problem(path, message),)


def test_an_unreadable_step_keeps_its_place_and_holds() -> None:
    """The steps after it keep their index; the step itself waits for a person."""
    strategy = {"canary": {"steps": [{"nonsense": 1}, {"setWeight": 5}, 7]}}
    spec = parse.parse_rollout(a_rollout(strategy=strategy)).value.spec
    assert isinstance(spec.strategy, CanaryStrategy)
    assert spec.strategy.steps == (Pause(duration=None), SetWeight(weight=5), Pause(duration=None))


def test_one_bad_leaf_costs_only_that_leaf() -> None:
    parsed = parse.parse_rollout(a_rollout(replicas="x", paused=True, minReadySeconds=3))
    assert parsed.value.spec == RolloutSpec(paused=True, min_ready_seconds=3)


def test_placeholders_in_metrics_wait_for_their_arguments() -> None:
    raw = {"name": "m", "interval": "{{args.every}}", "count": "{{args.n}}", "provider": {"prometheus": {}}}
    problems: list[Problem] = []
    metric = codec.decode(Metric, raw, problems)
    assert problems == []
    assert metric.interval is None
    assert metric.count == "{{args.n}}"
    assert metric.raw == raw


def test_an_interval_lasts_at_least_a_second() -> None:
    """Nothing is measured without end and without pause."""
    for text in ("500ms", "0s", "-5s", "1s"):
        assert codec.decode(Metric, {"interval": text}, []).interval == 1
    assert codec.decode(Metric, {"initialDelay": "-5s"}, []).initial_delay == 0


def test_a_status_survives_reading_and_writing() -> None:
    """Times, tri-states, zeros and members this version does not know come out as they went in."""
    status = {
        "observedGeneration": "4",
        "HPAReplicas": 3,
        "replicas": 3,
        "updatedReplicas": 0,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "stableRS": "abc",
        "currentStepIndex": 0,
        "collisionCount": 0,
        "abort": True,
        "abortedAt": "2026-01-02T03:04:05Z",
        "conditions": [{"type": "Progressing", "status": "True", "lastUpdateTime": "2026-01-02T03:04:05Z"}],
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-02T03:04:05Z"}],
        "canary": {"weights": {"canary": {"weight": 0}, "stable": {"weight": 100}, "verified": False}},
        "notOurs": {"a": [1]},
    }
    read = RolloutStatus.from_json(status)
    assert read.aborted_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read.to_json() == status
    assert RolloutStatus.from_json(read.to_json()) == read


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "status", "metadata", "strategy", "canary", "steps", "pause", "labels", "metrics", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), JSON))
def test_no_object_can_make_parsing_fail(raw: dict[str, Any]) -> None:
    for parser in parse.PARSERS.values():
        value = parser(raw).value
        codec.encode(value.spec)
        assert value.raw is raw
