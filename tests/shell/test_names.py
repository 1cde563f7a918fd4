"""Names that users write and that no object can have: none of them leads a request to another path."""

from __future__ import annotations

import pytest

from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import REPLICA_SETS, SECRETS
from tests.shell.clusters import a_cluster


@pytest.mark.parametrize("name", [".", "..", "x" * 254])
async def test_a_name_that_no_object_can_have_is_not_found(name: str) -> None:
    """Dots would be resolved on the way to the server: `.` would list all Secrets. Nothing is asked."""
    asked: list[str] = []
    async with a_cluster(observe=lambda method, path, status: asked.append(path)) as (_, client):
        asked.clear()
        for kind in (SECRETS, REPLICA_SETS):
            with pytest.raises(NotFound, match="no object can be named"):
                await client.get(kind.path("default", name))
    assert asked == []


@pytest.mark.parametrize("name", ["a/../../../namespaces/kube-system/secrets/x", "%2e%2e", "...", "a b?watch=1#"])
async def test_any_other_name_stays_in_its_place(name: str) -> None:
    """The server is asked for exactly that, and does not have it."""
    async with a_cluster() as (_, client):
        with pytest.raises(NotFound):
            await client.get(SECRETS.path("default", name))
