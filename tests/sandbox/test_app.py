"""The demo application as a process of its own: what it answers, what it counts, and how it leaves."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from rollouts.sandbox.app import ErrorPattern, parse_request, parse_settings
from rollouts.sandbox.node.program import PROGRAMS


@dataclass(frozen=True, slots=True)
class Running:
    """The application, listening."""

    process: asyncio.subprocess.Process
    url: str
    port: int


@asynccontextmanager
async def an_app(*arguments: str, **settings: str) -> AsyncIterator[Running]:
    """Run the application on a free port until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-I", "-S", str(PROGRAMS["app"]), "--port", str(port), *arguments],
        stdin=asyncio.subprocess.PIPE,
        env=settings,
    )
    try:
        await listening(port)
        yield Running(process, f"http://127.0.0.1:{port}", port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


async def test_it_tells_its_version_and_fails_as_often_as_told() -> None:
    """A rate of 0.2 is every fifth request, and /metrics counts them by code."""
    async with an_app("--version", "v7", "--error-rate", "0.2") as app, aiohttp.ClientSession() as client:
        codes = []
        for _ in range(10):
            async with client.get(f"{app.url}/") as answer:
                codes.append(answer.status)
                assert (await answer.json())["version"] == "v7"
        assert codes.count(500) == 2
        async with client.get(f"{app.url}/metrics") as answer:
            text = await answer.text()
    assert 'http_requests_total{version="v7",code="200"} 8' in text
    assert 'http_requests_total{version="v7",code="500"} 2' in text
    assert 'http_request_duration_seconds_count{version="v7"} 10' in text
    assert 'http_request_duration_seconds_bucket{version="v7",le="+Inf"} 10' in text


async def test_settings_come_from_the_environment_too() -> None:
    """A flag wins over the variable of the same name."""
    settings = parse_settings(["--version", "v2"], {"VERSION": "v1", "LATENCY": "0.5", "SANDBOX_POD_IP": "127.1.1.1"})
    assert (settings.version, settings.latency, settings.host) == ("v2", 0.5, "127.1.1.1")


async def test_it_becomes_unready_and_serves_on_when_told_to_leave() -> None:
    """During the drain time new and old connections are answered, with a polite close; then it ends with 0."""
    async with an_app("--drain", "1") as app, aiohttp.ClientSession() as client:
        async with client.get(f"{app.url}/") as answer:
            assert "Connection" not in answer.headers
        app.process.terminate()
        while True:
            async with client.get(f"{app.url}/healthz") as answer:
                if answer.status == 503:
                    break
        async with client.get(f"{app.url}/") as answer:
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert await app.process.wait() == 0


async def test_it_finishes_running_requests() -> None:
    """A request that takes longer than the drain time is answered all the same."""
    async with an_app("--drain", "0", "--latency", "0.5") as app:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: app\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)  # the request is under way; there is nothing else to see of that
        app.process.terminate()
        assert b"HTTP/1.1 200 OK" in await reader.read()
        writer.close()
        assert await app.process.wait() == 0


async def test_it_leaves_when_whoever_started_it_is_gone() -> None:
    """The other end of its standard input closes, as it does when that process is killed."""
    async with an_app() as app:
        assert app.process.stdin is not None
        app.process.stdin.close()
        async with asyncio.timeout(20):
            assert await app.process.wait() == 1


async def test_its_memory_is_small() -> None:
    """A pod costs less than 25 MB."""
    async with an_app() as app:
        pages = int(Path(f"/proc/{app.process.pid}/statm").read_text().split()[1])  # noqa: ASYNC240 - never blocks
        assert pages * os.sysconf("SC_PAGE_SIZE") < 25_000_000


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 1 / 3, 0.5, 1.0])
def test_errors_are_spread_evenly(rate: float) -> None:
    """Of any 300 requests the exact share fails."""
    pattern = ErrorPattern(rate)
    assert sum(pattern.fails_next() for _ in range(300)) == pytest.approx(300 * rate, abs=0.01)


def test_what_is_no_http_is_refused() -> None:
    """And HTTP/1.0 closes unless it says otherwise."""
    assert parse_request(b"HELLO\r\n\r\n") is None
    assert parse_request(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n") is None
    parsed = parse_request(b"GET /a?b=c HTTP/1.0\r\n\r\n")
    assert parsed is not None
    assert parsed[1] == "/a"
    assert parsed[2]["connection"] == "close"
