"""A small Kubernetes API client: paths and dicts over one aiohttp session.

The controllers, the node and the balancer use nothing else, so what they do to the sandbox they can do to any API
server. It retries nothing: a failed call raises `ApiFailure`, and the work queue of the caller tries again. Caches and
watches that last belong to `informer.py`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import yaml

from rollouts.sandbox.kinds import Json, Key, Kind

MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
REQUESTS_AT_ONCE_MAX = 64
REQUEST_TIMEOUT_SECONDS = 30.0
PAGE_SIZE = 500
WATCH_SECONDS = 300
TLS_END_SECONDS = 0.25  # aiohttp does not wait until both sides have said goodbye


class ApiFailure(Exception):
    """A call that the API server refused, or that never reached it (`code` 0)."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def is_not_found(self) -> bool:
        """The object is not there: the server said so."""
        return self.code == 404

    @property
    def is_taken(self) -> bool:
        """An object of that name exists already; other conflicts (409) mean that somebody else wrote first."""
        return self.reason == "AlreadyExists"

    @property
    def is_expired(self) -> bool:
        """The resourceVersion is too old to go on from."""
        return self.code == 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where an API server is and who we are to it."""

    url: str
    token: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Connection:
        """Read the current context of a kubeconfig. Raises KeyError or ValueError when it names none."""
        config = yaml.safe_load(path.read_text())
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"]).get("user") or {}
        token = user.get("token", "")
        tls = _tls(cluster, user) if cluster["server"].startswith("https:") else None
        return cls(url=cluster["server"].rstrip("/"), token=token, tls=tls)


def _named(config: Json, section: str, name: str) -> Json:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            found: Json = entry
            return found
    raise ValueError(f"kubeconfig: {section} has no entry named {name!r}")


def _tls(cluster: Json, user: Json) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority := _material(cluster, "certificate-authority"):
        context.load_verify_locations(cadata=authority.decode())
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as both:  # the ssl module reads a client's key from files only
            both.write(certificate + b"\n" + key)
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _material(section: Json, field: str) -> bytes:
    if inline := section.get(f"{field}-data"):
        return base64.b64decode(inline)
    path = section.get(field)
    return Path(path).read_bytes() if path else b""


class ApiClient:
    """One session to one API server; an async context manager. Every method raises `ApiFailure`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE_MAX)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiClient:
        token = self._connection.token
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            connector=aiohttp.TCPConnector(limit=0, ssl=self._connection.tls or True, keepalive_timeout=60),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is None:
            return
        await self._session.close()
        if self._connection.tls is not None:
            await asyncio.sleep(TLS_END_SECONDS)

    async def get(self, kind: Kind, key: Key) -> Json:
        """Read one object."""
        return await self.request("GET", kind.item(key))

    async def create(self, kind: Kind, namespace: str, obj: Json) -> Json:
        """Create an object and return it as stored."""
        return await self.request("POST", kind.collection(namespace), body=obj)

    async def update(self, kind: Kind, key: Key, obj: Json, *, subresource: str = "") -> Json:
        """Replace an object; a stale resourceVersion in it is a conflict."""
        return await self.request("PUT", kind.item(key, subresource), body=obj)

    async def patch(self, kind: Kind, key: Key, change: Json, *, subresource: str = "") -> Json:
        """Merge a change into an object (JSON merge patch)."""
        headers = {"Content-Type": MERGE_PATCH}
        return await self.request("PATCH", kind.item(key, subresource), body=change, headers=headers)

    async def delete(self, kind: Kind, key: Key, *, uid: str = "", options: Json | None = None) -> Json:
        """Ask for deletion of an object, of exactly the one with that uid when it is given."""
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", **(options or {})}
        if uid:
            body["preconditions"] = {"uid": uid}
        return await self.request("DELETE", kind.item(key), body=body)

    async def request(
        self, method: str, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None, **query: str
    ) -> Json:
        """Send one request and return the decoded answer."""
        sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else headers
        data = json.dumps(body).encode() if body is not None else None
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        url = f"{self._connection.url}{path}"
        try:
            async with (
                self._slots,
                self._open().request(method, url, data=data, headers=sent, params=query, timeout=timeout) as response,
            ):
                return _answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiFailure(0, "Unreachable", f"{method} {path}: {error or type(error).__name__}") from error

    async def list(self, kind: Kind, *, metadata_only: bool = False, selector: str = "") -> tuple[list[Json], str]:
        """All objects of a kind in the cluster, page by page, and the resourceVersion they were read at."""
        query = {"limit": str(PAGE_SIZE)} | ({"labelSelector": selector} if selector else {})
        headers = {"Accept": METADATA_LIST_ONLY} if metadata_only else None
        items: list[Json] = []
        while True:
            page = await self.request("GET", kind.collection(), headers=headers, **query)
            items.extend(page.get("items") or ())
            token = page["metadata"].get("continue")
            if not token:
                return items, str(page["metadata"]["resourceVersion"])
            query["continue"] = token

    async def watch(
        self, kind: Kind, version: str, *, metadata_only: bool = False, selector: str = ""
    ) -> AsyncIterator[Json]:
        """The events of a kind after a resourceVersion, until the server ends the stream."""
        query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(WATCH_SECONDS)} | ({"labelSelector": selector} if selector else {})
        headers = {"Accept": METADATA_ONLY} if metadata_only else None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=WATCH_SECONDS + 30)
        url = f"{self._connection.url}{kind.collection()}"
        try:
            async with self._open().get(url, params=query, headers=headers, timeout=timeout) as response:
                if response.status >= 400:
                    _answer(response.status, await response.read())
                async for line in _lines(response.content):
                    yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiFailure(0, "Unreachable", f"watch {kind.plural}: {error or type(error).__name__}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        return self._session


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines of any length (the stream's own readline bounds them)."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def _answer(code: int, body: bytes) -> Json:
    try:
        decoded: Json = json.loads(body) if body else {}
    except ValueError:
        decoded = {"message": body[:200].decode(errors="replace")}
    if code >= 400:
        raise ApiFailure(code, decoded.get("reason", ""), decoded.get("message", ""))
    return decoded
