"""What the demo counts is what was answered, and what it finds wrong is what differs from the story."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import rollouts.sandbox.app
from rollouts.demo.outcome import Counted, share_differences
from rollouts.demo.processes import Child, ChildEnded, Processes, free_port
from rollouts.demo.traffic import Answer, Tally, User, parse_head

HOST = "127.0.0.1"


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """Children that end with the test."""
    async with Processes(tmp_path) as running:
        yield running


async def _app(processes: Processes, *flags: str) -> tuple[Child, tuple[str, int]]:
    """The demo application, when it listens."""
    port = free_port()
    script = str(rollouts.sandbox.app.__file__)
    command = (sys.executable, "-I", "-S", script, f"--host={HOST}", f"--port={port}", "--version=v7", *flags)
    child = await processes.start("app", command)
    probe = Tally()
    while not probe.requests:
        assert child.process.returncode is None, child.log.read_text()
        await User((HOST, port), probe, keeps_connection=False).request()
    return child, (HOST, port)


@pytest.mark.parametrize("keeps_connection", [True, False])
async def test_answers_are_counted_by_version(processes: Processes, *, keeps_connection: bool) -> None:
    """Every answer counts for the version in it, and those with a status of 500 as its errors."""
    _, address = await _app(processes, "--error-rate=0.2")
    tally = Tally()
    user = User(address, tally, keeps_connection=keeps_connection)
    for _ in range(50):
        await user.request()
    user.leave()
    assert (tally.requests["v7"], tally.errors["v7"], tally.failures) == (50, 10, [])


async def test_a_request_without_an_answer_is_a_transport_failure(processes: Processes) -> None:
    """Nobody listens any more: the request is counted as unanswered, and not repeated."""
    child, address = await _app(processes)
    child.process.kill()
    await child.process.wait()
    tally = Tally()
    await User(address, tally, keeps_connection=True).request()
    assert len(tally.failures) == 1
    assert not tally.requests


async def test_a_program_that_ends_is_reported_with_its_last_words(processes: Processes) -> None:
    """Whoever waits for a program that ends learns its code and what it printed."""
    child = await processes.start("brief", (sys.executable, "-c", "print('no disk'); raise SystemExit(3)"))
    with pytest.raises(ChildEnded, match=r"brief ended with code 3\n  no disk"):
        await processes.until(child, lambda: False, seconds_max=60)


async def test_a_program_that_ends_later_is_reported_too(processes: Processes) -> None:
    """The end of any program is noticed while the story goes on."""
    await processes.start("lasting", (sys.executable, "-c", "import time; time.sleep(60)"))
    await processes.start("brief", (sys.executable, "-c", "raise SystemExit(4)"))
    async with asyncio.timeout(60):
        assert "brief ended with code 4" in str(await processes.first_end())


def test_shares_are_those_of_the_last_seconds() -> None:
    """Older answers stay in the totals and leave the shares."""
    tally = Tally()
    for at, version in ((1.0, "v1"), (5.0, "v1"), (5.5, "v2"), (6.0, "v2"), (6.5, "v2")):
        tally.add(Answer(at, version, is_error=version == "v2"))
    shares = tally.shares(now=7.0, seconds=3.0)
    assert (shares["v1"].percent, shares["v2"].percent) == (25.0, 75.0)
    assert (shares["v2"].requests, shares["v2"].errors, shares["v2"].per_second) == (3, 3, 1.0)
    assert tally.requests == {"v1": 2, "v2": 3}


def test_a_share_far_from_its_weight_is_a_difference() -> None:
    """Ten points are the tolerance; the sentence says what was counted."""
    counted = (Counted("v2", 25.0, 33.0), Counted("v2", 50.0, 38.0))
    assert list(share_differences(counted)) == ["v2 should get 50 % of the requests; counted 38.0 %"]


def test_what_is_no_http_is_refused() -> None:
    """An answer of another protocol is no answer."""
    assert parse_head("http/1.1 200 ok\r\ncontent-length: 3\r\n\r\n") == (200, {"content-length": "3"})
    with pytest.raises(ValueError, match=r"no HTTP answer: 'ssh-2\.0'"):
        parse_head("ssh-2.0\r\n\r\n")
