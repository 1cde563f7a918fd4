"""The Prometheus provider against a small server that answers what Prometheus (or something in its place) would."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rollouts.core.expression import moment
from rollouts.ports import Pending, Query, Reading
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


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serving()


@pytest.fixture
def tls_server() -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    yield from serving(context)


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


@pytest.fixture
def provider() -> Iterator[Prometheus]:
    prometheus = Prometheus(moment=moment, clock=time.monotonic)
    yield prometheus
    prometheus.close()


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


@pytest.mark.parametrize(
    ("kind", "answered", "value", "text"),
    [
        ("vector", [sample("0.5")], [0.5], "[0.5]"),
        ("vector", [sample("1"), sample("2.5")], [1.0, 2.5], "[1,2.5]"),
        ("vector", [], [], "[]"),
        ("vector", [sample("+Inf"), sample("-Inf")], [float("inf"), float("-inf")], "[+Inf,-Inf]"),
        ("vector", [sample("1e21")], [1e21], "[1000000000000000000000]"),
        ("vector", [sample("1.5e-07")], [1.5e-07], "[0.00000015]"),
        ("scalar", [1767268800, "0.5"], 0.5, "0.5"),
        ("scalar", [1767268800, "3"], 3.0, "3"),
        (
            "matrix",
            [{"metric": {}, "values": [[1, "1"], [2, "2"]]}, {"metric": {}, "values": [[1, "3.5"]]}],
            [1.0, 2.0, 3.5],
            "[1,2,3.5]",
        ),
        ("matrix", [], [], "[]"),
    ],
)
def test_results_become_values(
    provider: Prometheus, server: Server, kind: str, answered: Any, value: Any, text: str
) -> None:
    """Vectors and matrices are lists of floats in the order of the answer, scalars are floats; text is Go's."""
    server.answer = replying(result(kind, answered))
    reading = ask(provider, server)
    assert (reading.error, reading.value, reading.text) == ("", value, text)


def test_nan_is_a_value(provider: Prometheus, server: Server) -> None:
    """What NaN means is for the condition to say, not for the provider."""
    server.answer = replying(result("vector", [sample("NaN")]))
    reading = ask(provider, server)
    assert reading.text == "[NaN]"
    assert reading.value[0] != reading.value[0]


@pytest.mark.parametrize(
    ("kind", "answered", "error"),
    [
        ("string", [1, "x"], "Prometheus metric type not supported"),
        ("streams", [], "Prometheus metric type not supported"),
        ("vector", [{"metric": {}, "histogram": [1, {}]}], "prometheus answered with a vector that cannot be read"),
        ("vector", [sample("abc")], "prometheus answered with a vector that cannot be read"),
        ("vector", [{"metric": {}, "value": [1, 0.5]}], "prometheus answered with a vector that cannot be read"),
        ("vector", {"a": 1}, "prometheus answered with a vector that cannot be read"),
        ("vector", None, "prometheus answered with a vector that cannot be read"),
        ("scalar", [1], "prometheus answered with a scalar that cannot be read"),
        ("matrix", [{"metric": {}, "values": 5}], "prometheus answered with a matrix that cannot be read"),
    ],
)
def test_odd_results_are_errors(provider: Prometheus, server: Server, kind: str, answered: Any, error: str) -> None:
    """A result that is not one of the known shapes is an error, never a value."""
    server.answer = replying(result(kind, answered))
    reading = ask(provider, server)
    assert (reading.value, reading.error) == (None, error)


def test_warnings_are_kept(provider: Prometheus, server: Server) -> None:
    """Warnings of the server end up beside the value."""
    server.answer = replying(result("vector", [sample("1")], warnings=["w1", "w2"]))
    reading = ask(provider, server)
    assert reading.metadata == {"warnings": '"w1", "w2"'}
    assert reading.about == {"ResolvedPrometheusQuery": "up"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error: x"}', "bad_data: parse error: x"),
        (422, b'{"status":"error","errorType":"execution","error":"too many"}', "execution: too many"),
        (503, b'{"status":"error","errorType":"timeout","error":"query timed out"}', "timeout: query timed out"),
        (200, b'{"status":"error","errorType":"internal","error":"odd"}', "internal: odd"),
        (404, b"404 page not found", "prometheus at {host} answered HTTP 404"),
        (401, b"<html>who are you</html>", "prometheus at {host} answered HTTP 401"),
        (500, b"", "prometheus at {host} answered HTTP 500"),
        (502, b"[]", "prometheus at {host} answered HTTP 502"),
        (200, b"<html>login</html>", "{host} answered HTTP 200 with something else than JSON"),
        (200, b"", "{host} answered HTTP 200 with something else than JSON"),
        (200, b"{}", "prometheus at {host} answered with JSON that is no query result"),
        (200, b"[1]", "prometheus at {host} answered with JSON that is no query result"),
        (200, b'{"data": []}', "prometheus at {host} answered with JSON that is no query result"),
        (200, b"null", "prometheus at {host} answered with JSON that is no query result"),
        (200, b'{"data": {"result": NaN}}', "{host} answered HTTP 200 with something else than JSON"),
        (200, b"[" * 100_000, "{host} answered HTTP 200 with something else than JSON"),
    ],
)
def test_refusals_are_errors(provider: Prometheus, server: Server, status: int, body: bytes, error: str) -> None:
    """The server's own words where it has some, and a sentence of ours otherwise."""
    server.answer = replying(body, status)
    assert ask(provider, server).error == error.format(host=server.url.removeprefix("http://"))


