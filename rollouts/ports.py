"""What plugins are: traffic routers, metric providers and steps, and the values that cross the line to them.

A *router* turns an intent into manifests and reads back what is in force; it is pure and never talks to a cluster. A
*provider* asks a metrics backend one question, a *step* does what its author wants done before the update goes on; both
do IO, and are called in worker threads. Which weight is right, when to measure or to ask and what an answer means does
not belong here or in any plugin: the core decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from rollouts.api.codec import Problem
from rollouts.lib.redaction import redacted

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question to a backend.

    `config` is the provider's own section of the metric with every placeholder filled in, also those from Secrets, so
    it must not be shown. `secrets` are the values that came from Secrets; a provider keeps them out of what it returns.
    """

    config: Mapping[str, Any] = field(repr=False)
    now: datetime
    deadline_seconds: float
    """The caller stops waiting after so long; a provider ends its work by then."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """`text` with every secret value replaced by *****."""
        return redacted(text, self.secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a backend answered. With `error` set it did not, and the other fields say nothing."""

    value: Any = None
    """As conditions see it: None, bool, float, string, or lists and mappings of them."""
    text: str = ""
    """As people see it."""
    error: str = ""
    """Why there is no value: a sentence without any secret."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What is worth noting about this answer."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What is worth noting about the metric; the same for all its answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The backend works on it: ask again at `resume_at`. `metadata` is all the provider needs to find it again."""

    resume_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class MetricProvider(Protocol):
    """A metrics backend. Methods block up to the query's deadline and never raise for what a backend or a user did."""

    def begin(self, query: Query) -> Reading | Pending:
        """Ask."""
        ...

    def resume(self, query: Query, pending: Pending) -> Reading | Pending:
        """Look again at a question that takes long."""
        ...

    def cancel(self, query: Query, pending: Pending) -> None:
        """The answer is no longer wanted."""
        ...


@dataclass(frozen=True, slots=True)
class _Instant:
    """A provider that always answers at once."""

    ask: Callable[[Query], Reading]

    def begin(self, query: Query) -> Reading:
        """Ask and answer."""
        return self.ask(query)

    def resume(self, query: Query, pending: Pending) -> Reading:
        """Ask again: an earlier question left nothing behind."""
        return self.ask(query)

    def cancel(self, query: Query, pending: Pending) -> None:
        """Nothing is left running that could be stopped."""


def instant(ask: Callable[[Query], Reading]) -> MetricProvider:
    """The provider that a plain function is."""
    return _Instant(ask)


class Operation(StrEnum):
    """What is wanted of a step plugin, in the words of the status."""

    RUN = "Run"
    """Do it. Asked until it is done."""
    TERMINATE = "Terminate"
    """Stop: the update goes on without this step, because a person promoted it. Asked once."""
    ABORT = "Abort"
    """Undo: the update is given up, or another version takes its place. Asked once, also of steps that are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """One step of one attempt at one revision, as a plugin is asked about it.

    `key` names exactly that: it is the same in every call about it, after a crash too, and never means another. So a
    plugin that begins something under its key finds it again instead of beginning it twice.
    """

    key: str
    operation: Operation
    rollout: Mapping[str, Any]
    """The Rollout as the API server holds it."""
    config: Any
    """`plugin.config` of the step, as its author wrote it. None in an abort, if the steps have changed since."""
    status: Mapping[str, Any] | None
    """The plugin's own notes, as it handed them back last; None at first."""
    deadline_seconds: float
    """The caller stops waiting after so long; a plugin ends its work by then."""


