"""Users of the service: a steady rate of HTTP requests, each counted by the version that answered it.

Half of the users open a connection for every request, half keep theirs for a few. Their pace and the life of their
connections vary, so that they do not march in step with a balancer that takes its endpoints in turn. Nothing is
retried: a request without a complete answer is a transport failure, whatever the cause. An answer with a status of 500
or more is an error of the version that gave it. How the figures are judged or shown does not belong here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

USERS = 12
REQUESTS_PER_CONNECTION = (2, 5)  # from, to, of users who keep theirs; then they come back through the balancer
PACE_VARIES = (0.6, 1.4)  # from, to, of the mean time between a user's requests
ANSWER_SECONDS_MAX = 10.0
KEPT_SECONDS = 10.0  # of single answers; totals are kept for ever
ERROR_FROM = 500

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer: when (the loop's clock, seconds), by which version, and whether it was an error."""

    at: float
    version: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What one version did of the requests of some seconds."""

    requests: int
    errors: int
    percent: float
    per_second: float


@dataclass(slots=True)
class Tally:
    """Everything counted so far."""

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Requests without an answer, by their cause."""
    recent: deque[Answer] = field(default_factory=deque)

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.requests[answer.version] += 1
        self.errors[answer.version] += answer.is_error
        self.recent.append(answer)
        while self.recent[0].at < answer.at - KEPT_SECONDS:
            self.recent.popleft()

    def shares(self, *, now: float, seconds: float) -> Mapping[str, Share]:
        """What each version did in the last `seconds`, at most `KEPT_SECONDS`."""
        answers = [answer for answer in self.recent if answer.at > now - seconds]
        requests = Counter(answer.version for answer in answers)
        errors = Counter(answer.version for answer in answers if answer.is_error)
        return {
            version: Share(count, errors[version], 100.0 * count / len(answers), count / seconds)
            for version, count in requests.items()
        }


class Traffic:
    """Requests to one address from entering to leaving; an async context manager.

    `host` is the name that users give the address, where it serves several.
    """

    def __init__(self, address: Address, *, per_second: float, host: str = "") -> None:
        self.tally = Tally()
        self._address = address
        self._host = host
        self._interval = USERS / per_second
        self._users: list[asyncio.Task[None]] = []
        self._is_over = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in range(USERS):
            first = loop.time() + self._interval * number / USERS
            user = User(self._address, self.tally, keeps_connection=number % 2 == 0, host=self._host)
            self._users.append(asyncio.create_task(self._use(user, first), name=f"user {number}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        if kind is not None:
            for task in self._users:
                task.cancel()
        await asyncio.gather(*self._users, return_exceptions=kind is not None)

    async def _use(self, user: User, due: float) -> None:
        """One request at a time; those that a slow answer made late are left out, not caught up."""
        loop = asyncio.get_running_loop()
        try:
            while not self._is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_over.wait(), max(due - loop.time(), 0.001))
                    break
                await user.request()
                due = max(due + self._interval * random.uniform(*PACE_VARIES), loop.time())
        finally:
            user.leave()


class User:
    """Sends requests one after the other."""

    def __init__(self, address: Address, tally: Tally, *, keeps_connection: bool, host: str = "") -> None:
        self._address = address
        self._host = host or address[0]
        self._tally = tally
        self._keeps_connection = keeps_connection
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._sent = 0
        self._leaves_after = 1

    async def request(self) -> None:
        """Send one request and count what came of it."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                status, body, may_stay = await self._exchange()
            version = str(json.loads(body)["version"])
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ValueError, KeyError) as error:
            kind = "on a kept connection" if self._sent > 1 else "on a new connection"
            self._tally.failures.append(f"{type(error).__name__} {kind}: {error}")
            self.leave()
            return
        now = asyncio.get_running_loop().time()
        self._tally.add(Answer(now, version, status >= ERROR_FROM))
        if not may_stay or self._sent >= self._leaves_after:
            self.leave()

    def leave(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection[1].close()
        self._connection = None
        self._sent = 0

    async def _exchange(self) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection may be used again."""
        if self._connection is None:
            self._leaves_after = random.randint(*REQUESTS_PER_CONNECTION)
            self._connection = await asyncio.open_connection(*self._address)
        reader, writer = self._connection
        self._sent += 1
        wish = "keep-alive" if self._keeps_connection else "close"
        writer.write(f"GET / HTTP/1.1\r\nHost: {self._host}\r\nConnection: {wish}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, headers = parse_head(head)
        body = await reader.readexactly(int(headers["content-length"]))
        return status, body, headers.get("connection", wish) != "close"


def parse_head(head: str) -> tuple[int, Mapping[str, str]]:
    """Status and headers (in lower case) of an answer. Raises ValueError when it is none."""
    first, *lines = head.split("\r\n")
    protocol, _, rest = first.partition(" ")
    if not protocol.upper().startswith("HTTP/1."):
        raise ValueError(f"no HTTP answer: {first[:60]!r}")
    pairs = (line.partition(":") for line in lines if line)
    return int(rest[:3]), {name.strip(): value.strip() for name, _, value in pairs}
