"""The HTTP session that watches run through: credentials, TLS, and answers that one odd object cannot spoil.

A list or a watch carries the objects of many owners. kopf decodes it with a decoder that gives up at some depth of
nesting, and then ends all watches; so what is nested too deeply is cut out here, before kopf sees it. Which objects are
watched does not belong here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import kopf

from rollouts.kube.client import Credentials
from rollouts.lib import nesting

REFUSALS = (403, 404)


class WatchSession(kopf.AiohttpSession):
    """What kopf logs in with: a new session each time it asks for one, since it goes on with one that it has closed.

    Equal for equal credentials, so that kopf sees when a refused login would only be repeated. `on_refused` is told the
    path of every request that may not be made, or whose kind is not served.
    """

    def __init__(self, credentials: Credentials, on_refused: Callable[[str], None]) -> None:
        # the base is a frozen dataclass, whose own constructor would want one session for all time
        object.__setattr__(self, "server", credentials.server)
        object.__setattr__(self, "credentials", credentials)
        object.__setattr__(self, "on_refused", on_refused)

    credentials: Credentials
    on_refused: Callable[[str], None]

    @property
    def aiohttp_session(self) -> aiohttp.ClientSession:
        """A new session in the running loop; whoever asks closes it."""
        info = _connection(self.credentials)
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            response_class=_Response,
            trace_configs=[trace],
            trust_env=False,
        )

    async def _answered(self, session: aiohttp.ClientSession, context: Any, end: aiohttp.TraceRequestEndParams) -> None:
        if end.response.status in REFUSALS:
            self.on_refused(end.url.path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WatchSession) and self.credentials == other.credentials

    def __hash__(self) -> int:
        return hash(self.credentials)


def _connection(credentials: Credentials) -> kopf.ConnectionInfo:
    scheme, _, token = credentials.authorization.partition(" ")
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=credentials.ca_path,
        certificate_path=credentials.certificate_path,
        private_key_path=credentials.key_path,
        insecure=credentials.is_insecure,
        scheme=scheme or None,
        token=token or None,
    )


class _Response(aiohttp.ClientResponse):
    """An answer whose JSON can always be decoded, whether it is read whole or line by line."""

    async def json(self, **_: Any) -> Any:
        return nesting.loads(await self.read())

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        await super().start(connection)
        self.content = _Lines(self.content)  # type: ignore[assignment] # as far as kopf uses it, it is one
        return self


class _Lines:
    """A stream whose chunks, where they are asked for, are whole lines of JSON that is not too deep."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Chunks of lines; the last line may lack its end."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield b"".join(map(nesting.readable, lines.splitlines(keepends=True))) + newline
        if rest:
            yield nesting.readable(rest)
