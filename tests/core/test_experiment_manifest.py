"""What the Experiment of a canary's step asks for, as it is created."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api.rollout import ExperimentStep
from rollouts.core import experiment_manifest, naming
from tests.builders import Json, canary
from tests.core.turns import V1, V2, a_replica_set, a_turn

AN_ANALYSIS: Json = {"name": "compare", "templateName": "success-rate"}


def made(*templates: Json, **step: Any) -> Json:
    """The Experiment of a step over these templates."""
    wanted = {"experiment": {"templates": list(templates) or [{"name": "new", "specRef": "canary"}], **step}}
    old, new = a_replica_set("v1", 8), a_replica_set("v2", 2, min_ready_seconds=7)
    turn = a_turn(old, new, strategy=canary(wanted), progressDeadlineSeconds=90)
    (parsed,) = turn.steps
    assert isinstance(parsed, ExperimentStep)
    versions = {"stable": old, "canary": new}
    return dict(experiment_manifest.manifest(turn, turn.rollout.status, parsed, name="web-1", versions=versions))


def a_made_template(**fields: Any) -> Json:
    """The one template of an Experiment, made from a step's template with these members."""
    (template,) = made({"name": "new", "specRef": "canary", **fields})["spec"]["templates"]
    found: Json = template
    return found


def test_it_is_found_by_its_version_and_its_owner() -> None:
    """As existing clients find it: the hash of the version, its revision, and who owns it."""
    meta = made()["metadata"]
    assert meta["labels"][naming.POD_HASH_LABEL] == V2
    assert meta["annotations"][naming.REVISION] == "2"
    assert [(owner["kind"], owner["controller"]) for owner in meta["ownerReferences"]] == [("Rollout", True)]


@pytest.mark.parametrize(("ref", "image"), [("canary", "v2"), ("stable", "v1")])
def test_pods_are_those_of_the_version_that_is_named(ref: str, image: str) -> None:
    """As their author wrote them, for the Experiment to mark."""
    template = a_made_template(specRef=ref)
    assert template["template"]["spec"]["containers"][0]["image"] == image
    assert template["template"]["metadata"]["labels"] == {"app": "web"}
    assert template["selector"] == {"matchLabels": {"app": "web"}}
    assert template.get("minReadySeconds", 0) == (7 if ref == "canary" else 0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"replicas": 3}, {"replicas": 3}),
        ({"selector": {"matchLabels": {"app": "trial"}}}, {"selector": {"matchLabels": {"app": "trial"}}}),
        ({"metadata": {"labels": {"trial": "yes"}}}, {"selector": {"matchLabels": {"app": "web", "trial": "yes"}}}),
        ({"service": {"name": "trial"}}, {"service": {"name": "trial"}}),
        ({"service": {}}, {"service": {}}),
        ({"weight": 5}, {"service": {}}),
    ],
)
def test_what_a_template_of_the_step_adds(fields: Json, expected: Json) -> None:
    """Added labels select too, and a weight needs a Service to be sent to."""
    assert a_made_template(**fields).items() >= expected.items()


def test_added_metadata_is_worn() -> None:
    """Beside what the pods' author gave them."""
    worn = a_made_template(metadata={"labels": {"trial": "yes"}, "annotations": {"note": "n"}})["template"]["metadata"]
    assert worn == {"labels": {"app": "web", "trial": "yes"}, "annotations": {"note": "n"}}


@pytest.mark.parametrize(
    "step",
    [
        {"duration": "5m0s"},
        {"scaleDownDelaySeconds": 0},
        {"dryRun": [{"metricName": ".*"}]},
        {"analysisRunMetadata": {"labels": {"team": "a"}}},
        {"analyses": [AN_ANALYSIS]},
        {"analyses": [{**AN_ANALYSIS, "clusterScope": True, "requiredForCompletion": True}]},
        {"analyses": [{**AN_ANALYSIS, "args": [{"name": "x", "value": "{{templates.new.podTemplateHash}}"}]}]},
    ],
    ids=lambda step: next(iter(step)),
)
def test_members_of_the_step_are_handed_on(step: Json) -> None:
    """As they are."""
    spec = made(**step)["spec"]
    assert {name: spec[name] for name in step} == step


def test_the_deadline_is_the_rollouts() -> None:
    """The step has none of its own."""
    assert made()["spec"]["progressDeadlineSeconds"] == 90


def test_arguments_have_the_rollouts_values() -> None:
    """The two versions' hashes, and fields of the Rollout; who runs the Experiment could not know them."""
    sources = {
        "new": {"podTemplateHashValue": "Latest"},
        "old": {"podTemplateHashValue": "Stable"},
        "owner": {"fieldRef": {"fieldPath": "metadata.name"}},
    }
    args = [{"name": name, "valueFrom": source} for name, source in sources.items()]
    (analysis,) = made(analyses=[{**AN_ANALYSIS, "args": args}])["spec"]["analyses"]
    assert {arg["name"]: arg["value"] for arg in analysis["args"]} == {"new": V2, "old": V1, "owner": "web"}
