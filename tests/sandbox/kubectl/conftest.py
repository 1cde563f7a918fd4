"""kubectl on the cluster under test, and a namespace of its own for each claim."""

from __future__ import annotations

import itertools

import pytest

from tests.sandbox.ground import Ground
from tests.sandbox.kubectl.manifests import TOYS
from tests.sandbox.kubectl.runner import Kubectl, binaries

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=binaries(), ids=lambda program: program.parent.parent.name)
def kubectl_anywhere(
    request: pytest.FixtureRequest, ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """Each kubectl at hand, in the namespace `default`, on a cluster that knows toys."""
    kubectl = Kubectl(
        program=request.param,
        kubeconfig=ground.kubeconfig,
        cache=tmp_path_factory.mktemp("cache"),
        namespace="default",
    )
    kubectl.apply(TOYS)
    kubectl("wait", "crd", TOYS["metadata"]["name"], "--for=condition=Established", "--timeout=20s")
    return kubectl


@pytest.fixture
def kubectl(kubectl_anywhere: Kubectl) -> Kubectl:
    """kubectl in a new namespace."""
    name = f"claim-{next(_numbers)}"
    kubectl_anywhere("create", "namespace", name)
    return kubectl_anywhere.within(name)
