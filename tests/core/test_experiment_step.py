"""The experiment step: which Experiment there is to be, what it is made of, what it proves and what traffic it gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from rollouts.api import parse
from rollouts.api.analysis import Phase, TemplateRef
from rollouts.api.experiment import Experiment
from rollouts.core import experiment_step, experiments, naming, references
from rollouts.core.actions import Action, CreateExperiment, DeleteExperiment, TerminateExperiment
from rollouts.core.observed import Unreadable
from rollouts.core.turn import Turn
from rollouts.ports import Destination
from tests.builders import Json, a_template, canary
from tests.core.turns import V1, V2, a_replica_set, a_turn

NAME = f"web-{V2}-2-1"
STEP: Json = {"templates": [{"name": "new", "specRef": "canary"}]}


def an_experiment(name: str = NAME, phase: str = "Running", *, steps: str = "", **members: Any) -> Experiment:
    """An Experiment of this Rollout; `steps` is the hash of those it was made for, if not of today's."""
    annotations = {naming.STEPS_MADE_FOR: steps} if steps else {}
    meta = {"name": name, "uid": f"uid-{name}", "labels": {naming.POD_HASH_LABEL: V2}, "annotations": annotations}
    spec, status = members.pop("spec", {}), members.pop("status", {})
    raw = {"metadata": {**meta, **members}, "spec": spec, "status": {"phase": phase, **status}}
    return parse.parse_experiment(raw).value


def at(
    seen: Sequence[Experiment] | Unreadable = (), *, step: Json | None = None, current: str = "", **fields: Any
) -> Turn:
    """A turn at the experiment, the second of three steps."""
    status, spec = fields.pop("status", {}), fields.pop("spec", {})
    turn = a_turn(
        a_replica_set("v1", 8),
        a_replica_set("v2", 2),
        strategy=canary(20, {"experiment": STEP if step is None else step}, 50, **fields.pop("canary", {})),
        status={"currentStepIndex": 1, "canary": {"currentExperiment": current}, **status},
        **spec,
    )
    experiments_seen = seen if isinstance(seen, Unreadable) else tuple(seen)
    return dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, experiments=experiments_seen, **fields))


def judged(turn: Turn) -> tuple[Any, tuple[Action, ...]]:
    change = experiment_step.judge(turn, turn.rollout.status)
    return change.status, change.actions


def created(turn: Turn) -> Json:
    """The one Experiment that a turn makes."""
    (action,) = [each for each in judged(turn)[1] if isinstance(each, CreateExperiment)]
    return dict(action.manifest)


@pytest.mark.parametrize(
    ("seen", "current", "taken", "name"),
    [
        ([], "", [], NAME),
        ([], NAME, [], NAME),
        ([], f"{NAME}-3", [], f"{NAME}-3"),
        ([], f"web-{V2}-2-0", [], NAME),
        ([an_experiment(phase="")], "", [], NAME),
        ([an_experiment(phase="Failed")], "", [], f"{NAME}-1"),
        ([an_experiment(spec={"terminate": True})], "", [], f"{NAME}-1"),
        ([an_experiment(deletionTimestamp="2026-01-01T12:00:00Z")], "", [], f"{NAME}-1"),
        ([an_experiment(steps="others")], "", [], f"{NAME}-1"),
        ([], "", [NAME, f"{NAME}-1"], f"{NAME}-2"),
        ([], NAME, [NAME], f"{NAME}-1"),
    ],
)
def test_which_name_an_experiment_gets(seen: list[Experiment], current: str, taken: list[str], name: str) -> None:
    """Law 33: derived from revision, step and attempt; what is there already of this very step is gone on with."""
    status, actions = judged(at(seen, current=current, experiment_names_taken=frozenset(taken)))
    assert status.canary.current_experiment == name
    assert [each.name for each in actions if isinstance(each, CreateExperiment)] == [name]


def test_one_that_runs_is_left_to_run() -> None:
    """Law 22: at rest nothing is written."""
    assert judged(at([an_experiment()], current=NAME))[1] == ()


def test_what_cannot_be_seen_is_not_absent() -> None:
    """Law 23: nothing is started, and it is looked at again."""
    turn = at(Unreadable(why="forbidden"), current=NAME)
    change = experiment_step.judge(turn, turn.rollout.status)
    assert (change.actions, change.status.canary.current_experiment) == ((), NAME)
    assert change.requeue_at is not None


@pytest.mark.parametrize(
    "status",
    [{"abort": True}, {"promoteFull": True}, {"stableRS": V2}, {"currentStepIndex": 2}, {"currentStepIndex": 0}],
    ids=str,
)
def test_a_step_that_is_left_ends_it(status: Json) -> None:
    """Whichever way; the status names it no longer."""
    seen = [an_experiment(), an_experiment("old", "Successful")]
    after, actions = judged(at(seen, status={"canary": {"currentExperiment": NAME}, **status}))
    assert actions == (TerminateExperiment(name=NAME),)
    assert after.canary.current_experiment == ""