class StepPhase(StrEnum):
    """How far a step is. That nobody knows is none of these but an exception."""

    RUNNING = "Running"
    """Not over: ask again."""
    SUCCESSFUL = "Successful"
    """Over, and the update may go on."""
    FAILED = "Failed"
    """Over, and the update is aborted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """What a plugin says of a step."""

    phase: StepPhase
    message: str = ""
    """A sentence for people, without any secret; a kilobyte of it is kept."""
    status: Mapping[str, Any] | None = None
    """Notes for the next call: JSON, at most eight kilobytes. None takes earlier ones away."""
    again_seconds: float | None = None
    """When to ask again while it runs, from ten seconds to an hour; None: in half a minute."""


class Unanswered(Exception):
    """How far a step is could not be found out; the text says why, for people, without any secret.

    Any other exception means the same, but only its type is shown.
    """


class StepPlugin(Protocol):
    """What a step of kind `plugin` does. Methods block up to the call's deadline; any of them may be called twice.

    One that raises has not answered: the step is asked again later, and never passes for it.
    """

    def start(self, call: StepCall) -> StepAnswer:
        """Begin, or find what was begun under this key; after an error too."""
        ...

    def poll(self, call: StepCall) -> StepAnswer:
        """Look again at what is Running."""
        ...

    def abort(self, call: StepCall) -> StepAnswer:
        """Stop or undo it, as `call.operation` says; it may have been asked to start without its answer arriving."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """Names an object that a router reads or renders; an empty namespace means a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It could not be found out; `why` is a sentence for people. Never the same as absent."""

    why: str


Objects = Mapping[ObjectRef, Manifest | Unknown]
"""What was asked for with `reads`. A key that is missing: the object does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose traffic is split: what a router must know of the Rollout besides its own section.

    The Services are those that have the roles now: with ping-pong they change roles at every promotion. Either is empty
    when the section names the versions in another way (subsets).
    """

    namespace: str
    rollout: str
    owner: Manifest
    """The owner reference that makes the Rollout the controller of an object."""
    canary_service: str
    stable_service: str
    weight_max: int = 100
    managed_routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A share of traffic: the Service that receives it, the version it is meant for, and its weight."""

    service: str
    pod_hash: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficIntent:
    """How traffic shall be split; all weights sum to `weight_max`.

    `routes` are the managed routes to have, by name: a step `setHeaderRoute` or `setMirrorRoute` as its author wrote
    it. Managed routes that are not among them are to be removed.
    """

    canary: Destination
    stable: Destination
    others: tuple[Destination, ...] = ()
    weight_max: int = 100
    routes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSeen:
    """The split in force, as the objects say: the weight of the canary's role, of stable's, and of other Services.

    `canary` and `stable` are the least that each role is sure to receive. A weight whose way cannot be told, since
    objects disagree or it lies between two whole numbers, is in `others` under the empty name: it may reach any
    version, so whoever reads weights adds it to every one of them. `canary_hash` and `stable_hash` name the version
    that a role is pinned to by the router's own objects (subsets); empty: whatever the role's Service selects.
    """

    canary: int
    stable: int
    others: Mapping[str, int] = field(default_factory=dict)
    """By Service; the empty name is for what may reach any version."""
    canary_hash: str = ""
    stable_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What people are told of a write that was made: reason and message of an Event, in words that clients know."""

    reason: str
    message: str


ConfigT = TypeVar("ConfigT")


class TrafficRouter(Protocol[ConfigT]):
    """A dialect of traffic splitting. Pure: from the objects it is given to the objects there should be."""

    schema: ClassVar[Mapping[str, Any]]
    """OpenAPI schema of its section of the Rollout."""

    def parse(self, section: Mapping[str, Any], subject: Subject) -> ConfigT | tuple[Problem, ...]:
        """Read its section of the Rollout, or say what is wrong with it; paths begin at the section."""
        ...

    def reads(self, config: ConfigT) -> tuple[ObjectRef, ...]:
        """The objects it needs to see."""
        ...

    def problems(self, config: ConfigT, objects: Objects) -> tuple[Problem, ...]:
        """What is wrong with the users' objects, found before any pod is made.

        What could not be read is no problem: nobody knows yet.
        """
        ...

    def observe(self, config: ConfigT, objects: Objects) -> TrafficSeen | Unknown:
        """The weights in force, or why they cannot be told."""
        ...

    def render(self, config: ConfigT, intent: TrafficIntent, objects: Objects) -> tuple[Manifest, ...]:
        """The manifests that put the intent in force, whole; rendering twice changes nothing, foreign fields are kept.

        Asked only when every object is readable and `problems` finds none.
        """
        ...

    def tell(self, config: ConfigT, intent: TrafficIntent, manifest: Manifest, live: Manifest | None) -> Told | None:
        """The words for a write of one of the manifests it rendered, over the object as it was; `live` None: it is new.

        None: what is told of every split is enough.
        """
        ...
