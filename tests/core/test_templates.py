"""From templates to a run: collecting, flattening, arguments, the manifest, and what is found wrong beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api.analysis import AnalysisTemplate, TemplateRef
from rollouts.api.codec import Problem, decode
from rollouts.api.parse import parse_analysis_template
from rollouts.api.rollout import RolloutAnalysis
from rollouts.core.observed import Unreadable
from rollouts.core.templates import Known, RunOrder, TemplateError, build_run, collected, template_problems, unreadable
from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, parsed_rollout

PATH = "spec.strategy.canary.steps[0].analysis"


def a_ref(name: str, *, cluster: bool = False) -> TemplateRef:
    """A reference to a template."""
    return TemplateRef(template_name=name, cluster_scope=cluster)


def known(*raws: Json, cluster: tuple[Json, ...] = ()) -> dict[TemplateRef, AnalysisTemplate | Unreadable]:
    """Templates by reference."""
    found: dict[TemplateRef, AnalysisTemplate | Unreadable] = {}
    for raw in raws:
        found[a_ref(raw["metadata"]["name"])] = parse_analysis_template(raw).value
    for raw in cluster:
        parsed = parse_analysis_template({**raw, "kind": "ClusterAnalysisTemplate"}).value
        found[a_ref(raw["metadata"]["name"], cluster=True)] = parsed
    return found


def analysis(raw: Json) -> RolloutAnalysis:
    """The analysis of a step."""
    return decode(RolloutAnalysis, raw, [])


def built(raw: Json, templates: Known, **rollout: Any) -> Any:
    """The run of an analysis step."""
    order = RunOrder(
        name="web-abc-2-0",
        rollout=parsed_rollout(a_rollout(**rollout)),
        owner_reference={"kind": "Rollout", "name": "web", "uid": "rollout-uid"},
        labels={"rollouts-pod-template-hash": "abc", "rollout-type": "Step", "step-index": "0"},
        annotations={"rollout.argoproj.io/revision": "2"},
        latest_hash="abc",
        stable_hash="xyz",
    )
    return build_run(order, analysis(raw), templates)


def problems(raw: Json, templates: Known, *, is_background: bool = False) -> tuple[Problem, ...]:
    """What is wrong with an analysis."""
    rollout = parsed_rollout(a_rollout())
    return template_problems(analysis(raw), templates, rollout=rollout, path=PATH, is_background=is_background)


def messages(raw: Json, templates: Known, *, is_background: bool = False) -> list[str]:
    """The same, words only."""
    return [problem.message for problem in problems(raw, templates, is_background=is_background)]


def nested(*names: str, cluster: tuple[str, ...] = ()) -> list[Json]:
    """The templates a template names."""
    return [{"templateName": name} for name in names] + [
        {"templateName": name, "clusterScope": True} for name in cluster
    ]


def test_manifest() -> None:
    """A run says who owns it, what it is found by, and what it measures."""
    run = built(an_analysis("success-rate"), known(a_template()))
    assert (run["apiVersion"], run["kind"]) == ("argoproj.io/v1alpha1", "AnalysisRun")
    assert run["metadata"] == {
        "name": "web-abc-2-0",
        "namespace": "shop",
        "labels": {
            "rollouts-pod-template-hash": "abc",
            "rollout-type": "Step",
            "step-index": "0",
            "app": "web",
        },
        "annotations": {"rollout.argoproj.io/revision": "2"},
        "ownerReferences": [{"kind": "Rollout", "name": "web", "uid": "rollout-uid"}],
    }
    assert run["spec"] == {"metrics": [a_metric()]}


def test_run_metadata_is_added() -> None:
    """Labels and annotations of the analysis go on the run; the rollout's selector has the last word."""
    raw = an_analysis("success-rate") | {
        "analysisRunMetadata": {"labels": {"team": "a", "app": "other"}, "annotations": {"note": "n"}}
    }
    meta = built(raw, known(a_template()))["metadata"]
    assert (meta["labels"]["team"], meta["labels"]["app"], meta["annotations"]["note"]) == ("a", "web", "n")


