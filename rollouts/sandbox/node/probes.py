"""Probes of real programs: really sent, at the pace the container asks for.

Before a program listens at all, a refused connection is tried again soon instead of a whole period later; everything
else (delays, periods, thresholds, timeouts) is the probe's own. What a result means for the pod is the node's business.
`exec` and `grpc` probes cannot be carried out here and count as passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollouts.sandbox.kinds import Json

STARTING_RETRY_SECONDS = 0.05
RESPONSE_BYTES_MAX = 10_240


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe of a container. Durations in seconds."""

    host: str
    port: int
    path: str | None
    """None: a connection is enough."""
    headers: tuple[tuple[str, str], ...] = ()
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int


def probe_of(container: Json, name: str, *, address: str) -> Probe | None:
    """The probe of that name (`readinessProbe`, ...); None when there is none that can be sent."""
    spec: dict[str, Any] = container.get(name) or {}
    action = spec.get("httpGet") or spec.get("tcpSocket")
    if not action:
        return None
    headers = tuple((header["name"], header["value"]) for header in action.get("httpHeaders") or ())
    return Probe(
        host=action.get("host") or address,
        port=_port(container, action["port"]),
        path=action.get("path", "/") if "httpGet" in spec else None,
        headers=headers,
        initial_delay=float(spec.get("initialDelaySeconds", 0)),
        period=float(spec.get("periodSeconds", 10)),
        timeout=float(spec.get("timeoutSeconds", 1)),
        successes=int(spec.get("successThreshold", 1)),
        failures=int(spec.get("failureThreshold", 3)),
    )


def _port(container: Json, port: int | str) -> int:
    if isinstance(port, int):
        return port
    for declared in container.get("ports") or ():
        if declared.get("name") == port:
            return int(declared["containerPort"])
    return int(port) if port.isdigit() else 0


async def passes(probe: Probe) -> bool:
    """Send the probe once. Raises ConnectionRefusedError when nothing listens."""
    try:
        async with asyncio.timeout(probe.timeout):
            reader, writer = await asyncio.open_connection(probe.host, probe.port)
            try:
                return probe.path is None or await _get(probe, reader, writer)
            finally:
                writer.close()
    except ConnectionRefusedError:
        raise
    except (OSError, TimeoutError, ValueError):
        return False


async def _get(probe: Probe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    lines = [f"GET {probe.path} HTTP/1.1", f"Host: {probe.host}:{probe.port}", "Connection: close"]
    lines += ["User-Agent: sandbox-probe", *(f"{name}: {value}" for name, value in probe.headers)]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    first = await reader.readline()
    code = int(first.split()[1])
    await reader.read(RESPONSE_BYTES_MAX)
    return 200 <= code < 400


async def follow(probe: Probe, report: Callable[[bool], None], *, passed: bool) -> None:
    """Probe for ever and report each change of the verdict, which begins as `passed`."""
    await asyncio.sleep(probe.initial_delay)
    streak, was_reached = 0, False
    while True:
        wait = probe.period
        try:
            good = await passes(probe)
            was_reached = True
        except ConnectionRefusedError:
            good = False
            if not was_reached and not passed:
                wait = min(STARTING_RETRY_SECONDS, probe.period)
        if wait == probe.period:
            streak = streak + 1 if good != passed else 0
            if streak >= (probe.successes if good else probe.failures):
                passed, streak = good, 0
                report(passed)
        await asyncio.sleep(wait)
