"""The API servers that clients talk to: one with our CRDs, one whose Rollouts have no status subresource."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.clients.phases import a_world
from tests.clients.wire import Ready, Served, Wire, in_new_namespace, install
from tests.e2e.conftest import place as place
from tests.e2e.conftest import stage as stage
from tests.sandbox.ground import cluster


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """The sandbox, or the real API server that KUBEBUILDER_ASSETS names, with our CRDs."""
    yield from _running(tmp_path_factory, has_status=True)


@pytest.fixture(scope="session")
def served_plainly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """The same where a Rollout's status is a part of the object like any other."""
    yield from _running(tmp_path_factory, has_status=False)


@pytest.fixture
def wire(served: Wire) -> Wire:
    """A namespace of its own."""
    return in_new_namespace(served)


@pytest.fixture
def ready(wire: Wire) -> Ready:
    """Rollouts in a phase, where clients find them."""
    return lambda strategy, phase: Served(a_world(strategy, phase), wire)


@pytest.fixture
def plain_wire(served_plainly: Wire) -> Wire:
    """A namespace of its own, without the status subresource."""
    return in_new_namespace(served_plainly)


def _running(factory: pytest.TempPathFactory, *, has_status: bool) -> Iterator[Wire]:
    with cluster(factory.mktemp("cluster")) as ground, requests.Session() as session:
        session.trust_env = False
        wire = Wire(ground=ground, session=session)
        install(wire, has_status=has_status)
        yield wire
