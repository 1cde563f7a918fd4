"""The ports that a cluster asks: is the process alive, is it ready, and what are its figures.

Alive means that the event loop answers and the watches are not down for long; ready means that the copy of the
cluster is complete and holds what every decision needs, for a standby as well as for the leader. What the figures are
does not belong here (telemetry.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WATCHES_DOWN_MAX_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The questions: why not healthy or ready (None: it is), answered at once; the metrics as text, in a thread."""

    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    metrics: Callable[[], bytes]


class HealthServer:
    """Serves /healthz, /readyz and /metrics on every port it is given."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, *, host: str, ports: tuple[int, ...]) -> tuple[int, ...]:
        """Listen; port 0 takes a free one. Returns the ports. Raises OSError when one is taken."""
        await self._runner.setup()
        for port in dict.fromkeys(ports):
            await web.TCPSite(self._runner, host, port).start()
        return tuple(address[1] for address in self._runner.addresses)

    async def stop(self) -> None:
        """Close all ports."""
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return _told(self._probes.unhealthy())

    async def _readyz(self, request: web.Request) -> web.Response:
        return _told(self._probes.unready())

    async def _metrics(self, request: web.Request) -> web.Response:
        # a second of work with thousands of Rollouts, in which the event loop has other things to do
        text = await asyncio.to_thread(self._probes.metrics)
        return web.Response(body=text, headers={"Content-Type": METRICS_TYPE})


def _told(why_not: str | None) -> web.Response:
    return web.Response(text="ok") if why_not is None else web.Response(status=503, text=why_not)
