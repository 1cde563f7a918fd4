"""Bad weather on demand: what a test may do to requests, watches and the clock of a sandbox.

A `Rule` names requests by verb, resource, name and user agent (shell patterns, `*` for all) and says what happens to
them, a number of times or always. Watches that run are dropped or held back as they are, without a new request. Nothing
of it touches stored objects: a client sees a cluster that is slow, full, broken or gone for a while, never one that is
wrong. A user agent (`rollouts-controller*`) lets one client suffer while the rest of the cluster works on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Literal

from rollouts.sandbox import errors
from rollouts.sandbox.routing import Target


@dataclass(frozen=True, slots=True)
class Delay:
    """The request waits before it is looked at."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The request is answered with an error and has no effect."""

    code: Literal[403, 409, 429, 500, 503, 504]
    retry_after: int = 0

    def error(self, target: Target) -> errors.ApiError:
        """What the client is told."""
        match self.code:
            case 403:
                return errors.forbidden(target.resource, target.name, "refused on demand")
            case 409:
                return errors.conflict(target.resource, target.name)
            case 429:
                return errors.too_many_requests(
                    "too many requests, please try again later", retry_after=self.retry_after
                )
            case 500:
                return errors.internal("broken on demand")
            case 503:
                return _unavailable(503, "ServiceUnavailable", self.retry_after)
            case 504:
                return _unavailable(504, "Timeout", self.retry_after)


def _unavailable(code: int, reason: str, retry_after: int) -> errors.ApiError:
    details = {"retryAfterSeconds": retry_after} if retry_after else {}
    return errors.ApiError(code, reason, "the server is currently unable to handle the request", details=details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The connection is cut; `after_effect`: only once the request was carried out, so the answer is lost."""

    after_effect: bool = False


Fault = Delay | Refuse | Reset


@dataclass(slots=True, kw_only=True, eq=False)
class Rule:
    """A fault and the requests that it meets."""

    fault: Fault
    verb: str = "*"
    resource: str = "*"
    name: str = "*"
    agent: str = "*"
    after: int = 0
    """How many matching requests it lets pass first."""
    times: int | None = None
    """How many requests it meets; None: all."""
    passed: int = 0
    """How many matching requests it let pass so far."""
    hits: int = 0
    """How many requests it met so far."""

    def meets(self, target: Target, agent: str) -> bool:
        """Whether this request is met; it counts either way."""
        if not self._names(target, agent) or self.hits == self.times:
            return False
        if self.passed < self.after:
            self.passed += 1
            return False
        self.hits += 1
        return True

    def _names(self, target: Target, agent: str) -> bool:
        pairs = (
            (self.verb, target.verb),
            (self.resource, target.label),
            (self.name, target.name),
            (self.agent, agent),
        )
        return all(fnmatchcase(value, pattern) for pattern, value in pairs)


@dataclass(frozen=True, slots=True)
class _Watches:
    """The watches of matching resources by matching clients."""

    resource: str
    agent: str

    def meet(self, plural: str, agent: str) -> bool:
        return fnmatchcase(plural, self.resource) and fnmatchcase(agent, self.agent)


@dataclass(slots=True)
class Faults:
    """Everything that is wrong with a sandbox now. A new one is in order."""

    rules: list[Rule] = field(default_factory=list)
    clock_offset: timedelta = timedelta(0)
    """How far the cluster's clock is ahead of the machine's."""
    _dropped: list[_Watches] = field(default_factory=list)
    _held: list[_Watches] = field(default_factory=list)
    _listeners: set[asyncio.Event] = field(default_factory=set)

    def inject(
        self,
        fault: Fault,
        *,
        verb: str = "*",
        resource: str = "*",
        name: str = "*",
        agent: str = "*",
        times: int | None = None,
    ) -> Rule:
        """Let this happen to matching requests (`pods` and `pods/status` are two resources) until it is used up."""
        return self.add(Rule(fault=fault, verb=verb, resource=resource, name=name, agent=agent, times=times))

    def add(self, rule: Rule) -> Rule:
        """Let this rule hold until it is used up."""
        self.rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Let it happen no more."""
        self.rules.remove(rule)

    def clear(self) -> None:
        """End everything: rules, held watches and the clock's offset."""
        self.rules.clear()
        self._held.clear()
        self.clock_offset = timedelta(0)
        self._wake()

    def met(self, target: Target, agent: str) -> list[Fault]:
        """The faults that this request meets, each counted."""
        return [rule.fault for rule in self.rules if rule.meets(target, agent)]

    def drop_watches(self, resource: str = "*", *, agent: str = "*") -> None:
        """Cut the connection of every matching watch that runs now."""
        self._dropped.append(_Watches(resource, agent))
        self._wake()

    @contextmanager
    def stale_watches(self, resource: str = "*", *, agent: str = "*") -> Iterator[None]:
        """Hold back what matching watches have to tell, until the block ends."""
        held = _Watches(resource, agent)
        self._held.append(held)
        try:
            yield
        finally:
            if held in self._held:
                self._held.remove(held)
            self._wake()

    @property
    def drops(self) -> int:
        """How often watches were dropped; a watch remembers it from its start."""
        return len(self._dropped)

    def is_dropped(self, plural: str, agent: str, *, since: int) -> bool:
        """Whether this client's watch of a resource, started after so many drops, has been dropped."""
        return any(watches.meet(plural, agent) for watches in self._dropped[since:])

    def is_held(self, plural: str, agent: str) -> bool:
        """Whether this client's watches of a resource are to say nothing now."""
        return any(watches.meet(plural, agent) for watches in self._held)

    def listen(self, listener: asyncio.Event) -> None:
        """Set this event when watches should look again, until `ignore`."""
        self._listeners.add(listener)

    def ignore(self, listener: asyncio.Event) -> None:
        """Set this event no more."""
        self._listeners.discard(listener)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()
