"""Time and a Lease that only a test moves, so that elections need no waiting and come out the same every time."""

from __future__ import annotations

import asyncio
import copy
import heapq
import itertools
from dataclasses import dataclass, field
from typing import Any

from rollouts.kube.client import Request
from rollouts.kube.errors import AlreadyExists, Conflict, NotFound, Unreachable

TURNS_OF_THE_LOOP = 25  # more than any chain of awaits in an elector


@dataclass(slots=True)
class FakeTime:
    """Seconds that pass when a test says so."""

    now: float = 1000.0
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def clock(self) -> float:
        """Now."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Until this time has passed."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), waiting))
        await waiting

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its moment."""
        end = self.now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            when, _, waiting = heapq.heappop(self._sleepers)
            self.now = max(self.now, when)
            if not waiting.done():
                waiting.set_result(None)
            await settle()
        self.now = end
        await settle()

    def jump(self, seconds: float) -> None:
        """Time passes while everything is frozen."""
        self.now += seconds


async def settle() -> None:
    """Let everything that can run, run."""
    for _ in range(TURNS_OF_THE_LOOP):
        await asyncio.sleep(0)


@dataclass(slots=True)
class LeaseServer:
    """One Lease with the API server's rules: versions, 404, 409."""

    lease: dict[str, Any] | None = None
    writes: list[tuple[float, str]] = field(default_factory=list)
    """When each successful write happened and whom it made holder."""
    _version: int = 0

    def answer(self, request: Request, now: float) -> dict[str, Any]:
        """Carry out one request."""
        if request.method == "GET":
            if self.lease is None:
                raise NotFound("leases not found", status=404)
            return copy.deepcopy(self.lease)
        if request.method == "POST" and self.lease is not None:
            raise AlreadyExists("leases already exists", status=409)
        if request.method == "PUT":
            if self.lease is None:
                raise NotFound("leases not found", status=404)
            if request.body["metadata"].get("resourceVersion") != self.lease["metadata"]["resourceVersion"]:
                raise Conflict("the object has been modified", status=409)
        return self._store(request.body, now)

    def _store(self, body: dict[str, Any], now: float) -> dict[str, Any]:
        self._version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self._version)
        self.writes.append((now, str(body["spec"]["holderIdentity"])))
        return copy.deepcopy(self.lease)


@dataclass(slots=True)
class Line:
    """One process's connection to the server; `state` is up, down (refused) or hung (no answer)."""

    server: LeaseServer
    time: FakeTime
    state: str = "up"
    sent: int = 0
    """Requests so far, whatever became of them."""

    async def send(self, request: Request, *, timeout_seconds: float) -> dict[str, Any]:
        """Send one request."""
        self.sent += 1
        await asyncio.sleep(0)
        if self.state == "hung":
            await self.time.sleep(timeout_seconds)
            raise Unreachable("timed out")
        if self.state == "down":
            raise Unreachable("refused")
        return self.server.answer(request, self.time.now)
