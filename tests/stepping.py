"""What steps of other kinds than pods and weights run into in a played cluster: runs, Experiments and step plugins.

Experiments are played by age: they become Running, say that their pods are there, and end as the settings have it, or
when they are asked to. Plugins answer at once, in the next snapshot. Nothing here knows when either is wanted.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any, assert_never

from rollouts.core import actions as act
from rollouts.core import plugin_answers
from rollouts.core.observed import StepAnswerSeen
from rollouts.lib import timestamps
from rollouts.ports import StepCall
from tests.builders import Json
from tests.cluster import Cluster, Settings

ENDED = ("Successful", "Failed", "Error", "Inconclusive")


class SteppedCluster(Cluster):
    """A cluster in which steps find what they ask for."""

    def __init__(self, rollout: Json, settings: Settings) -> None:
        super().__init__(rollout, settings)
        self.step_answers: list[StepAnswerSeen] = []
        self.calls: list[tuple[str, StepCall]] = []
        """What plugins were asked, each with the name of its method; a question that was lost is among them twice."""

    def fill(self) -> None:
        """Pods, and what becomes of Experiments."""
        super().fill()
        for raw in self.experiments.values():
            self._age(raw)

    def terminate_experiment(self, name: str) -> None:
        """End one early, as `kubectl argo rollouts terminate` does."""
        self.experiments[name]["spec"]["terminate"] = True
        self._touch(self.experiments[name])

    def _experiment_times(self) -> list[datetime]:
        return [
            _created(raw) + timedelta(seconds=age)
            for raw in self.experiments.values()
            for age in self.settings.experiment
        ]

    def _age(self, raw: Json) -> None:
        status = raw.get("status", {})
        if status.get("phase") in ENDED or not self.settings.experiment:
            return
        age = (self.now - _created(raw)).total_seconds()
        said = [text for since, text in sorted(self.settings.experiment.items()) if since <= age]
        phase, _, message = (said[-1] if said else "Pending").partition(": ")
        if raw["spec"].get("terminate"):
            phase, message = "Successful", ""
        after = {**status, "phase": phase, **({"message": message} if message else {})}
        if phase == "Running":
            after |= {"availableAt": timestamps.render(self.now)} if "availableAt" not in after else {}
            after["templateStatuses"] = [_running(raw["metadata"]["name"], each) for each in raw["spec"]["templates"]]
        named = [each["name"] for each in raw["spec"].get("analyses", [])]
        passed = phase if "availableAt" in after and not raw["spec"].get("terminate") else ""
        after["analysisRuns"] = [{"name": name, "phase": passed} for name in named]
        if after != status:
            raw["status"] = after
            self._touch(raw)

    def _carry_out_run(self, action: act.CreateAnalysisRun | act.TerminateAnalysisRun | act.DeleteAnalysisRun) -> None:
        match action:
            case act.CreateAnalysisRun():
                self._create(self.runs, action.name, action.manifest)
            case act.TerminateAnalysisRun():
                self._patch(self.runs, action.name, {"spec": {"terminate": True}}, None)
            case act.DeleteAnalysisRun():
                self._delete(self.runs, action.name, action.uid)
            case _:
                assert_never(action)

    def _carry_out_step(
        self, action: act.CreateExperiment | act.TerminateExperiment | act.DeleteExperiment | act.RunStepPlugin
    ) -> None:
        match action:
            case act.CreateExperiment():
                self._create(self.experiments, action.name, action.manifest)
            case act.TerminateExperiment():
                self._patch(self.experiments, action.name, {"spec": {"terminate": True}}, None)
            case act.DeleteExperiment():
                self._delete(self.experiments, action.name, action.uid)
            case act.RunStepPlugin():
                self._ask_plugin(action)
            case _:
                assert_never(action)

    def _ask_plugin(self, action: act.RunStepPlugin) -> None:
        question = (action.key, action.operation, action.ordinal)
        if any((each.key, each.operation, each.ordinal) == question for each in self.step_answers):
            return
        call = StepCall(
            key=action.key,
            operation=action.operation,
            rollout=copy.deepcopy(dict(action.rollout)),
            config=action.config,
            status=action.status,
            deadline_seconds=30,
        )
        method = "abort" if action.operation != "Run" else "start" if action.is_first else "poll"
        self.calls.append((method, call))
        with self._writing(f"ask {action.plugin}"):
            self.step_answers.append(self._answer(call, action.ordinal))
            self._version += 1  # an answer wakes the key, as a write would

    def _answer(self, call: StepCall, ordinal: int) -> StepAnswerSeen:
        fields: dict[str, Any] = {"key": call.key, "operation": call.operation, "ordinal": ordinal, "at": self.now}
        try:
            return StepAnswerSeen(answer=plugin_answers.fit(self.settings.plugin(call, ordinal)), **fields)
        except (RuntimeError, plugin_answers.Unfit) as error:
            return StepAnswerSeen(error=str(error), **fields)


def _created(raw: Json) -> datetime:
    created = timestamps.parse(raw["metadata"]["creationTimestamp"])
    assert created is not None
    return created


def _running(experiment: str, template: Json) -> Json:
    """What an Experiment says of a template whose pods are all there."""
    pods = template.get("replicas", 1)
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    said = {"name": template["name"], "status": "Running", **dict.fromkeys(counts, pods)}
    if "service" in template:
        name = template["service"].get("name", f"{experiment}-{template['name']}")
        said |= {"serviceName": name, "podTemplateHash": f"hash-of-{template['name']}"}
    return said
