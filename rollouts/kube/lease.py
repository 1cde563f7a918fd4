"""Leader election by a Lease: of all controllers that share the name, at most one writes.

The promise is kept with clocks that never meet: the holder stops writing `renew_deadline` after it *sent* its last
successful renewal, a rival takes over no sooner than `duration` after it *saw* the Lease change, and the deadline is
the shorter of the two. The clock is one that runs on while the machine sleeps. The fence is a computation, not a flag
that somebody must clear, so a holder that was frozen, or whose API calls hang, finds it closed when it wakes up.

What a process does when it loses the lease does not belong here: the composition root ends it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from rollouts.kube.client import Json, Request
from rollouts.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from rollouts.kube.kinds import LEASES

log = structlog.get_logger()

JITTER = 0.2  # of the retry period, so that rivals do not move in step


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """Seconds: how long a claim lasts, how long the holder trusts it unrenewed, and how often it is looked at."""

    duration: float = 12.0
    renew_deadline: float = 8.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > 2 * self.retry_period > 0:
            raise ValueError(
                "leader election: lease duration > renew deadline > 2 x retry period is needed, got "
                f"{self.duration:g}s, {self.renew_deadline:g}s and {self.retry_period:g}s"
            )

    @property
    def request_timeout(self) -> float:
        """A hung request must leave time for another attempt before the deadline."""
        return self.renew_deadline / 2 - self.retry_period / 2


def running_clock() -> float:
    """Seconds on a clock that no one sets and that counts through the machine's sleep."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@dataclass(slots=True)
