"""The real API server, where KUBEBUILDER_ASSETS names one: started once, for every test that makes no weather."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.ground import ASSETS, real_cluster
from tests.shell import clusters


@pytest.fixture(scope="session", autouse=True)
def _real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    assets = os.environ.get(ASSETS)
    if not assets:
        yield
        return
    with real_cluster(Path(assets), tmp_path_factory.mktemp("cluster")) as ground:
        clusters.real = clusters.Access(url=ground.url, token=ground.token, certificate=ground.certificate)
        yield
        clusters.real = None
