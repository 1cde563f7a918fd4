"""The session that watches run through: no object in an answer keeps the others from being read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from rollouts.kube.client import Credentials
from rollouts.lib.nesting import TOO_DEEP
from rollouts.runtime.watch_session import WatchSession

DEEP = '{"a":' * 9000 + "1" + "}" * 9000


def credentials(server: str = "http://127.0.0.1", authorization: str = "Bearer a") -> Credentials:
    return Credentials(
        server=server,
        ca_path=None,
        certificate_path=None,
        key_path=None,
        is_insecure=False,
        authorization=authorization,
    )


def a_session(authorization: str = "Bearer a", refused: Callable[[str], None] = print) -> WatchSession:
    return WatchSession(credentials(authorization=authorization), refused)


@asynccontextmanager
async def served(serve: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The URL of a server that answers so, whatever it is asked."""
    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_one_deep_object_costs_the_others_nothing() -> None:
    """Neither in a list nor in a watch; a real API server stores such objects."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.Response(text=f'{{"items":[{{"n":1}},{DEEP},{{"n":2}}]}}', content_type="application/json")
        response = web.StreamResponse()
        await response.prepare(request)
        for line in ('{"n":1}', DEEP, '{"n":2}'):
            await response.write(f"{line}\n".encode())
        return response

    async with served(serve) as url, a_session().aiohttp_session as session:
        async with session.get(url) as answer:
            items = (await answer.json())["items"]
        async with session.get(url, params={"watch": "1"}) as answer:
            text = b"".join([chunk async for chunk in answer.content.iter_chunked(1000)])
    for first, second, third in (items, [json.loads(line) for line in text.splitlines()]):
        assert (first, third) == ({"n": 1}, {"n": 2})
        assert TOO_DEEP in json.dumps(second)


def test_equal_credentials_are_equal_logins() -> None:
    """So that a refused login is not repeated without end."""
    assert a_session() == a_session()
    assert a_session() != a_session("Bearer b")


async def test_a_refused_watch_is_reported() -> None:
    """The watch library tries again without a word; an answer that the server is ill is no refusal."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path.strip("/")))

    refused: list[str] = []
    async with served(serve) as url, a_session(refused=refused.append).aiohttp_session as session:
        for status in (200, 403, 503, 404, 401):
            async with session.get(f"{url}{status}", params={"watch": "1"}):
                pass
    assert refused == ["/403", "/404"]