class _Seen:
    """The Lease as it was last read, and when it was first read in that state."""

    lease: Json
    since: float

    @property
    def spec(self) -> dict[str, Any]:
        spec = self.lease.get("spec")
        return spec if isinstance(spec, dict) else {}

    @property
    def holder(self) -> str:
        return str(self.spec.get("holderIdentity") or "")

    def expires_at(self, timing: LeaseTiming) -> float:
        return self.since + max(timing.duration, float(self.spec.get("leaseDurationSeconds") or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which Lease is competed for, and under which name; `identity` is unique to this process."""

    namespace: str
    name: str
    identity: str


class Sender(Protocol):
    """What the elector needs of a client."""

    async def send(self, request: Request, *, timeout_seconds: float) -> Json:
        """Send one request. Raises ApiError."""
        ...


class Elector:
    """Competes for one Lease, keeps it once it is won, and is the fence of everything that writes."""

    def __init__(
        self,
        client: Sender,
        *,
        claim: Claim,
        timing: LeaseTiming | None = None,
        clock: Callable[[], float] = running_clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._claimed = claim
        self._path = LEASES.path(claim.namespace, claim.name)
        self.identity = claim.identity
        self._timing = timing or LeaseTiming()
        self._clock = clock
        self._sleep = sleep
        self._seen: _Seen | None = None
        self._renewed_at: float | None = None
        self._said = ""
        self.leading = asyncio.Event()
        """Set once, when the lease is won. Whether it is still held is what `remaining_seconds` says."""

    def remaining_seconds(self) -> float:
        """Seconds for which this process may still write; zero or less: it is not the leader."""
        if self._renewed_at is None:
            return 0.0
        return self._renewed_at + self._timing.renew_deadline - self._clock()

    async def run(self) -> None:
        """Wait until the lease is won, keep it, and return when it is lost."""
        while not await self.attempt():
            await self._sleep(self._pause())
        log.info("leader_elected", identity=self.identity)
        self.leading.set()
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew_while_held())
            await self._watch_deadline()
            renewing.cancel()
        self._renewed_at = None
        log.warning("leadership_lost", identity=self.identity)

    async def release(self) -> None:
        """Give the lease up, so that a rival need not wait. Only for a holder that has stopped writing for good."""
        if self.remaining_seconds() <= 0:
            return
        self._renewed_at = None
        try:
            # read anew: a renewal that was cut off may have reached the server all the same
            lease = await self._send(Request(method="GET", path=self._path))
            if _Seen(lease, 0.0).holder == self.identity:
                given_up = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time()}
                await self._put({**lease, "spec": {**lease["spec"], **given_up}})
                log.info("lease_released", identity=self.identity)
        except ApiError as error:
            log.info("lease_not_released", error=error.message)  # it expires by itself

    async def _renew_while_held(self) -> None:
        while self.remaining_seconds() > 0:
            await self._sleep(self._timing.retry_period)
            if not await self.attempt() and self._is_taken():
                self._renewed_at = None

    async def _watch_deadline(self) -> None:
        while (remaining := self.remaining_seconds()) > 0:
            await self._sleep(min(remaining, self._timing.retry_period / 2))

    async def attempt(self) -> bool:
        """One try to win or to renew; False when it did not succeed, for whatever reason."""
        try:
            return await self._win_or_renew()
        except (Conflict, AlreadyExists) as error:
            self._seen = None  # somebody else wrote: look again before the next try
            log.debug("lease_changed_meanwhile", error=error.message)
        except ApiError as error:
            if isinstance(error, NotFound):
                self._seen = None  # deleted, or its namespace does not exist
            self._say_why_not(error)
        return False

    def _say_why_not(self, error: ApiError) -> None:
        """Once for each reason: a standby may have to say it for hours."""
        say = log.debug if error.reason == self._said else log.warning
        self._said = error.reason
        advice = {"advice": _MISSING.format(self._claimed.namespace)} if _is_without_namespace(error) else {}
        say("lease_not_renewed", error=error.message, reason=error.reason, **advice)

    async def _win_or_renew(self) -> bool:
        seen = self._seen
        if seen is None or seen.holder != self.identity:
            seen = await self._look()
        started = self._clock()
        if seen is None:
            if self._is_claimed_at(started):
                return False  # deleted under its holder, who trusts it until it hears of that
            self._keep(await self._create(), started)
            return True
        is_mine = seen.holder == self.identity
        if self._is_claimed_at(started):
            return False
        spec = {**seen.spec, **self._claim()}
        if not is_mine:
            spec |= {"acquireTime": _micro_time(), "leaseTransitions": int(seen.spec.get("leaseTransitions") or 0) + 1}
        self._keep(await self._put({**seen.lease, "spec": spec}), started)
        return True

    async def _look(self) -> _Seen | None:
        try:
            lease = await self._send(Request(method="GET", path=self._path))
        except NotFound:
            return None
        before = self._seen
        if before is None or _version(before.lease) != _version(lease):
            self._seen = _Seen(lease, self._clock())
        return self._seen

    async def _create(self) -> Json:
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.name,
            "metadata": {"name": self._claimed.name, "namespace": self._claimed.namespace},
            "spec": {**self._claim(), "acquireTime": _micro_time(), "leaseTransitions": 0},
        }
        return await self._send(Request(method="POST", path=LEASES.path(self._claimed.namespace), body=lease))

    async def _put(self, lease: Json) -> Json:
        return await self._send(Request(method="PUT", path=self._path, body=lease))

    async def _send(self, request: Request) -> Json:
        answer = await self._client.send(request, timeout_seconds=self._timing.request_timeout)
        if self._said:
            log.info("lease_within_reach_again")
            self._said = ""
        return answer

    def _claim(self) -> Json:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "renewTime": _micro_time(),
        }

    def _keep(self, lease: Json, sent_at: float) -> None:
        self._seen = _Seen(lease, self._clock())
        self._renewed_at = sent_at

    def _is_claimed_at(self, moment: float) -> bool:
        """Whether the last thing that was seen is a rival's claim that still holds."""
        return self._is_taken() and self._seen is not None and moment < self._seen.expires_at(self._timing)

    def _is_taken(self) -> bool:
        return self._seen is not None and self._seen.holder not in ("", self.identity)

    def _pause(self) -> float:
        """Until the next try: the retry period with jitter, but no later than the rival's claim runs out."""
        pause = self._timing.retry_period * (1 + random.random() * JITTER)
        if self._seen is None or not self._seen.holder:
            return pause
        remaining = self._seen.expires_at(self._timing) - self._clock()
        # past it the claim is contested already, and what failed will not be better at once
        return pause if remaining <= 0 else max(0.05, min(pause, remaining))


_MISSING = (
    "create the namespace {0!r}, or name another one for the Lease with --leader-election-namespace or POD_NAMESPACE"
)


def _is_without_namespace(error: ApiError) -> bool:
    return isinstance(error, NotFound) and error.message.startswith("namespaces ")


def _version(lease: Json) -> Any:
    return lease.get("metadata", {}).get("resourceVersion")


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
