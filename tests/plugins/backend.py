"""A metrics backend on loopback whose answers a test chooses, and the queries to ask it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rollouts.ports import Query, Reading
from rollouts.providers.prometheus import Prometheus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "s3cr3t-token"

Handler = Callable[[BaseHTTPRequestHandler, "Asked"], None]


@dataclass
class Asked:
    """A request as the server got it; `params` from the URL and the body together."""

    method: str
    path: str
    url: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class Server:
    """A server on loopback whose answer a test chooses."""

    url: str
    answer: Handler
    asked: list[Asked] = field(default_factory=list)

    @property
    def last(self) -> Asked:
        return self.asked[-1]


CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""A key and a self-signed certificate for 127.0.0.1, of use to nobody but these tests."""


def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server, until the generator is closed."""
    state = Server(url="", answer=replying(result("vector", [])))

    class Loopback(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            params = parse_qs(urlsplit(self.path).query) | parse_qs(body)
            asked = Asked(
                method=self.command,
                path=urlsplit(self.path).path,
                url=self.path,
                params={key: values[0] for key, values in params.items()},
                headers=dict(self.headers.items()),
            )
            state.asked.append(asked)
            state.answer(self, asked)

        do_GET = _serve
        do_POST = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are silent."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients may hang up."""

    httpd = Quiet(("127.0.0.1", 0), Loopback)
    if context is not None:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"{'https' if context else 'http'}://127.0.0.1:{httpd.server_address[1]}"
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def result(kind: str, value: Any, **extra: Any) -> bytes:
    """A successful answer of the query API."""
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": value}, **extra}).encode()


def replying(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """A handler that always answers the same."""

    def handle(request: BaseHTTPRequestHandler, _: Asked) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return handle


def a_query(address: str = "", *, deadline: float = 10, secrets: tuple[str, ...] = (), **config: Any) -> Query:
    """A query for `up`."""
    address_given = {"address": address} if address else {}
    return Query(
        config={"query": "up", **address_given, **config}, now=NOON, deadline_seconds=deadline, secrets=secrets
    )


def ask(provider: Prometheus, server: Server, **config: Any) -> Reading:
    """Ask the server for `up`."""
    return provider.begin(a_query(server.url, **config))


def sample(value: str) -> dict[str, Any]:
    """One series of a vector."""
    return {"metric": {"job": "web"}, "value": [1767268800.123, value]}
