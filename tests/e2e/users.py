"""Load on what a story serves, of which not one request may stay without an answer; and who answers how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rollouts.demo.traffic import Address, Tally, Traffic, User
from rollouts.sandbox.kinds import SERVICES
from tests.e2e.apps import PORT
from tests.e2e.stage import NAME, Place, until

REQUESTS_PER_SECOND = 40
SAMPLE = 200  # requests that shares are told from


@dataclass(frozen=True, slots=True)
class Door:
    """Where users come in: an address, and the host that they name there."""

    address: Address
    host: str = ""


async def door_of(place: Place, service: str = NAME) -> Door:
    """The address of a Service within the cluster."""
    found = await place.api.get(SERVICES, (place.namespace, service))
    return Door((str(found["spec"]["clusterIP"]), PORT))


@asynccontextmanager
async def users(place: Place, service: str = NAME) -> AsyncIterator[Tally]:
    """Requests through a Service until the block ends."""
    async with coming_through(await door_of(place, service)) as tally:
        yield tally


@asynccontextmanager
async def coming_through(door: Door) -> AsyncIterator[Tally]:
    """Requests until the block ends; what came of them is judged where they end."""
    probe = Tally()

    async def is_served() -> bool | None:
        await User(door.address, probe, keeps_connection=False, host=door.host).request()
        return True if probe.requests else None

    await until("requests to be served", is_served)
    async with Traffic(door.address, per_second=REQUESTS_PER_SECOND, host=door.host) as traffic:
        yield traffic.tally
    tally = traffic.tally
    assert not tally.failures, f"{len(tally.failures)} without an answer, the first: {tally.failures[:3]}"
    assert not tally.errors.total(), f"answered with an error: {tally.errors}"


async def until_answered(tally: Tally, version: str) -> None:
    """Wait until a version has answered somebody."""

    async def look() -> bool | None:
        return version in tally.requests or None

    await until(f"an answer of {version}", look)


async def shares(door: Door) -> Mapping[str, float]:
    """The percentage of requests that each version answers now."""
    sample = Tally()
    user = User(door.address, sample, keeps_connection=False, host=door.host)
    for _ in range(SAMPLE):
        await user.request()
    assert not sample.failures, sample.failures[:3]
    return {version: 100.0 * count / SAMPLE for version, count in sample.requests.items()}
