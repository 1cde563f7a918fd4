"""A program built on client-go works on the sandbox unmodified: Kubernetes' own controller manager.

It asks for all that such programs ask for: informers with streamed lists, protobuf bodies, leases, events, status
updates with stale versions, patches of owner references. It is run where KUBEBUILDER_ASSETS holds it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.ground import ASSETS, free_port, sandbox_cluster
from tests.sandbox.kubectl.manifests import deployment, service
from tests.sandbox.kubectl.runner import Kubectl, binaries

PROGRAM = Path(os.environ.get(ASSETS, "")) / "kube-controller-manager"
CONTROLLERS = ("deployment", "replicaset", "garbage-collector", "namespace", "endpointslice", "serviceaccount")
TIMEOUT = "--timeout=60s"


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl on a sandbox whose controllers are those of the controller manager."""
    if not PROGRAM.is_file():
        pytest.skip(f"{ASSETS} names no folder with a kube-controller-manager")
    with sandbox_cluster(tmp_path) as ground, (tmp_path / "manager.log").open("wb") as log:
        command = [
            str(PROGRAM),
            f"--kubeconfig={ground.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={tmp_path}",
            f"--controllers={','.join(f'{name}-controller' for name in CONTROLLERS)}",
        ]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield Kubectl(program=binaries()[0], kubeconfig=ground.kubeconfig, cache=tmp_path, namespace="default")
            finally:
                process.terminate()


def test_the_controller_manager_runs_on_the_sandbox(managed: Kubectl) -> None:
    """It takes its lease, brings a Deployment to life, tells so in events, and collects what is deleted."""
    kubectl = managed
    kubectl.apply(deployment("web", replicas=3), service("web"))
    kubectl("wait", "deploy/web", "--for=jsonpath={.status.updatedReplicas}=3", TIMEOUT)
    kubectl("wait", "lease/kube-controller-manager", "-n", "kube-system", "--for=create", TIMEOUT)
    kubectl("wait", "serviceaccount/default", "--for=create", TIMEOUT)
    assert len(kubectl("get", "pods", "-l", "app=web", "-o", "name").split()) == 3
    assert "Scaled up replica set" in kubectl("events", "--for", "deployment/web")
    kubectl("delete", "deploy", "web", "--cascade=foreground", TIMEOUT)
    assert kubectl("get", "pods,rs", "-l", "app=web", "-o", "name") == ""
    kubectl("create", "namespace", "short")
    kubectl("wait", "serviceaccount/default", "-n", "short", "--for=create", TIMEOUT)
    kubectl("delete", "namespace", "short", TIMEOUT)
