"""The demo application: a small HTTP server with a version, an error rate and a latency, and metrics of its own.

A pod runs it as a bare script (`python -I -S app.py`), so it uses the standard library only and starts in a moment.
Settings are flags, or variables of the same name in capitals: `--version` or VERSION, `--error-rate` (0..1),
`--latency` (seconds), `--port`, `--host`, `--drain` (seconds), `--ready-delay` (seconds).

It answers every path with its version, `/healthz` with its readiness and `/metrics` in Prometheus' text format; those
two are neither counted nor delayed. Errors are spread evenly rather than drawn: a rate of 0.2 is every fifth request.
On SIGTERM it goes on serving for the drain time, tells every client to close its connection, finishes what runs, and
leaves. When standard input is a pipe and closes, whoever started it is gone, and it leaves at once.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules["ssl"] = None  # type: ignore[assignment]  # asyncio then does without TLS: 5 MB less for each pod

import argparse
import asyncio
import os
import signal
import stat
import time
from collections.abc import Mapping, Sequence

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
HEADER_BYTES_MAX = 65_536
BODY_BYTES_MAX = 10_000_000
PHRASES = {200: "OK", 400: "Bad Request", 500: "Internal Server Error", 503: "Service Unavailable"}


class Metrics:
    """Counts of one version, rendered as Prometheus reads them."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._requests: dict[int, int] = {200: 0, 500: 0}
        self._buckets = [0] * len(BUCKETS)
        self._seconds = 0.0
        self._count = 0

    def observe(self, code: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests[code] = self._requests.get(code, 0) + 1
        self._count += 1
        self._seconds += seconds
        for index, bound in enumerate(BUCKETS):
            if seconds <= bound:
                self._buckets[index] += 1

    def render(self) -> str:
        """The text that `/metrics` answers."""
        label = f'version="{_escaped(self._version)}"'
        name = "http_request_duration_seconds"
        lines = ["# HELP http_requests_total Requests answered.", "# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{{label},code="{code}"}} {n}' for code, n in sorted(self._requests.items())]
        lines += [f"# HELP {name} Time to answer.", f"# TYPE {name} histogram"]
        lines += [f'{name}_bucket{{{label},le="{bound}"}} {n}' for bound, n in zip(BUCKETS, self._buckets, strict=True)]
        lines += [f'{name}_bucket{{{label},le="+Inf"}} {self._count}']
        lines += [f"{name}_sum{{{label}}} {self._seconds}", f"{name}_count{{{label}}} {self._count}", ""]
        return "\n".join(lines)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class ErrorPattern:
    """Which requests fail: of every n the share that the rate says, evenly spread."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._owed = 0.0

    def fails_next(self) -> bool:
        """Whether the next request is to fail."""
        self._owed += self._rate
        if self._owed < 1.0 - 1e-9:
            return False
        self._owed -= 1.0
        return True


class Server:
    """Serves requests until it was drained."""

    def __init__(self, settings: argparse.Namespace) -> None:
        self._settings = settings
        self._metrics = Metrics(settings.version)
        self._errors = ErrorPattern(settings.error_rate)
        self._connections: dict[asyncio.Task[None], bool] = {}
        self._draining = asyncio.Event()
        self._ready_at = time.monotonic() + settings.ready_delay

    async def run(self) -> None:
        """Listen, serve, and return when it was asked to leave and everything is answered."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._draining.set)
        leave_with_parent(loop)
        server = await asyncio.start_server(
            self._accept, self._settings.host, self._settings.port, limit=HEADER_BYTES_MAX, backlog=1024
        )
        await self._draining.wait()
        await asyncio.sleep(self._settings.drain)
        server.close()
        await self._finish()

    async def _finish(self) -> None:
        """Idle connections have had the drain time to be used once more; running requests are waited for."""
        for task, is_idle in list(self._connections.items()):
            if is_idle:
                task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "connections are served by tasks"
        self._connections[task] = True
        try:
            while await self._exchange(task, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client left, spoke no HTTP, or was idle when the server left
        finally:
            del self._connections[task]
            writer.close()

    async def _exchange(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; returns whether the connection stays open."""
        self._connections[task] = True
        head = await reader.readuntil(b"\r\n\r\n")
        self._connections[task] = False
        began = time.monotonic()
        request = parse_request(head)
        if request is None:
            writer.write(response(400, "text/plain", "not HTTP\n", keep=False))
            return False
        method, path, headers = request
        length = int(headers.get("content-length", "0") or "0")
        if length:
            await reader.readexactly(min(length, BODY_BYTES_MAX))
        code, kind, text = await self._answer(path, began)
        keep = headers.get("connection", "").lower() != "close" and not self._draining.is_set()
        writer.write(response(code, kind, text, keep=keep, head_only=method == "HEAD"))
        await writer.drain()
        return keep

    async def _answer(self, path: str, began: float) -> tuple[int, str, str]:
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", self._metrics.render()
        if path == "/healthz":
            is_ready = time.monotonic() >= self._ready_at and not self._draining.is_set()
            return (200, "text/plain", "ok\n") if is_ready else (503, "text/plain", "not ready\n")
        if self._settings.latency:
            await asyncio.sleep(self._settings.latency)
        code = 500 if self._errors.fails_next() else 200
        self._metrics.observe(code, time.monotonic() - began)
        return code, "application/json", f'{{"version": "{_escaped(self._settings.version)}"}}\n'


def parse_request(head: bytes) -> tuple[str, str, Mapping[str, str]] | None:
    """Method, path without query, and headers in lower case; None when it is no HTTP/1 request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if words[2] == "HTTP/1.0":
        headers.setdefault("connection", "close")
    if not headers.get("content-length", "0").isdigit():
        return None
    return words[0], words[1].partition("?")[0], headers


def response(code: int, kind: str, text: str, *, keep: bool, head_only: bool = False) -> bytes:
    """The bytes of an answer."""
    body = text.encode()
    lines = [f"HTTP/1.1 {code} {PHRASES[code]}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [] if keep else ["Connection: close"]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if head_only else head + body


def leave_with_parent(loop: asyncio.AbstractEventLoop) -> None:
    """When standard input is a pipe, end as soon as its other end is closed: nobody is there to stop us later."""
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        os.set_blocking(0, False)
        loop.add_reader(0, lambda: os.read(0, 4096) or os._exit(1))


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """Flags first, then variables, then defaults. Exits with a message for a bad flag."""
    parser = argparse.ArgumentParser(prog="app", description="demo application of the sandbox")
    parser.add_argument("--version", default=environment.get("VERSION", "v1"))
    parser.add_argument("--error-rate", type=float, default=float(environment.get("ERROR_RATE", "0")))
    parser.add_argument("--latency", type=float, default=float(environment.get("LATENCY", "0")))
    parser.add_argument("--ready-delay", type=float, default=float(environment.get("READY_DELAY", "0")))
    parser.add_argument("--drain", type=float, default=float(environment.get("DRAIN", "0.5")))
    parser.add_argument("--port", type=int, default=int(environment.get("PORT", "8080")))
    parser.add_argument("--host", default=environment.get("SANDBOX_POD_IP", "127.0.0.1"))
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until told to stop."""
    asyncio.run(Server(parse_settings(sys.argv[1:], os.environ)).run())


if __name__ == "__main__":
    main()
