"""What makes an analysis impossible to run, in the words runs have always shown."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api import codec, validate_analysis
from rollouts.api.analysis import DryRun, Metric
from rollouts.api.findings import at


def a_metric(**members: Any) -> dict[str, Any]:
    return {"name": "m", "provider": {"prometheus": {"query": "up"}}, **members}


def first_error(*raw: dict[str, Any]) -> str | None:
    return validate_analysis.error([codec.decode(Metric, each, []) for each in raw])


def test_a_plain_metric_can_be_measured() -> None:
    assert first_error(a_metric()) is None
    assert first_error(a_metric(count="3", interval="10s", failureLimit=2)) is None


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"consecutiveSuccessLimit": -1}, "consecutiveSuccessLimit must be >= 0"),
        ({"failureLimit": -2}, "failureLimit must be >= 0, or -1 to be disabled"),
        ({"failureLimit": -1}, "failureLimit and consecutiveSuccessLimit cannot both be disabled"),
        ({"inconclusiveLimit": -1}, "inconclusiveLimit must be >= 0"),
        ({"consecutiveErrorLimit": -1}, "consecutiveErrorLimit must be >= 0"),
        (
            {"count": 2, "failureLimit": 2, "consecutiveSuccessLimit": 1, "interval": "1s"},
            "count (2) must be >= failureLimit + consecutiveSuccessLimit (2 + 1) if both >= 0",
        ),
        (
            {"count": 2, "failureLimit": -1, "consecutiveSuccessLimit": 3, "interval": "1s"},
            "count must be >= consecutiveSuccessLimit",
        ),
        ({"count": 1, "inconclusiveLimit": 2}, "count must be >= inconclusiveLimit"),
        ({"count": 2}, "interval must be specified when count > 1"),
        ({"interval": "soon"}, 'invalid interval string: "soon" is no duration such as 90s or 1h30m'),
        ({"initialDelay": "1d"}, 'invalid startDelay string: "1d" is no duration such as 90s or 1h30m'),
        ({"provider": {}}, "no provider specified"),
        ({"provider": {"prometheus": {}, "web": {}}}, "multiple providers specified"),
        ({"provider": {"plugin": {"a": {}, "b": {}}}}, "multiple providers specified"),
        ({"count": "many"}, "count must be a whole number, not 'many'"),
    ],
)
def test_rules_of_a_metric(members: dict[str, Any], message: str) -> None:
    assert first_error(a_metric(**members)) == f"metrics[0]: {message}"


def test_metrics_have_names_of_their_own() -> None:
    assert first_error() == "no metrics specified"
    assert first_error(a_metric(), a_metric()) == "metrics[1]: duplicate name 'm'"


def test_a_template_is_judged_whatever_its_arguments_will_be() -> None:
    """What depends on an argument is not compared; what does not, is."""
    depends = a_metric(count="{{args.n}}", interval="{{ args.every }}", consecutiveSuccessLimit=9, failureLimit=-1)
    assert list(validate_analysis.template_metrics([depends], at("spec.metrics"))) == []
    (finding,) = validate_analysis.template_metrics([{**depends, "provider": {}}], at("spec.metrics"))
    assert finding.path == "spec.metrics[0].provider"
    assert finding.message == "metrics[0]: no provider specified"


def test_placeholders_are_found_at_any_depth() -> None:
    raw = a_metric(successCondition="result < {{args.a}}", provider={"web": {"headers": [{"value": "x{{ args.b }}"}]}})
    assert validate_analysis.placeholders(raw) == {"a", "b"}


def test_name_rules_must_match_something() -> None:
    """They are regular expressions, not globs, and match anywhere in the name."""
    metrics = [codec.decode(Metric, a_metric(), [])]

    def messages(pattern: str) -> list[str]:
        rules = [DryRun(metric_name=pattern)]
        return [each.message for each in validate_analysis.name_rules(rules, metrics, at("spec.dryRun"))]

    assert messages(".*") == []
    assert messages("m") == []
    assert messages("other") == ["dryRun[0]: Rule didn't match any metric name(s)"]
    assert messages("*")[0].startswith("dryRun[0]: invalid regular expression")


def test_hostile_metrics_do_not_raise() -> None:
    hostiles: list[Any] = [None, 3, "x", [], {"provider": 3, "count": {}, "name": []}, {"count": "9" * 5000}]
    assert list(validate_analysis.template_metrics(hostiles, at("spec.metrics")))
