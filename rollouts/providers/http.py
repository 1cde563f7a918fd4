"""One HTTP exchange with a metrics backend: bounded in time and size, and silent about what was sent.

A backend may be down, slow, endless or hostile, and an error text ends up in an object's status. So every failure
becomes a `HttpError` with a sentence of ours: which host, and what happened; never a URL, a header, a body or the words
of a library. Redirects are not followed (they would carry credentials elsewhere), cookies are not kept, and the
environment adds neither proxies nor passwords. Nothing here retries: the next measurement does. What an answer says is
the provider's business.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.util.retry import Retry

from rollouts.providers.deadline import BoundedAdapter

ANSWER_BYTES_MAX = 4 * 1024 * 1024
CONNECT_SECONDS_MAX = 5.0
_CHUNK_BYTES = 64 * 1024
_POOLS = 64  # backends with connections at rest
_CONNECTIONS = 16  # of these per backend
_CAUSES_MAX = 10


class HttpError(Exception):
    """No usable answer. The text names the host and is safe to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send. `params` go into the URL, `form` into the body; `deadline_seconds` covers the whole exchange."""

    method: str
    url: str
    deadline_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    is_insecure: bool = False
    shown_url: str = ""
    """The URL less what is secret in it, where texts take the host from; empty: nothing is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status_code: int
    content: bytes = field(repr=False)
    host: str = ""
    credentials: tuple[str, ...] = field(default=(), repr=False)
    """What the request proved itself with, as it was sent: the other side may have repeated it."""

    def json(self) -> Any:
        """The body as JSON. Raises HttpError."""
        try:
            return json.loads(self.content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise HttpError(f"{self.host} answered HTTP {self.status_code} with something else than JSON") from None


class Http:
    """Connections to backends, shared by all queries and safe to use from many threads.

    `clock` counts seconds from any fixed point. `ca_bundle`: a file of trusted certificates; None: the built-in ones.
    """

    def __init__(self, clock: Callable[[], float], *, ca_bundle: str | None = None) -> None:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the metric's author asked for it
        self._clock = clock
        self._secure = _session(clock, verify=ca_bundle or True)
        self._insecure = _session(clock, verify=False)

    def send(self, request: Request) -> Answer:
        """Send a request and read its answer. Raises HttpError."""
        host = shown_host(request.shown_url or request.url)
        ends_at = self._clock() + request.deadline_seconds
        try:
            with self._response(request) as response:
                body = self._body(response, host, ends_at, request)
                return Answer(response.status_code, body, host, _credentials(response.request))
        except requests.exceptions.SSLError:
            raise HttpError(f"{host}: TLS handshake failed, or its certificate is not trusted") from None
        except requests.exceptions.Timeout:
            raise HttpError(f"{host} did not answer within {request.deadline_seconds:g} s") from None
        except requests.exceptions.ConnectionError as error:
            raise HttpError(f"{host}: {_broken(error)}") from None
        except (requests.exceptions.RequestException, Urllib3Error, ValueError):
            raise HttpError(f"{host}: the request could not be sent, or its answer not be read") from None

    def close(self) -> None:
        """Let go of all connections."""
        self._secure.close()
        self._insecure.close()

    def _response(self, request: Request) -> requests.Response:
        session = self._insecure if request.is_insecure else self._secure
        return session.request(
            request.method,
            request.url,
            params=request.params,
            data=request.form,
            headers=dict(request.headers),
            auth=request.auth,
            timeout=(min(CONNECT_SECONDS_MAX, request.deadline_seconds), request.deadline_seconds),
            allow_redirects=False,
            stream=True,
        )

    def _body(self, response: requests.Response, host: str, ends_at: float, request: Request) -> bytes:
        """The body, read as it arrives, so that one that drips or never ends is given up in time."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                raise HttpError(f"{host} answered with more than {ANSWER_BYTES_MAX} bytes")
            if self._clock() > ends_at:
                raise HttpError(f"{host} did not answer within {request.deadline_seconds:g} s")
        return b"".join(chunks)


def shown_host(url: str) -> str:
    """The part of a URL that may be shown: host and port, without credentials, path or query."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "backend"
    except ValueError:
        return "backend"


def _credentials(sent: requests.PreparedRequest) -> tuple[str, ...]:
    return tuple(str(sent.headers.get("Authorization") or "").split()[1:])


def _broken(error: BaseException) -> str:
    """Why there is no connection, by the kind of the error underneath; its text is not ours to show."""
    cause: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return "the name does not resolve"
        cause = cause and (cause.__cause__ or cause.__context__)
    return "connection failed"


def _session(clock: Callable[[], float], *, verify: bool | str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.verify = verify
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = BoundedAdapter(
        clock, pool_connections=_POOLS, pool_maxsize=_CONNECTIONS, max_retries=Retry(total=0, redirect=False)
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
