"""Prometheus, or something in its place: credentials, TLS, silence, floods and other weather."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from rollouts.core.expression import moment
from rollouts.ports import Pending
from rollouts.providers.prometheus import Prometheus
from tests.plugins.backend import (
    CERTIFICATE,
    NOON,
    SECRET,
    Asked,
    Handler,
    Server,
    a_query,
    ask,
    replying,
    result,
    sample,
)


def test_headers_are_sent(provider: Prometheus, server: Server) -> None:
    """Headers of the metric, a bearer token among them, reach the server."""
    headers = [{"key": "X-Scope-OrgID", "value": "shop"}, {"key": "Authorization", "value": f"Bearer {SECRET}"}]
    ask(provider, server, headers=headers)
    assert server.last.headers["X-Scope-OrgID"] == "shop"
    assert server.last.headers["Authorization"] == f"Bearer {SECRET}"


def test_basic_auth_is_sent(provider: Prometheus, server: Server) -> None:
    """User and password become an Authorization header."""
    ask(provider, server, authentication={"basicAuth": {"username": "u", "password": "p"}})
    assert server.last.headers["Authorization"] == "Basic " + base64.b64encode(b"u:p").decode()


def test_one_query_s_headers_do_not_reach_another_s_server(provider: Prometheus, server: Server) -> None:
    """Queries share connections, never credentials."""
    ask(provider, server, authentication={"basicAuth": {"username": "u", "password": "p"}})
    ask(provider, server)
    assert "Authorization" not in server.last.headers


def test_cookies_are_not_kept(provider: Prometheus, server: Server) -> None:
    """A backend cannot make one tenant's query recognisable in another's."""
    server.answer = replying(result("vector", []), headers={"Set-Cookie": "session=1"})
    ask(provider, server)
    ask(provider, server)
    assert "Cookie" not in server.last.headers


def an_oauth2_server(tokens: Iterator[str], *, wants_form: bool = False) -> Handler:
    """Hands out tokens at /token and answers queries."""

    def handle(request: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.path != "/token":
            return replying(result("vector", [sample("1")]))(request, asked)
        if wants_form and "client_id" not in asked.params:
            return replying(b"", 401)(request, asked)
        body = {"access_token": next(tokens), "expires_in": 3600}
        return replying(json.dumps(body).encode())(request, asked)

    return handle


def oauth2(server: Server) -> dict[str, Any]:
    """The authentication section for the server's own token endpoint."""
    section = {"tokenUrl": f"{server.url}/token", "clientId": "c", "clientSecret": "s", "scopes": ["read", "more"]}
    return {"oauth2": section}


def test_oauth2_token_is_fetched_once(provider: Prometheus, server: Server) -> None:
    """A token serves many queries, until it expires."""
    server.answer = an_oauth2_server(iter(["t1", "t2"]))
    for _ in range(3):
        assert ask(provider, server, authentication=oauth2(server)).value == [1.0]
    token_requests = [asked for asked in server.asked if asked.path == "/token"]
    assert len(token_requests) == 1
    assert token_requests[0].params == {"grant_type": "client_credentials", "scope": "read more"}
    assert server.last.headers["Authorization"] == "Bearer t1"


def test_oauth2_secret_goes_into_the_form_where_wanted(provider: Prometheus, server: Server) -> None:
    """Servers that refuse the secret in the header get it in the body."""
    server.answer = an_oauth2_server(iter(["t1"]), wants_form=True)
    assert ask(provider, server, authentication=oauth2(server)).value == [1.0]


def test_refused_oauth2_token_is_forgotten(provider: Prometheus, server: Server) -> None:
    """After a 401 the next measurement brings a new token."""
    tokens = an_oauth2_server(iter(["t1", "t2"]))

    def handle(request: BaseHTTPRequestHandler, asked: Asked) -> None:
        is_old = asked.headers.get("Authorization") == "Bearer t1"
        (replying(b"", 401) if is_old else tokens)(request, asked)

    server.answer = handle
    assert "HTTP 401" in ask(provider, server, authentication=oauth2(server)).error
    assert ask(provider, server, authentication=oauth2(server)).value == [1.0]


def test_oauth2_failure_shows_no_secret(provider: Prometheus, server: Server) -> None:
    """A token endpoint that echoes what it got does not get it into the status."""
    server.answer = replying(b'{"error": "bad secret s"}', 403)
    error = ask(provider, server, authentication=oauth2(server)).error
    assert error == f"OAuth2 token from {server.url.removeprefix('http://')}: HTTP 403"


