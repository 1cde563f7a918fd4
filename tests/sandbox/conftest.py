"""The cluster under test: one per session, and a namespace of its own for every claim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.sandbox.ground import Ground, cluster
from tests.sandbox.rest import Api


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The sandbox, or the real API server that KUBEBUILDER_ASSETS names."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def api_anywhere(ground: Ground) -> Iterator[Api]:
    """The cluster over plain HTTP, in the namespace `default`."""
    with requests.Session() as session:
        session.trust_env = False
        yield Api(ground=ground, session=session)


@pytest.fixture
def api(api_anywhere: Api) -> Api:
    """The cluster over plain HTTP, in a new namespace."""
    return api_anywhere.in_new_namespace()