def test_metrics_are_kept_as_written() -> None:
    """Placeholders, and members this version does not know, reach the run."""
    metric = a_metric(count="{{args.count}}", interval="5s", futureField={"x": 1})
    template = a_template("t", metric, args=[{"name": "count", "value": "3"}])
    assert built(an_analysis("t"), known(template))["spec"]["metrics"] == [metric]


def test_templates_are_collected_depth_first() -> None:
    """A template comes before those it names; each once; circles end."""
    templates = known(
        a_template("a", templates=nested("b", "c")),
        a_template("b", templates=nested("d", "a")),
        a_template("c", templates=nested("d")),
        a_template("d"),
    )
    refs = collected(analysis(an_analysis("a", "d")), templates)
    assert [ref.template_name for ref in refs] == ["a", "b", "d", "c"]


def test_namespaced_metrics_come_first() -> None:
    """Then those of cluster-wide templates; one name may be both kinds."""
    raw = {"templates": nested("x", cluster=("x",))[::-1]}
    templates = known(a_template("x", a_metric("near")), cluster=(a_template("x", a_metric("far")),))
    assert [metric["name"] for metric in built(raw, templates)["spec"]["metrics"]] == ["near", "far"]


def test_rules_of_the_rollout_come_before_the_template_s() -> None:
    """So that a later rule of the template has the last word."""
    raw = an_analysis("t") | {
        "dryRun": [{"metricName": ".*"}],
        "measurementRetention": [{"metricName": ".*", "limit": 2}],
    }
    template = a_template("t", dryRun=[{"metricName": "t"}], measurementRetention=[{"metricName": "t", "limit": 5}])
    spec = built(raw, known(template))["spec"]
    assert spec["dryRun"] == [{"metricName": ".*"}, {"metricName": "t"}]
    assert [rule["limit"] for rule in spec["measurementRetention"]] == [2, 5]


SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    ("declared", "given", "args"),
    [
        ([{"name": "a", "value": "1"}], [], [{"name": "a", "value": "1"}]),
        ([{"name": "a", "value": "1"}], [{"name": "a", "value": "2"}], [{"name": "a", "value": "2"}]),
        ([{"name": "a"}], [{"name": "a", "value": ""}], [{"name": "a", "value": ""}]),
        ([{"name": "a", "value": "1"}], [{"name": "b", "value": "2"}], [{"name": "a", "value": "1"}]),
        ([{"name": "a", "value": "1"}], [{"name": "a"}], [{"name": "a", "value": "1"}]),
        ([{"name": "a", "valueFrom": SECRET}], [], [{"name": "a", "valueFrom": SECRET}]),
        ([{"name": "a", "value": "1"}], [{"name": "a", "valueFrom": SECRET}], [{"name": "a", "valueFrom": SECRET}]),
        (
            [{"name": "a"}],
            [{"name": "a", "valueFrom": {"podTemplateHashValue": "Latest"}}],
            [{"name": "a", "value": "abc"}],
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "valueFrom": {"podTemplateHashValue": "Stable"}}],
            [{"name": "a", "value": "xyz"}],
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            [{"name": "a", "value": "web"}],
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "spec.replicas"}}}],
            [{"name": "a", "value": "10"}],
        ),
        (
            [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
            [],
            [{"name": "a", "value": "rollout-uid"}],
        ),
    ],
)
def test_arguments_are_settled(declared: list[Json], given: list[Json], args: list[Json]) -> None:
    """What the template declares, with the rollout's values; hashes and fields are read, Secrets only named."""
    raw = an_analysis("t") | {"args": given}
    assert built(raw, known(a_template("t", args=declared)))["spec"]["args"] == args


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        (known(), "AnalysisTemplate 'a' not found"),
        (known(a_template("a", templates=nested("gone"))), "AnalysisTemplate 'gone' not found"),
        (known(a_template("a", templates=nested(cluster=("a",)))), "ClusterAnalysisTemplate 'a' not found"),
        (
            known(a_template("a", a_metric("m"), templates=nested("b")), a_template("b", a_metric("m"))),
            "two metrics have the same name 'm'",
        ),
        (
            known(a_template("a", dryRun=[{"metricName": "a"}, {"metricName": "a"}])),
            "two Dry-Run metric rules have the same name 'a'",
        ),
        (
            known(a_template("a", measurementRetention=[{"metricName": "a", "limit": 1}] * 2)),
            "two Measurement Retention metric rules have the same name 'a'",
        ),
        (
            known(
                a_template("a", args=[{"name": "x", "value": "1"}], templates=nested("b")),
                a_template("b", args=[{"name": "x", "value": "2"}]),
            ),
            "Argument `x` specified multiple times with different values: '1', '2'",
        ),
        (known(a_template("a", args=[{"name": "x"}])), "args.x was not resolved"),
        (
            known(a_template("a", args=[{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}])),
            "invalid path spec.nope in rollout",
        ),
        (
            known(a_template("a", a_metric(interval="5s"))),
            "AnalysisTemplate a has metric success-rate which runs indefinitely. Invalid value for count: <nil>",
        ),
        (
            known(a_template("a", a_metric(count=2))),
            "AnalysisTemplate a: metrics[0]: interval must be specified when count > 1",
        ),
        (
            known(a_template("a", a_metric(success="{{args.x}}"))),
            "AnalysisTemplate a: failed to resolve {{args.x}}",
        ),
        (
            known(a_template("a", dryRun=[{"metricName": "zzz"}])),
            "AnalysisTemplate a: dryRun[0]: Rule didn't match any metric name(s)",
        ),
    ],
)
def test_what_is_wrong_is_found_beforehand(templates: Known, message: str) -> None:
    """Before a pod is made, at the path of the analysis; and no run is built from it."""
    assert problems(an_analysis("a"), templates) == (Problem(f"{PATH}.templates", message),)


def test_unreadable_part_of_a_template_is_found() -> None:
    """A list that is none is not an empty one."""
    template = a_template("a", dryRun="all")
    assert messages(an_analysis("a"), known(template))[0].startswith("AnalysisTemplate a: dryRun must be a list")


def test_sound_templates_have_no_problems() -> None:
    """Values, defaults, later values for open arguments, hashes to come and Secrets are all fine."""
    arguments = [
        {"name": "x"},
        {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "token", "valueFrom": SECRET},
    ]
    provider = {"prometheus": {"query": "{{args.hash}}", "headers": [{"key": "a", "value": "{{args.token}}"}]}}
    template = a_template(
        "a", a_metric(success="result[0] > {{args.x}}", provider=provider), args=arguments, templates=nested("b")
    )
    other = a_template("b", a_metric("other", count="{{args.x}}"), args=[{"name": "x", "value": "1"}])
    assert messages(an_analysis("a"), known(template, other)) == []


def test_background_analysis_may_run_for_ever() -> None:
    """It ends with the rollout."""
    assert messages(an_analysis("a"), known(a_template("a", a_metric(interval="5s"))), is_background=True) == []


def test_unreadable_template_is_no_problem_of_the_spec() -> None:
    """A failed read is never an absence: nobody knows, so nothing is found, and no run is built."""
    templates = known(a_template("a", templates=nested("b"))) | {a_ref("b"): Unreadable(why="timeout")}
    raw = an_analysis("a")
    assert messages(raw, templates) == []
    assert unreadable(analysis(raw), templates) == Unreadable(why="AnalysisTemplate 'b': timeout")
    with pytest.raises(TemplateError, match="timeout"):
        built(raw, templates)


def test_no_run_is_built_from_missing_templates() -> None:
    """The caller looks first; whoever does not is told."""
    with pytest.raises(TemplateError, match="'gone' not found"):
        built(an_analysis("gone"), known())