def test_an_inconclusive_analysis_leaves_it_alone() -> None:
    """Nothing is started and nothing is ended while a person is waited for."""
    held = {"pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": "2026-01-01T12:00:00Z"}]}
    assert judged(at(status=held))[1] == ()
    assert judged(at([an_experiment("stray")], status=held))[1] == ()


def test_a_resume_runs_another_one() -> None:
    """After one that proved nothing; without a person nothing is run."""
    seen = [an_experiment(phase="Inconclusive")]
    held, actions = judged(at(seen, current=NAME))
    assert (held.pause_conditions[0].reason, actions) == ("InconclusiveExperiment", ())
    resumed, _ = judged(at(seen, current=NAME, status={"controllerPause": True, "canary": {"currentExperiment": NAME}}))
    assert resumed.canary.current_experiment == f"{NAME}-1"


UP = {"availableAt": "2026-01-01T12:00:00Z"}
TWO = [{"name": "a", "templateName": "t", "requiredForCompletion": True}, {"name": "b", "templateName": "t"}]


@pytest.mark.parametrize(
    ("phase", "spec", "status", "proven"),
    [
        ("", {}, {}, Phase.PENDING),
        ("odd", {}, {}, Phase.PENDING),
        ("Running", {}, {}, Phase.RUNNING),
        ("Failed", {}, {}, Phase.FAILED),
        ("Successful", {}, {}, Phase.SUCCESSFUL),
        ("Successful", STEP, {}, Phase.INCONCLUSIVE),
        ("Successful", STEP, UP, Phase.SUCCESSFUL),
        ("Successful", {"analyses": TWO}, {"analysisRuns": [{"name": "a", "phase": "Successful"}]}, Phase.SUCCESSFUL),
        ("Successful", {"analyses": TWO}, {"analysisRuns": [{"name": "b", "phase": "Successful"}]}, Phase.INCONCLUSIVE),
        (
            "Successful",
            {"analyses": TWO[1:]},
            {"analysisRuns": [{"name": "b", "phase": "Running"}]},
            Phase.INCONCLUSIVE,
        ),
    ],
)
def test_what_an_experiment_proves(phase: str, spec: Json, status: Json, proven: Phase) -> None:
    """Law 28: pods that were available, and a recorded pass of the analyses that count; else it proves nothing."""
    assert experiments.proven_phase(an_experiment(phase=phase, spec=spec, status=status))[0] is proven


def test_what_a_template_becomes() -> None:
    """The author's pods of the version it names, with what the step adds, and without what the controller put on."""
    step = {
        "duration": "10m",
        "scaleDownDelaySeconds": 5,
        "templates": [
            {"name": "old", "specRef": "stable", "replicas": 2, "service": {"name": "trial"}},
            {
                "name": "new",
                "specRef": "canary",
                "weight": 5,
                "metadata": {"labels": {"x": "y"}, "annotations": {"a": "b"}},
            },
            {"name": "own", "specRef": "canary", "selector": {"matchLabels": {"app": "own"}}},
        ],
    }
    worn = {naming.EPHEMERAL_METADATA: '{"labels":{"role":"canary"}}'}
    template = a_replica_set("v2").template
    dressed = {**template, "metadata": {"labels": {"app": "web", "role": "canary", naming.POD_HASH_LABEL: V2}}}
    turn = at(step=step, spec={"minReadySeconds": 3, "progressDeadlineSeconds": 77})
    sets = (a_replica_set("v1", 8), a_replica_set("v2", 2, template=dressed, annotations=worn, min_ready_seconds=3))
    turn = dataclasses.replace(turn, new=sets[1], seen=dataclasses.replace(turn.seen, replica_sets=sets))
    spec = created(turn)["spec"]
    assert {key: value for key, value in spec.items() if key != "templates"} == {
        "duration": "10m0s",
        "scaleDownDelaySeconds": 5,
        "progressDeadlineSeconds": 77,
    }
    old, new, own = spec["templates"]
    assert (old["replicas"], old["service"], old["template"]["spec"]["containers"][0]["image"]) == (
        2,
        {"name": "trial"},
        "v1",
    )
    assert (new["service"], new["minReadySeconds"]) == ({}, 3)
    assert new["template"]["metadata"] == {"labels": {"app": "web", "x": "y"}, "annotations": {"a": "b"}}
    assert new["selector"] == {"matchLabels": {"app": "web", "x": "y"}}
    assert own["selector"] == {"matchLabels": {"app": "own"}} and "service" not in own


