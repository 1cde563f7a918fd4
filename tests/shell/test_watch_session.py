"""The session that watches run through: no object in an answer keeps the others from being read."""

from __future__ import annotations

import json

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

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with WatchSession(credentials()).aiohttp_session as session:
            async with session.get(url) as answer:
                items = (await answer.json())["items"]
            async with session.get(url, params={"watch": "1"}) as answer:
                text = b"".join([chunk async for chunk in answer.content.iter_chunked(1000)])
    finally:
        await runner.cleanup()
    for first, second, third in (items, [json.loads(line) for line in text.splitlines()]):
        assert (first, third) == ({"n": 1}, {"n": 2})
        assert TOO_DEEP in json.dumps(second)


def test_equal_credentials_are_equal_logins() -> None:
    """So that a refused login is not repeated without end."""
    assert WatchSession(credentials()) == WatchSession(credentials())
    assert WatchSession(credentials()) != WatchSession(credentials(authorization="Bearer b"))