def test_instant_query_asks_for_now(provider: Prometheus, server: Server) -> None:
    """An instant query names the time and a timeout, and carries the query in the body."""
    ask(provider, server, timeout=7)
    assert server.last.method == "POST"
    assert server.last.path == "/api/v1/query"
    assert server.last.url == "/api/v1/query"
    assert server.last.params == {"query": "up", "time": "1767268800.0", "timeout": "7s"}


def test_range_query_resolves_its_times(provider: Prometheus, server: Server) -> None:
    """Start and end are expressions over now(), the step is a duration."""
    section = {"start": 'now() - duration("5m")', "end": "now()", "step": "1m"}
    server.answer = replying(result("matrix", [{"metric": {}, "values": [[1, "1"]]}]))
    assert ask(provider, server, rangeQuery=section).value == [1.0]
    assert server.last.path == "/api/v1/query_range"
    wanted = {"query": "up", "start": "1767268500", "end": "1767268800", "step": "60", "timeout": "10s"}
    assert server.last.params == wanted


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ({"start": "nonsense(", "end": "now()", "step": "1m"}, "failed to parse rangeQuery.start as time: "),
        (
            {"start": "now()", "end": "5", "step": "1m"},
            "failed to parse rangeQuery.end as time: expected time, but got",
        ),
        ({"start": "now()", "end": "now()", "step": "x"}, "failed to parse rangeQuery.step as duration: 'x'"),
        ({"start": "now()", "end": "now()", "step": "0s"}, "failed to parse rangeQuery.step as duration: '0s'"),
        ({"end": "now()", "step": "1m"}, "failed to parse rangeQuery.start as time: "),
    ],
)
def test_bad_range_is_an_error(provider: Prometheus, server: Server, section: dict[str, str], error: str) -> None:
    """A range that cannot be read is said, and nothing is asked."""
    assert ask(provider, server, rangeQuery=section).error.startswith(error)
    assert server.asked == []


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({}, "prometheus address is not configured"),
        ({"address": "prometheus:9090"}, "prometheus address is not is url format"),
        ({"address": "/metrics"}, "prometheus address is not is url format"),
        ({"address": "ftp://prometheus"}, "prometheus address is not is url format"),
        ({"address": "http://"}, "prometheus address is not is url format"),
        ({"address": "http://x:99999"}, "prometheus address is not is url format"),
        ({"address": "http://x", "query": ""}, "prometheus query is not configured"),
        ({"address": "http://x", "timeout": -1}, "prometheus timeout should not be negative"),
        ({"address": "http://x", "timeout": "soon"}, "prometheus timeout is not a number of seconds"),
        ({"address": "http://x", "timeout": "nan"}, "prometheus timeout is not a number of seconds"),
        (
            {"address": "http://x", "authentication": {"basicAuth": {"username": "u"}}},
            "missing mandatory parameter in metric for basic auth setup: password",
        ),
        (
            {"address": "http://x", "authentication": {"basicAuth": {"password": "u"}}},
            "missing mandatory parameter in metric for basic auth setup: username",
        ),
        (
            {"address": "http://x", "authentication": {"oauth2": {"tokenUrl": "http://t"}}},
            "missing mandatory parameter in metric for OAuth2 setup",
        ),
        (
            {
                "address": "http://x",
                "authentication": {"oauth2": {"tokenUrl": "t", "clientId": "c", "clientSecret": "s"}},
            },
            "authentication.oauth2.tokenUrl is not a URL",
        ),
        (
            {"address": "http://x", "authentication": {"sigv4": {"region": "r"}}},
            "authentication.sigv4 is not supported by this version of the controller",
        ),
        ({"address": "http://x", "headers": [{"value": "v"}]}, "prometheus headers need a key and a value of one line"),
        (
            {"address": "http://x", "headers": [{"key": "k", "value": "v\r\nHost: evil"}]},
            "prometheus headers need a key and a value of one line",
        ),
    ],
)
def test_bad_configuration_is_an_error(provider: Prometheus, config: dict[str, Any], error: str) -> None:
    """What cannot be used is named, and nothing is asked."""
    assert provider.begin(a_query(**config)).error == error


def test_default_address_serves_metrics_without_one(server: Server) -> None:
    """A metric without an address asks the controller's Prometheus."""
    prometheus = Prometheus(moment=moment, clock=time.monotonic, default_address=f"{server.url}/")
    assert prometheus.begin(a_query()).error == ""
    prometheus.close()


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
    assert reading.error == "127.0.0.1:1: connection failed"


def test_unknown_host_is_an_error(provider: Prometheus) -> None:
    """So is a name that does not resolve."""
    assert "no-such-host.invalid" in provider.begin(a_query("http://no-such-host.invalid")).error


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


def test_resume_asks_again(provider: Prometheus, server: Server) -> None:
    """Nothing is pending at Prometheus: to resume is to ask."""
    server.answer = replying(result("vector", [sample("2")]))
    assert provider.resume(a_query(server.url), Pending(resume_at=NOON)).value == [2.0]
