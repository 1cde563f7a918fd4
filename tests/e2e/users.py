"""Load on a story's Service, of which not one request may stay without an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollouts.demo.traffic import Tally, Traffic, User
from rollouts.sandbox.kinds import SERVICES
from tests.e2e.apps import PORT
from tests.e2e.stage import NAME, Place, until

REQUESTS_PER_SECOND = 40


@asynccontextmanager
async def users(place: Place) -> AsyncIterator[Tally]:
    """Requests through the Service until the block ends; what came of them is judged where they end."""
    service = await place.api.get(SERVICES, (place.namespace, NAME))
    address = (str(service["spec"]["clusterIP"]), PORT)
    probe = Tally()

    async def is_served() -> bool | None:
        await User(address, probe, keeps_connection=False).request()
        return True if probe.requests else None

    await until("the Service to be served", is_served)
    async with Traffic(address, per_second=REQUESTS_PER_SECOND) as traffic:
        yield traffic.tally
    assert traffic.tally.failures == []
    assert not traffic.tally.errors.total()
