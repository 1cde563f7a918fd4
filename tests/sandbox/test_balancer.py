"""The balancer by itself: real connections, endpoints as slices would give them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import pytest

from rollouts.sandbox.balancer import Address, Listener, Rotation, Targets, addresses_of, targets_of
from rollouts.sandbox.relay import Relay, join
from tests.sandbox.a_pod import Json


@asynccontextmanager
async def a_backend(name: str) -> AsyncIterator[Address]:
    """A server that answers every line with its name and that line, and closes after the client did."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with suppress(ConnectionError), closing(writer):
            while line := await reader.readline():
                writer.write(name.encode() + b" " + line)
            writer.write(b"bye\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await asyncio.gather(*serving)


@asynccontextmanager
async def a_listener(targets: Targets) -> AsyncIterator[Listener]:
    """A listener on a free port."""
    listener = Listener(("127.0.0.1", 0))
    listener.rotation.targets = targets
    await listener.open()
    try:
        yield listener
    finally:
        listener.close()
        listener.abandon()


async def ask(listener: Listener, text: str = "hello") -> str:
    """One line there and one back, on a connection of its own."""
    reader, writer = await asyncio.open_connection(*listener.bound)
    writer.write(f"{text}\n".encode())
    answer = await reader.readline()
    writer.close()
    return answer.decode().strip()


def nobody() -> Address:
    """An address at which nothing listens."""
    return ("127.0.0.1", 1)


async def test_connections_go_to_ready_endpoints_in_turn() -> None:
    """Four connections, two each."""
    async with a_backend("one") as one, a_backend("two") as two, a_listener(Targets((one, two), ())) as listener:
        answers = Counter([await ask(listener) for _ in range(4)])
    assert answers == {"one hello": 2, "two hello": 2}


async def test_no_connection_fails_while_one_endpoint_takes_it() -> None:
    """An endpoint that refuses is passed over."""
    async with a_backend("one") as one, a_listener(Targets((nobody(), one), ())) as listener:
        assert {await ask(listener) for _ in range(6)} == {"one hello"}


async def test_leaving_endpoints_are_used_only_when_none_is_ready() -> None:
    """The last resort, as long as they serve."""
    async with a_backend("old") as old, a_backend("new") as new, a_listener(Targets((new,), (old,))) as listener:
        assert await ask(listener) == "new hello"
        listener.rotation.targets = Targets((), (old,))
        assert await ask(listener) == "old hello"


async def test_without_endpoints_a_connection_is_refused_at_once() -> None:
    """The client sees a broken connection, not silence."""
    async with a_listener(Targets((), ())) as listener:
        with pytest.raises(ConnectionError):
            reader, writer = await asyncio.open_connection(*listener.bound)
            with closing(writer):
                await reader.readexactly(1)


async def test_existing_connections_survive_the_removal_of_their_endpoint() -> None:
    """A terminating pod finishes what it has begun."""
    async with a_backend("one") as one, a_listener(Targets((one,), ())) as listener:
        reader, writer = await asyncio.open_connection(*listener.bound)
        writer.write(b"a\n")
        assert await reader.readline() == b"one a\n"
        listener.rotation.targets = Targets((), ())
        listener.close()
        writer.write(b"b\n")
        assert await reader.readline() == b"one b\n"
        writer.close()


async def test_a_finished_side_is_passed_on_as_such() -> None:
    """The client says that it has no more to send, and still hears the end."""
    async with a_backend("one") as one, a_listener(Targets((one,), ())) as listener:
        reader, writer = await asyncio.open_connection(*listener.bound)
        writer.write(b"last\n")
        writer.write_eof()
        assert await reader.read() == b"one last\nbye\n"
        writer.close()


async def test_large_answers_arrive_whole() -> None:
    """Megabytes pass at the pace of the reader."""
    async with a_backend("one") as one, a_listener(Targets((one,), ())) as listener:
        reader, writer = await asyncio.open_connection(*listener.bound)
        lines = 40_000
        writer.write(b"x" * 49 + b"\n" + (b"y" * 49 + b"\n") * (lines - 1))
        writer.write_eof()
        assert len(await reader.read()) == lines * 54 + len(b"bye\n")
        writer.close()


def test_rotation_goes_on_when_endpoints_change() -> None:
    """Fewer endpoints than the turn that was reached are no problem."""
    rotation = Rotation()
    rotation.targets = Targets((("a", 1), ("b", 1), ("c", 1)), ())
    assert [rotation.order()[0][0] for _ in range(3)] == ["a", "b", "c"]
    rotation.targets = Targets((("a", 1), ("b", 1)), ())
    assert rotation.order()[0][0] == "b"


def a_slice(*endpoints: Json, name: str = "http") -> Json:
    return {
        "addressType": "IPv4",
        "ports": [{"name": name, "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def test_targets_are_read_from_slices_by_port_name() -> None:
    """Ready ones, and those that serve while they terminate; unknown readiness counts as ready."""
    ready: Json = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}
    unknown: Json = {"addresses": ["10.0.0.2"]}
    leaving: Json = {"addresses": ["10.0.0.3"], "conditions": {"ready": False, "serving": True, "terminating": True}}
    down: Json = {"addresses": ["10.0.0.4"], "conditions": {"ready": False}}
    slices = [a_slice(ready, leaving), a_slice(unknown, down), a_slice(ready, name="other")]
    targets = targets_of({"name": "http", "port": 80}, slices)
    assert targets == Targets((("10.0.0.1", 8080), ("10.0.0.2", 8080)), (("10.0.0.3", 8080),))


def test_a_headless_service_has_no_address() -> None:
    """There is nothing to listen on; UDP is left out."""
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "http", "port": 80}]
    assert addresses_of({"spec": {"clusterIP": "None", "ports": ports}}) == {}
    assert list(addresses_of({"spec": {"clusterIP": "127.96.0.1", "ports": ports}})) == [("127.96.0.1", 80)]


async def an_end(relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The far end of a connection that a relay holds."""
    near, far = socket.socketpair()
    await asyncio.get_running_loop().create_connection(lambda: relay, sock=near)
    return await asyncio.open_connection(sock=far)


@pytest.mark.parametrize("answer", [b"answer", b""])
async def test_nothing_is_lost_that_was_said_before_two_sides_are_joined(answer: bytes) -> None:
    """Both may speak, and finish, while one still waits for the other; this ends both connections."""
    one, other = Relay(), Relay()
    from_one, to_one = await an_end(one)
    from_other, to_other = await an_end(other)
    for writer, text in ((to_one, b"question"), (to_other, answer)):
        writer.write(text)
        writer.write_eof()
    for _ in range(3):  # turns of the loop: whoever reads has read by then
        await asyncio.sleep(0)
    join(one, other)
    async with asyncio.timeout(30):  # what is lost would be waited for without end
        assert (await from_other.read(), await from_one.read()) == (b"question", answer)
    for writer in (to_one, to_other):
        writer.close()
        await writer.wait_closed()
