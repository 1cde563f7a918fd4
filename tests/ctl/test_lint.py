"""Rollouts are held against what they refer to in the files: Services, Ingresses, workloads, and each other."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from rollouts.ctl.lint import lint
from tests.builders import Json, a_deployment, a_rollout, blue_green, canary, pause, referring
from tests.ctl.families import CONTROLLER, a_road, a_service, routed


class Files:
    """Lints objects as one file, and gives the words of the report without file and line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *objects: Json) -> list[str]:
        path = self._folder / "all.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        out = io.StringIO()
        lint([str(path)], out, CONTROLLER)
        return [line.split(": ", 1)[1] for line in out.getvalue().splitlines()]


@pytest.fixture
def report(tmp_path: Path) -> Files:
    return Files(tmp_path)


def a_routed_rollout(section: Json | None = None) -> Json:
    """A canary behind the Ingress `web`."""
    rollout = a_rollout(routed(20, pause()))
    if section is not None:
        rollout["spec"]["strategy"]["canary"]["trafficRouting"]["nginx"] = section
    return rollout


def test_a_whole_story_is_sound(report: Files) -> None:
    """Whatever is named is there and fits; what is not in the files may be in the cluster."""
    assert report(a_routed_rollout(), *a_road()) == []
    assert report(a_routed_rollout()) == []
    assert report(referring(a_rollout(blue_green())), a_deployment(), a_service("web-active")) == []
    assert report(referring(a_rollout(blue_green()))) == []


def test_a_routers_section_is_held_against_its_own_rules(report: Files) -> None:
    """With the path that its router gives."""
    (told,) = report(a_routed_rollout({"stableIngress": "web", "annotationPrefix": "a b"}))
    assert "spec.strategy.canary.trafficRouting.nginx.annotationPrefix: " in told


def test_a_router_that_is_not_carried_out_is_refused(report: Files) -> None:
    """As the controller refuses it."""
    rollout = a_routed_rollout()
    rollout["spec"]["strategy"]["canary"]["trafficRouting"] = {"smi": {}}
    (told,) = report(rollout)
    assert told.startswith("spec.strategy.canary.trafficRouting.smi: Forbidden: not carried out by this version")


def test_a_step_plugin_that_is_not_installed_here_is_a_warning(tmp_path: Path) -> None:
    """It may be installed beside the controller, so nothing fails for it."""
    path, out = tmp_path / "all.yaml", io.StringIO()
    path.write_text(yaml.safe_dump(a_rollout(canary({"plugin": {"name": "change"}}, {"plugin": {"name": "gone"}}))))
    assert lint([str(path)], out, CONTROLLER) == 0
    (told,) = out.getvalue().splitlines()
    assert 'warning: spec.strategy.canary.steps[1].plugin.name: Invalid value: "gone": not installed here' in told


def test_an_ingress_is_held_against_the_router(report: Files) -> None:
    """It must have a rule to split."""
    canary, stable, ingress = a_road()
    (told,) = report(a_routed_rollout(), canary, stable, {**ingress, "spec": {"rules": []}})
    assert "trafficRouting.nginx.stableIngress: " in told
    assert "has no rules using service web-stable backend" in told


def test_services_are_held_against_the_workloads_template(report: Files) -> None:
    """It is where the labels are; and its own selector is checked as any."""
    rollout, stray = referring(a_rollout(blue_green())), a_service("web-active")
    stray["spec"]["selector"] = {"app": "shop"}
    (told,) = report(rollout, a_deployment(), stray)
    assert 'spec.strategy.blueGreen.activeService: Invalid value: "web-active": ' in told
    deployment = a_deployment()
    deployment["spec"]["template"]["metadata"]["labels"] = {"app": "shop"}
    assert any("`selector` does not match template `labels`" in line for line in report(rollout, deployment))


def test_a_reference_that_can_mean_nothing(report: Files) -> None:
    """Its kind has no pod template."""
    rollout = referring(a_rollout(blue_green()))
    rollout["spec"]["workloadRef"]["kind"] = "DaemonSet"
    assert any("workload of type apps/DaemonSet is not supported" in line for line in report(rollout))


def test_arguments_of_an_experiment_must_have_a_value(report: Files) -> None:
    """Its templates may be anywhere."""
    args = [{"name": "service", "valueFrom": {"fieldRef": {"fieldPath": "spec.nothing"}}}]
    analyses = [{"name": "rate", "templateName": "elsewhere", "args": args}]
    step = {"experiment": {"templates": [{"name": "a", "specRef": "stable"}], "analyses": analyses}}
    (told,) = report(a_rollout(canary(step)))
    assert told.startswith("spec.strategy.canary.steps[0].experiment.analyses[0].args: ")
    del analyses[0]["args"]
    assert report(a_rollout(canary(step))) == []


def test_two_rollouts_do_not_share_a_service(report: Files) -> None:
    """Only one of them could point it at its pods; Rollouts of other namespaces have Services of their own."""
    first, second = a_rollout(blue_green()), a_rollout(blue_green(activeService="shop"))
    second["metadata"] |= {"name": "shop"}
    told = report(first, second)
    assert len(told) == 2
    assert 'Service "web-preview" is named by Rollout "shop", too' in told[0]
    second["metadata"] |= {"namespace": "elsewhere"}
    assert report(first, second) == []


def test_what_cannot_be_read_of_an_ingress_is_said(report: Files) -> None:
    """An API server would refuse it; nobody is left to guess from what a router makes of it."""
    canary_service, stable, ingress = a_road()
    (told,) = report(a_routed_rollout(), canary_service, stable, {**ingress, "spec": {"rules": [7]}})
    assert told == "spec.rules[0]: Invalid value: 7: must be an object"
