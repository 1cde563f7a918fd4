"""Bad weather on demand: what a client meets when a test asks for it, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from rollouts.sandbox import watching
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Delay, Refuse, Reset, Rule

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
HELD_SECONDS = 0.2


class Client:
    """Requests to one sandbox, in its own event loop."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, CIMultiDictProxy[str]]:
        """One request: code, body and headers."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind}
        async with self.session.request(
            method, self.sandbox.url + path, data=json.dumps(body), headers=headers
        ) as response:
            return response.status, await response.json(), response.headers

    async def make(self, name: str) -> Any:
        """A new ConfigMap."""
        code, body, _ = await self.call("POST", CONFIG_MAPS, {"metadata": {"name": name}, "data": {}})
        assert code == 201, body
        return body

    @asynccontextmanager
    async def watch(self, query: str = "") -> AsyncIterator[AsyncIterator[Any]]:
        """The events of a watch on ConfigMaps."""
        async with self.session.get(f"{self.sandbox.url}{CONFIG_MAPS}?watch=1&{query}") as response:
            assert response.status == 200

            async def events() -> AsyncIterator[Any]:
                async for line in response.content:
                    yield json.loads(line)

            yield events()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        yield Client(sandbox, session)


@pytest.mark.parametrize("code", [403, 409, 429, 500, 503, 504])
async def test_a_refusal_has_no_effect_and_ends(client: Client, code: Any) -> None:
    """So many times, for the verb and the object named, and no others."""
    rule = client.sandbox.faults.inject(Refuse(code=code, retry_after=3), verb="create", resource="configmaps", times=1)
    refused, status, _ = await client.call("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    assert (refused, status["kind"], status["status"]) == (code, "Status", "Failure")
    assert (await client.call("POST", CONFIG_MAPS, {"metadata": {"name": "a"}}))[0] == 201
    assert rule.hits == 1


async def test_a_throttled_client_is_told_when_to_come_back(client: Client) -> None:
    """In the header and in the Status."""
    client.sandbox.faults.inject(Refuse(code=429, retry_after=7))
    code, status, headers = await client.call("GET", CONFIG_MAPS)
    assert (code, headers["Retry-After"], status["details"]["retryAfterSeconds"]) == (429, "7", 7)


async def test_rules_choose_by_verb_resource_and_name(client: Client) -> None:
    """A rule for the status leaves the object alone, one for a name leaves the others alone."""
    faults = client.sandbox.faults
    faults.inject(Refuse(code=500), resource="pods/status")
    faults.inject(Refuse(code=500), verb="get", name="b*")
    await client.make("a")
    await client.make("b1")
    assert (await client.call("GET", f"{CONFIG_MAPS}/a"))[0] == 200
    assert (await client.call("GET", f"{CONFIG_MAPS}/b1"))[0] == 500
    assert (await client.call("PATCH", f"{CONFIG_MAPS}/b1", {}))[0] == 200
    faults.clear()
    assert (await client.call("GET", f"{CONFIG_MAPS}/b1"))[0] == 200


async def test_a_rule_may_let_some_pass_first(client: Client) -> None:
    """Requests that it does not name are not counted."""
    rule = client.sandbox.faults.add(
        Rule(fault=Refuse(code=500), verb="[cpdu]*", resource="configmaps", after=1, times=1)
    )
    codes = [(await client.call("POST", CONFIG_MAPS, {"metadata": {"name": name}}))[0] for name in ("a", "b", "b")]
    assert (codes, rule.hits) == ([201, 500, 201], 1)
    assert (await client.call("GET", CONFIG_MAPS))[0] == 200


async def test_one_client_suffers_alone(client: Client) -> None:
    """A rule may be for a user agent."""
    client.sandbox.faults.inject(Refuse(code=503), agent="unlucky/*")
    url = client.sandbox.url + CONFIG_MAPS
    async with client.session.get(url, headers={"User-Agent": "unlucky/1.0"}) as answer:
        assert answer.status == 503
    assert (await client.call("GET", CONFIG_MAPS))[0] == 200


async def test_a_slow_answer(client: Client) -> None:
    """The request waits its turn; others pass it."""
    client.sandbox.faults.inject(Delay(HELD_SECONDS), verb="list")
    started = asyncio.get_running_loop().time()
    slow = asyncio.create_task(client.call("GET", CONFIG_MAPS))
    await client.make("a")
    assert not slow.done()
    assert (await slow)[0] == 200
    assert asyncio.get_running_loop().time() - started >= HELD_SECONDS


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_reset_loses_the_request_or_only_its_answer(client: Client, after_effect: bool) -> None:  # noqa: FBT001 - a case
    """The client cannot tell which; the cluster can."""
    client.sandbox.faults.inject(Reset(after_effect=after_effect), verb="create", times=1)
    with pytest.raises(aiohttp.ClientError):
        await client.make("a")
    assert (await client.call("GET", f"{CONFIG_MAPS}/a"))[0] == (200 if after_effect else 404)


async def test_a_dropped_watch_can_go_on(client: Client) -> None:
    """Its connection is cut; nothing is lost for who resumes."""
    made = await client.make("a")
    version = made["metadata"]["resourceVersion"]
    async with client.watch(f"resourceVersion={version}") as events:
        client.sandbox.faults.drop_watches("configmaps")
        with pytest.raises(aiohttp.ClientError):
            await anext(events)
    await client.make("b")
    async with client.watch(f"resourceVersion={version}") as events:
        assert (await anext(events))["object"]["metadata"]["name"] == "b"


async def test_other_watches_are_not_dropped(client: Client) -> None:
    """Only those of the resource and the client named."""
    async with client.watch("resourceVersion=1") as events:
        client.sandbox.faults.drop_watches("pods")
        client.sandbox.faults.drop_watches(agent="somebody-else")
        await client.make("a")
        assert (await anext(events))["type"] == "ADDED"


async def test_a_stale_watch_is_late_but_complete(client: Client) -> None:
    """What is held back is told when the block ends, in order."""
    async with client.watch(f"resourceVersion={client.sandbox.store.revision}") as events:
        with client.sandbox.faults.stale_watches("configmaps"):
            await client.make("a")
            await client.call("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "v"}})
            waiting = asyncio.ensure_future(anext(events))
            await client.call("GET", CONFIG_MAPS)
            assert not waiting.done()
        assert (await waiting)["type"] == "ADDED"
        assert (await anext(events))["type"] == "MODIFIED"


async def test_after_compaction_a_watch_from_the_past_is_gone(client: Client) -> None:
    """As an ERROR event with a 410 Status; a watch from now goes on."""
    await client.make("a")
    await client.make("b")
    client.sandbox.compact()
    async with client.watch("resourceVersion=2") as events:
        event = await anext(events)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 2 (")
    async with client.watch(f"resourceVersion={client.sandbox.store.revision}") as events:
        await client.make("c")
        assert (await anext(events))["object"]["metadata"]["name"] == "c"


async def test_after_compaction_a_page_is_gone(client: Client) -> None:
    """410 with a token that goes on in the present."""
    for name in "abc":
        await client.make(name)
    _, first, _ = await client.call("GET", f"{CONFIG_MAPS}?limit=1")
    await client.make("bb")
    client.sandbox.compact()
    code, status, _ = await client.call("GET", f"{CONFIG_MAPS}?limit=1&continue={first['metadata']['continue']}")
    assert (code, status["reason"]) == (410, "Expired")
    code, rest, _ = await client.call("GET", f"{CONFIG_MAPS}?continue={status['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["b", "bb", "c"]


async def test_a_clock_that_is_wrong(client: Client) -> None:
    """The cluster stamps its own time."""
    client.sandbox.faults.clock_offset = timedelta(hours=-5)
    made, then = (
        await client.make("a"),
        datetime.fromisoformat((await client.make("b"))["metadata"]["creationTimestamp"]),
    )
    client.sandbox.faults.clear()
    now = datetime.fromisoformat((await client.make("c"))["metadata"]["creationTimestamp"])
    assert timedelta(hours=4, minutes=59) < now - then < timedelta(hours=5, minutes=1)
    assert made["metadata"]["creationTimestamp"]


async def test_a_cluster_that_restarts_keeps_its_objects(client: Client) -> None:
    """At the same address; while it is down nobody answers."""
    await client.make("a")
    await client.sandbox.stop()
    with pytest.raises(aiohttp.ClientError):
        await client.call("GET", CONFIG_MAPS)
    await client.sandbox.start()
    assert (await client.call("GET", f"{CONFIG_MAPS}/a"))[0] == 200
    async with client.watch() as events:
        assert (await anext(events))["object"]["metadata"]["name"] == "a"


async def test_an_idle_watch_is_told_where_it_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bookmark has a version that is current though nothing happened to the resource; only who asks gets them."""
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.01)
    await client.make("a")
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    async with client.watch("resourceVersion=1&allowWatchBookmarks=true&fieldSelector=metadata.name=none") as events:
        mark = await anext(events)
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["resourceVersion"] == str(client.sandbox.store.revision)


async def test_requests_are_counted(client: Client) -> None:
    """By verb, group, resource and code; also as a metric."""
    client.sandbox.requests.clear()
    await client.make("a")
    await client.call("GET", f"{CONFIG_MAPS}/none")
    assert client.sandbox.requests["create", "", "configmaps", 201] == 1
    assert client.sandbox.requests["get", "", "configmaps", 404] == 1
    async with client.session.get(f"{client.sandbox.url}/metrics") as response:
        line = 'apiserver_request_total{verb="GET",group="",resource="configmaps",code="404"} 1'
        assert line in await response.text()
