"""Prometheus: what is asked, and what answers become."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rollouts.core.expression import moment
from rollouts.providers.prometheus import Prometheus
from tests.plugins.backend import (
    Server,
    a_query,
    ask,
    replying,
    result,
    sample,
)


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