def test_what_an_experiment_wears() -> None:
    """The Rollout's labels, the version's hash, the instance, the revision; and the Rollout controls it."""
    turn = at(instance_id="second")
    rollout = dataclasses.replace(turn.rollout, meta=dataclasses.replace(turn.rollout.meta, labels={"team": "shop"}))
    turn = dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, rollout=rollout))
    meta = created(turn)["metadata"]
    assert meta["labels"] == {"team": "shop", naming.POD_HASH_LABEL: V2, naming.INSTANCE_LABEL: "second"}
    assert meta["annotations"] == {naming.REVISION: "2", naming.STEPS_MADE_FOR: turn.step_hash}
    assert meta["ownerReferences"][0]["controller"] is True


def test_arguments_of_its_analyses_are_settled() -> None:
    """What the Rollout knows is filled in; what only the Experiment knows, and what is secret, stays."""
    hashes = {"podTemplateHashValue": "Stable"}
    args = [
        {"name": "old", "valueFrom": hashes},
        {"name": "name", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "pods", "value": "{{templates.new.podTemplateHash}}"},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    step = {**STEP, "analyses": [{"name": "compare", "templateName": "success-rate", "args": args}]}
    (analysis,) = created(at(step=step))["spec"]["analyses"]
    assert analysis["args"] == [{"name": "old", "value": V1}, {"name": "name", "value": "web"}, *args[2:]]


@pytest.mark.parametrize(
    ("analysis", "finding"),
    [
        ({"templateName": "gone"}, "spec.strategy.canary.steps[1].experiment.analyses[0].templateName: Invalid value"),
        (
            {"args": [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.gone"}}}]},
            "spec.strategy.canary.steps[1].experiment.analyses[0].args: Invalid value",
        ),
        ({}, ""),
    ],
)
def test_what_an_experiment_names_must_be_there(analysis: Json, finding: str) -> None:
    """Found before any pod is made."""
    step = {**STEP, "analyses": [{"name": "compare", "templateName": "success-rate", **analysis}]}
    template = parse.parse_analysis_template(a_template()).value
    turn = at(step=step, templates={TemplateRef(template_name="success-rate"): template})
    found = [each.text for each in references.problems(turn.seen, turn.canary)]
    assert [text.startswith(finding) for text in found] == ([True] if finding else [])


def test_history() -> None:
    """Finished ones beyond the limits go, oldest first, and those of versions that are gone; the current one stays."""
    limits = {"analysis": {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 0}}
    seen = [
        an_experiment("a", "Successful"),
        an_experiment("b", "Successful"),
        an_experiment("c", "Failed"),
        an_experiment("d", "Successful", labels={naming.POD_HASH_LABEL: "gone"}),
        an_experiment("e", "Running"),
        an_experiment(NAME, "Failed"),
    ]
    turn = at(seen, current=NAME, spec=limits)
    actions = experiment_step.forget(turn, turn.rollout.status).actions
    assert {each.name for each in actions if isinstance(each, DeleteExperiment)} == {"a", "c", "d"}


WEIGHED = {"templates": [{"name": "new", "specRef": "canary", "weight": 5, "replicas": 2}]}
THERE = {"name": "new", "status": "Running", "availableReplicas": 2, "serviceName": "trial", "podTemplateHash": "h"}


@pytest.mark.parametrize(
    ("phase", "said", "room", "share"),
    [
        ("Running", THERE, 80, 5),
        ("Running", {**THERE, "availableReplicas": 1}, 80, 0),
        ("Running", {**THERE, "status": "Progressing"}, 80, 0),
        ("Running", {**THERE, "serviceName": ""}, 80, 0),
        ("Running", {**THERE, "podTemplateHash": ""}, 80, 0),
        ("Pending", THERE, 80, 0),
        ("Successful", THERE, 80, 0),
        ("Running", THERE, 4, 0),
    ],
)
def test_which_share_of_traffic(phase: str, said: Json, room: int, share: int) -> None:
    """Law 1: only onto pods that are there, only as far as anything is left to give away."""
    seen = an_experiment(phase=phase, status={"templateStatuses": [said]})
    turn = at([seen], step=WEIGHED, current=NAME)
    found = experiments.destinations(turn, turn.rollout.status, room=room)
    assert found == ((Destination(service="trial", pod_hash="h", weight=5),) if share else ())


def test_a_share_stays_while_nobody_can_see_the_experiment() -> None:
    """What is on record stays in force; an abort takes it back nevertheless."""
    weights = {"canary": {"weight": 20}, "stable": {"weight": 75}}
    additional = [{"weight": 5, "serviceName": "trial", "podTemplateHash": "h"}]
    status: Json = {"canary": {"currentExperiment": NAME, "weights": {**weights, "additional": additional}}}
    for extra, share in (({}, 1), ({"abort": True}, 0)):
        turn = at(Unreadable(why="forbidden"), step=WEIGHED, status={**status, **extra})
        assert len(experiments.destinations(turn, turn.rollout.status, room=80)) == share
