"""The product's own kinds under kubectl: installed, explained, shown and steered as anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox.kubectl.manifests import Json, pod_spec
from tests.sandbox.kubectl.runner import Kubectl

CRDS = Path(__file__).parents[3] / "crds"
KINDS = {"analysisruns", "analysistemplates", "clusteranalysistemplates", "experiments", "rollouts"}


def rollout(name: str, *, replicas: int = 3) -> Json:
    """A canary Rollout of one container."""
    labels = {"app": name}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
            "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {"duration": "10s"}}, {"pause": {}}]}},
        },
    }


@pytest.fixture(scope="session")
def with_crds(kubectl_anywhere: Kubectl) -> Kubectl:
    """kubectl on a cluster where the CRDs were applied client-side, as a user does it."""
    kubectl_anywhere("apply", "-f", str(CRDS))
    kubectl_anywhere("wait", "crd", "--all", "--for=condition=Established", "--timeout=20s")
    return kubectl_anywhere


@pytest.fixture
def kubectl_and_rollouts(with_crds: Kubectl, kubectl: Kubectl) -> Kubectl:
    """The same in a namespace of the claim's own."""
    return with_crds.within(kubectl.namespace)


def test_the_definitions_apply_in_both_ways(with_crds: Kubectl) -> None:
    """Client-side apply finds nothing to change; server-side apply takes over without a conflict."""
    assert with_crds("apply", "-f", str(CRDS)).count("unchanged") == len(KINDS)
    assert with_crds("apply", "--server-side", "-f", str(CRDS)).count("serverside-applied") == len(KINDS)
    listed = with_crds("api-resources", "--api-group=argoproj.io", "--no-headers")
    assert {line.split()[0] for line in listed.splitlines()} == KINDS
    with_crds("apply", "-f", str(CRDS))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_explains_itself(with_crds: Kubectl, kind: str) -> None:
    """All fields are known, and each field of the top has a description."""
    assert "<empty>" not in with_crds("explain", kind)
    assert len(with_crds("explain", kind, "--recursive").splitlines()) > 20


def test_a_rollout_is_shown_scaled_and_steered(kubectl_and_rollouts: Kubectl) -> None:
    """Printer columns, the scale subresource, annotations and status patches."""
    kubectl = kubectl_and_rollouts
    assert kubectl.apply(rollout("web")) == "rollout.argoproj.io/web created\n"
    assert kubectl.apply(rollout("web")) == "rollout.argoproj.io/web unchanged\n"
    header, row = kubectl("get", "ro", "web").splitlines()
    assert header.split()[0] == "NAME"
    assert row.split()[:2] == ["web", "3"]
    kubectl("scale", "ro/web", "--replicas=5")
    kubectl("annotate", "ro", "web", "rollouts.io/promote=step")
    kubectl("patch", "ro", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    status = {"status": {"abort": True}}
    kubectl("patch", "ro", "web", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    seen = kubectl.json("get", "ro", "web")
    assert (seen["spec"]["replicas"], seen["spec"]["paused"], seen["status"]["abort"]) == (5, True, True)
    assert seen["metadata"]["annotations"]["rollouts.io/promote"] == "step"
    assert "Set Weight" in kubectl("describe", "ro", "web")


def test_a_mistake_in_a_rollout_is_refused_by_its_name(kubectl_and_rollouts: Kubectl) -> None:
    """An unknown field and a wrong type are told with their paths."""
    wrong = rollout("web")
    wrong["spec"]["strategy"]["canary"]["stepz"] = []
    told = kubectl_and_rollouts.apply(wrong, code=1)
    assert 'unknown field "spec.strategy.canary.stepz"' in told
    wrong = rollout("web")
    wrong["spec"]["replicas"] = "three"
    assert "spec.replicas" in kubectl_and_rollouts.apply(wrong, code=1)
