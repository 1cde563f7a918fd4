"""Backends on loopback, with and without TLS, and a provider to ask them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator

import pytest

from rollouts.core.expression import moment
from rollouts.providers.prometheus import Prometheus
from tests.plugins.backend import CERTIFICATE, Server, serving


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--step-plugin", default="", metavar="MODULE:CLASS", help="hold this step plugin to the contract")
    parser.addoption("--step-config", default="{}", metavar="JSON", help="a configuration that it accepts")


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serving()


@pytest.fixture
def tls_server() -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    yield from serving(context)


@pytest.fixture
def provider() -> Iterator[Prometheus]:
    prometheus = Prometheus(moment=moment, clock=time.monotonic)
    yield prometheus
    prometheus.close()