@pytest.mark.parametrize("status", [405, 501])
def test_servers_without_post_are_asked_by_get(provider: Prometheus, server: Server, status: int) -> None:
    """Some API gateways serve GET only."""

    def handle(request: BaseHTTPRequestHandler, asked: Asked) -> None:
        is_post = asked.method == "POST"
        (replying(b"", status) if is_post else replying(result("vector", [sample("1")])))(request, asked)

    server.answer = handle
    assert ask(provider, server).value == [1.0]
    assert server.last.params["query"] == "up"


def test_redirects_are_not_followed(provider: Prometheus, server: Server) -> None:
    """A redirect would carry the metric's headers elsewhere."""
    server.answer = replying(b"", 307, headers={"Location": f"{server.url}/elsewhere"})
    assert "HTTP 307" in ask(provider, server).error
    assert len(server.asked) == 1


def test_refused_connection_is_an_error(provider: Prometheus, server: Server) -> None:
    """Nobody listening is said with the host, without the query."""
    reading = provider.begin(a_query("http://127.0.0.1:1/prefix", query=f"up{{token='{SECRET}'}}"))
    assert reading.error == "127.0.0.1:1: connection refused"


def test_unknown_host_is_an_error(provider: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a name that does not resolve."""

    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    error = provider.begin(a_query("http://prometheus.nowhere")).error
    assert error == "prometheus.nowhere: the name does not resolve"


def test_plain_http_behind_https_is_an_error(provider: Prometheus, server: Server) -> None:
    """A TLS handshake with something else fails in our words."""
    address = server.url.replace("http://", "https://")
    reading = provider.begin(a_query(address))
    assert reading.error.endswith("TLS handshake failed, or its certificate is not trusted")


def test_certificate_is_checked(provider: Prometheus, tls_server: Server) -> None:
    """A certificate nobody vouches for is refused, and nothing is asked."""
    error = ask(provider, tls_server).error
    assert error.endswith("TLS handshake failed, or its certificate is not trusted")
    assert tls_server.asked == []


def test_insecure_metric_accepts_any_certificate(provider: Prometheus, tls_server: Server) -> None:
    """Its author asked for it; no other metric is affected."""
    assert ask(provider, tls_server, insecure=True).error == ""
    assert "TLS" in ask(provider, tls_server).error
    assert "TLS" in ask(provider, tls_server, insecure="true").error


def test_controller_s_certificates_are_trusted(tls_server: Server) -> None:
    """A file of certificates for backends inside the cluster."""
    prometheus = Prometheus(moment=moment, clock=time.monotonic, ca_bundle=str(CERTIFICATE))
    assert ask(prometheus, tls_server).error == ""
    prometheus.close()


def test_silence_ends_at_the_timeout(provider: Prometheus, server: Server) -> None:
    """A server that accepts and says nothing is given up."""
    done = threading.Event()

    def wait(_: BaseHTTPRequestHandler, __: Asked) -> None:
        done.wait(10)

    server.answer = wait
    reading = ask(provider, server, timeout=0.2)
    done.set()
    assert reading.error.endswith("did not answer within 0.2 s")


def test_dripping_body_ends_at_the_deadline(server: Server) -> None:
    """A body that comes byte by byte does not get more time than any other."""
    ticks = iter(range(1000))
    prometheus = Prometheus(moment=moment, clock=lambda: float(next(ticks)))

    def drip(request: BaseHTTPRequestHandler, _: Asked) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"1\r\n \r\n")
                request.wfile.flush()
        except OSError:
            request.close_connection = True

    server.answer = drip
    assert ask(prometheus, server, timeout=5).error.endswith("did not answer within 5 s")
    prometheus.close()


def test_dripping_headers_end_at_the_deadline(server: Server) -> None:
    """Each byte in time is not enough: the thread that waits for them is needed elsewhere."""
    ticks = iter(range(1000))
    prometheus = Prometheus(moment=moment, clock=lambda: float(next(ticks)))

    def drip(request: BaseHTTPRequestHandler, _: Asked) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        try:
            while True:
                request.wfile.write(b"y")
                request.wfile.flush()
        except OSError:
            request.close_connection = True

    server.answer = drip
    assert ask(prometheus, server, timeout=5).error.endswith("did not answer within 5 s")
    prometheus.close()


def test_a_connection_serves_the_next_query_with_a_whole_timeout(server: Server) -> None:
    """What one answer left of its time is not what the next one gets."""
    ticks = iter(range(1000))
    prometheus = Prometheus(moment=moment, clock=lambda: float(next(ticks)))
    connections: set[object] = set()

    def reply(request: BaseHTTPRequestHandler, asked: Asked) -> None:
        connections.add(request.client_address)
        replying(result("scalar", [0, "1"]))(request, asked)

    server.answer = reply
    assert [ask(prometheus, server, timeout=8).error for _ in range(5)] == [""] * 5
    assert len(connections) == 1
    prometheus.close()


def test_endless_body_is_given_up(provider: Prometheus, server: Server) -> None:
    """An answer may have 4 MiB; the rest is not read."""
    server.answer = replying(b" " * (5 * 1024 * 1024))
    assert "answered with more than" in ask(provider, server).error


def test_compressed_answers_are_read_and_bounded(provider: Prometheus, server: Server) -> None:
    """A small body that unpacks to a huge one is given up as well."""
    body = result("vector", [sample("1")])
    server.answer = replying(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert ask(provider, server).value == [1.0]
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    server.answer = replying(bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    error = ask(provider, server).error
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "answered with more than" in error
    assert peak < 32 * 1024 * 1024


def test_too_many_samples_are_an_error(provider: Prometheus, server: Server) -> None:
    """A matrix of a size nobody can judge costs its own metric only."""
    points = [[0, "1"]] * 20_001
    server.answer = replying(result("matrix", [{"metric": {}, "values": points}]))
    assert ask(provider, server).error == "prometheus answered with more than 20000 samples"


def test_truncated_body_is_an_error(provider: Prometheus, server: Server) -> None:
    """A connection that breaks in the middle of an answer is no answer."""

    def cut(request: BaseHTTPRequestHandler, _: Asked) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b'{"status":')
        request.close_connection = True

    server.answer = cut
    reading = ask(provider, server)
    assert reading.value is None
    assert reading.error


def test_no_secret_in_any_text(provider: Prometheus, server: Server) -> None:
    """Secrets of a query are taken out of errors, warnings and the query shown."""
    echo = f'{{"status":"error","errorType":"bad_data","error":"cannot parse {SECRET}"}}'.encode()
    server.answer = replying(echo, 400)
    query = a_query(server.url, query=f"up{{key='{SECRET}'}}", secrets=(SECRET,))
    assert provider.begin(query).error == "bad_data: cannot parse *****"
    server.answer = replying(result("vector", [sample("1")], warnings=[f"odd {SECRET}"]))
    reading = provider.begin(query)
    assert reading.about == {"ResolvedPrometheusQuery": "up{key='*****'}"}
    assert SECRET not in repr(reading)
    assert SECRET not in repr(query)


@pytest.mark.parametrize("secret", ["Hunter-Two", "hunter/two", "hunter two", "1:2", "s@3"])
def test_no_part_of_a_secret_in_an_address_is_shown(provider: Prometheus, secret: str) -> None:
    """A host is told without case, and only up to the first slash: what is secret is taken out before."""
    sections: dict[str, Any] = {
        "oauth2": {"tokenUrl": f"http://{secret}.invalid/", "clientId": "shop", "clientSecret": "x-y-z"}
    }
    places: tuple[tuple[str, dict[str, Any]], ...] = (
        (f"http://{secret}.invalid", {}),
        ("http://127.0.0.1:1", {"authentication": sections}),
    )
    for address, config in places:
        error = provider.begin(a_query(address, secrets=(secret,), **config)).error
        assert error
        assert not any(part in error.lower() for part in ("hunter", "two.invalid", "2.invalid", "s@", "3.invalid"))


@pytest.mark.parametrize(
    "authentication",
    [
        {"basicAuth": {"username": "shop", "password": SECRET}},
        {"oauth2": {"tokenUrl": "{server}/token", "clientId": "shop", "clientSecret": SECRET}},
    ],
)
def test_credentials_that_a_server_repeats_are_not_shown(
    provider: Prometheus, server: Server, authentication: dict[str, dict[str, str]]
) -> None:
    """Neither a password in the form in which it travels, nor a token that no Secret ever held."""
    token = "t0ken-made-for-us"
    repeated: list[str] = []

    def repeat(request: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.path == "/token":
            replying(json.dumps({"access_token": token, "token_type": "Bearer"}).encode())(request, asked)
            return
        repeated.append(asked.headers["Authorization"].split()[1])
        error = {"status": "error", "errorType": "unauthorized", "error": f"who is {repeated[-1]}?"}
        replying(json.dumps(error).encode(), 403)(request, asked)

    server.answer = repeat
    sections = {
        name: {key: text.format(server=server.url) for key, text in section.items()}
        for name, section in authentication.items()
    }
    reading = provider.begin(a_query(server.url, secrets=(SECRET,), authentication=sections))
    assert reading.error == "unauthorized: who is *****?"
    assert repeated


def test_resume_asks_again(provider: Prometheus, server: Server) -> None:
    """Nothing is pending at Prometheus: to resume is to ask."""
    server.answer = replying(result("vector", [sample("2")]))
    assert provider.resume(a_query(server.url), Pending(resume_at=NOON)).value == [2.0]
