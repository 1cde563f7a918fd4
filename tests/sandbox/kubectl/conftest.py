"""kubectl on the cluster under test, and a namespace of its own for each claim."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollouts.sandbox.client import Connection
from rollouts.sandbox.workloads import Workloads
from tests.sandbox.a_cluster import REAL_PODS
from tests.sandbox.ground import ASSETS, Ground, real_cluster, sandbox_cluster
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
    return _in_new_namespace(kubectl_anywhere)


@pytest.fixture(scope="session")
def guarded(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A cluster that judges requests by RBAC; a real one always does."""
    if ground.is_real:
        yield ground
        return
    with sandbox_cluster(tmp_path_factory.mktemp("guarded"), rbac=True) as running:
        yield running


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A cluster with controllers and a node, so that Deployments come to life."""
    folder, assets = tmp_path_factory.mktemp("populated"), os.environ.get(ASSETS)
    if assets is None:
        with sandbox_cluster(folder, workloads=True) as running:
            yield running
    else:
        with real_cluster(Path(assets), folder) as running, _workloads(running):
            yield running


@contextmanager
def _workloads(ground: Ground) -> Iterator[None]:
    """Controllers, node and balancer for a real cluster, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="workloads")
    thread.start()

    async def start() -> Workloads:
        workloads = Workloads(Connection.from_kubeconfig(ground.kubeconfig), pod_range=REAL_PODS)
        return await workloads.__aenter__()

    workloads = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(workloads.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def on_guarded(kubectl_anywhere: Kubectl, guarded: Ground) -> Kubectl:
    """kubectl as an administrator, in a new namespace of the guarded cluster."""
    return _in_new_namespace(kubectl_anywhere.towards(guarded.kubeconfig).bearing(guarded.token))


@pytest.fixture
def on_populated(kubectl_anywhere: Kubectl, populated: Ground) -> Kubectl:
    """kubectl in a new namespace of the populated cluster."""
    return _in_new_namespace(kubectl_anywhere.towards(populated.kubeconfig))


def _in_new_namespace(kubectl: Kubectl) -> Kubectl:
    name = f"claim-{next(_numbers)}"
    kubectl("create", "namespace", name)
    return kubectl.within(name)
