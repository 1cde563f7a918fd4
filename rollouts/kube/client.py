"""One way to ask the API server anything: a request with a deadline, whose answer is plain JSON or an ApiError.

Bodies and answers are dicts; the client library's models cost more than the calls they describe. Retries do not belong
here: the queue is the one layer that tries again. Nor do watches: the pump has those.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from rollouts.kube.errors import NotFound, NotLeader, Unreachable, from_answer, from_transport
from rollouts.lib import nesting

Json = dict[str, Any]

REQUEST_TIMEOUT_SECONDS = 10.0
CONCURRENT_REQUESTS_MAX = 50  # half of the client's connection pool
NAME_LENGTH_MAX = 253  # of any object

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

# the library annotates these with nothing
_load_kube_config: Any = load_kube_config
_load_incluster_config: Any = load_incluster_config

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class ConfigurationError(Exception):
    """No usable way to reach a cluster; the message says what was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to reach the API server and prove who we are; `authorization` is the header's value, empty for none."""

    server: str
    ca_path: str | None
    certificate_path: str | None
    key_path: str | None
    is_insecure: bool
    authorization: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSource:
    """Where to find the API server: a kubeconfig (and a context in it), else the pod's own service account."""

    kubeconfig: str = ""
    context: str = ""

    async def load(self) -> Configuration:
        """Read the configuration anew, running credential plugins. Raises ConfigurationError."""
        configuration = Configuration()
        try:
            path = self._kubeconfig_path()
            if path and not any(map(os.path.exists, path.split(os.pathsep))):
                raise ConfigurationError(f"{path}: there is no such kubeconfig")
            if path:
                await _load_kube_config(
                    config_file=path,
                    context=self.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            else:
                _load_incluster_config(client_configuration=configuration)
        except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{path or 'in-cluster configuration'}: {error}") from error
        configuration.client_session_kwargs = {"trust_env": False}
        return configuration

    async def credentials(self) -> Credentials:
        """The same, as plain values for a client of another make. Raises ConfigurationError."""
        configuration = await self.load()
        return Credentials(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert or None,
            certificate_path=configuration.cert_file or None,
            key_path=configuration.key_file or None,
            is_insecure=not configuration.verify_ssl,
            authorization=str(configuration.api_key.get("BearerToken", "")),
        )

    def _kubeconfig_path(self) -> str:
        if self.kubeconfig:
            return self.kubeconfig
        if os.path.exists(f"{SERVICE_ACCOUNT}/token"):
            return ""
        return os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")


class Fence(Protocol):
    """Says for how long this process may still write."""

    def remaining_seconds(self) -> float:
        """Seconds of leadership left; zero or less: none."""
        ...


class AlwaysOpen:
    """The fence of a process that has no rivals: a tool, or a controller started without leader election."""

    def remaining_seconds(self) -> float:
        """More than any request takes."""
        return float("inf")


Observe = Callable[[str, str, int], None]
"""Told (method, path, status) after each request; status 0: no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call: everything the server needs to know of it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = JSON
    accept: str = JSON


class KubeClient:
    """A connection pool to one API server, used from one event loop."""

    def __init__(self, configuration: Configuration, *, observe: Observe | None = None) -> None:
        self._api = ApiClient(configuration)
        self._api.user_agent = "rollouts-controller"
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS_MAX)
        self._observe = observe or (lambda method, path, status: None)

    async def close(self) -> None:
        """Close all connections."""
        api: Any = self._api
        await api.close()

    async def get(self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON) -> Json:
        """Read an object or a collection."""
        return await self.send(Request(method="GET", path=path, query=query or {}, accept=accept))

    async def send(
        self, request: Request, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS, fence: Fence | None = None
    ) -> Json:
        """Send one request and return the answer's JSON.

        Raises ApiError, or NotLeader when `fence` closed before the request could be sent. A fenced request ends before
        its fence closes, so that no write outlives the lease that allowed it. A name that no object can have is not
        found without asking: names are written by users, and some would lead the request elsewhere.
        """
        unusable = next(filter(_is_unusable, request.path.split("/")), None)
        if unusable is not None:
            raise NotFound(f"no object can be named {unquote(unusable)[:NAME_LENGTH_MAX]!r}", status=404)
        async with self._slots:
            if fence is not None:
                timeout_seconds = min(timeout_seconds, fence.remaining_seconds())
                if timeout_seconds <= 0:
                    raise NotLeader
            try:
                async with asyncio.timeout(timeout_seconds):
                    status, answer, headers = await self._exchange(request)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                self._observe(request.method, request.path, 0)
                raise from_transport(error) from error
        self._observe(request.method, request.path, status)
        if status >= 400:
            raise from_answer(status, answer, headers)
        return _decoded(answer)

    async def _exchange(self, request: Request) -> tuple[int, bytes, Mapping[str, str]]:
        serialized = await self._api.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query.items()),
            header_params={"Accept": request.accept, "Content-Type": request.content_type},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        try:
            # the deadline is asyncio.timeout around this call: the library's own would be another one, of 300 s
            answer: Any = await self._api.call_api(*serialized, _request_timeout=aiohttp.ClientTimeout(total=None))
            return answer.status, await answer.read(), answer.headers
        except ApiException as error:
            return error.status or 0, (error.body or error.reason or "").encode(), error.headers or {}


class Writer:
    """A client for writes, all of them behind one fence."""

    def __init__(self, client: KubeClient, fence: Fence) -> None:
        self._client = client
        self._fence = fence

    def require_leadership(self) -> None:
        """Raises NotLeader where a write would: for what changes the world in another way than by a request."""
        if self._fence.remaining_seconds() <= 0:
            raise NotLeader

    async def create(self, path: str, body: Any) -> Json:
        """POST an object (or an eviction) and return it as stored."""
        return await self._client.send(Request(method="POST", path=path, body=body), fence=self._fence)

    async def merge(self, path: str, patch: Any) -> Json:
        """Merge-patch an object and return it as stored."""
        request = Request(method="PATCH", path=path, body=patch, content_type=MERGE_PATCH)
        return await self._client.send(request, fence=self._fence)

    async def delete(self, path: str, *, preconditions: Mapping[str, str]) -> Json:
        """Delete an object in the background, only while the preconditions hold."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": dict(preconditions),
            "propagationPolicy": "Background",
        }
        return await self._client.send(Request(method="DELETE", path=path, body=options), fence=self._fence)

    async def read(self, path: str) -> Json:
        """Read an object; reading needs no leadership."""
        return await self._client.get(path)


def _is_unusable(segment: str) -> bool:
    """Whether a part of a path names no object: dots would be resolved on the way, and lead to another path."""
    return segment in (".", "..") or len(unquote(segment)) > NAME_LENGTH_MAX


def _decoded(answer: bytes) -> Json:
    if not answer:
        return {}
    try:
        value = nesting.loads(answer)
    except (ValueError, RecursionError) as error:
        raise Unreachable(f"the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unreachable("the answer is not a JSON object")
    return value
