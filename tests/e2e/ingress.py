"""A real way in: Traefik, which takes Ingresses from the cluster and splits by the annotations of Ingress-NGINX.

It stands where a user's ingress controller stands: it knows the cluster from its API alone, sends requests to pods by
EndpointSlices, and is told nothing by the tests.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from rollouts.demo.processes import free_port
from rollouts.demo.traffic import Address
from rollouts.sandbox.kinds import Json, Kind
from tests.e2e.stage import Stage

CLASSES = Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False)
START_SECONDS_MAX = 30.0
FLAGS = (
    "--providers.kubernetesingressnginx=true",
    "--providers.providersthrottleduration=100ms",  # from a change in the cluster to the change of routes
    "--entrypoints.web.transport.lifecycle.gracetimeout=0s",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
    "--log.level=WARN",
)


def program() -> Path:
    """Traefik, which comes with the development tools."""
    own = shutil.which("traefik", path=str(Path(sys.executable).parent))
    found = own or shutil.which("traefik")
    if found is None:
        pytest.skip("traefik is not installed, and there is no package of it for this machine")
    return Path(found)


async def a_way_in(stage: Stage) -> Address:
    """Serve the Ingresses of class `nginx` at this address, until the stage's processes end."""
    await stage.api.create(CLASSES, "", ingress_class())
    address = ("127.0.0.1", free_port())
    command = (str(program()), f"--entrypoints.web.address={address[0]}:{address[1]}", *FLAGS)
    await stage.processes.start("traefik", command, {"KUBECONFIG": str(stage.kubeconfig)})
    return address


def ingress_class() -> Json:
    """What an installation of Ingress-NGINX brings."""
    spec = {"controller": "k8s.io/ingress-nginx"}
    return {"apiVersion": CLASSES.api_version, "kind": CLASSES.kind, "metadata": {"name": "nginx"}, "spec": spec}
