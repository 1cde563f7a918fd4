"""From the API server's watches to one callback: kopf, used as a watch pump and for nothing else.

kopf runs in a thread and an event loop of its own, where all that happens to an object is that it is made slim and
handed to the main loop. Handlers are `on.event` handlers that return None, storages are null, posting is off: nothing
of kopf's is ever written to anybody's object. When kopf gives up, it is started again. It loses deletions in a watch
gap; the census finds them. What an event means does not belong here."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import kopf
import structlog

from rollouts.kube.client import ConfigurationError, Credentials
from rollouts.kube.kinds import Kind, label_selector
from rollouts.runtime.cache import Entry, entry_of
from rollouts.runtime.watch_session import WatchSession

log = structlog.get_logger()

T = TypeVar("T")

RESTART_PAUSE_SECONDS = 1.0
RESTART_PAUSE_MAX_SECONDS = 30.0
CHUNK = 500  # objects per page of a list: a larger page holds the interpreter for too long
SERVER_TIMEOUT_SECONDS = 300
REQUEST_TIMEOUT_SECONDS = 60
CONNECT_TIMEOUT_SECONDS = 5
IDLE_TIMEOUT_SECONDS = 0.2  # every idle worker holds a task and the last body
STOP_PATIENCE_SECONDS = 10.0
STEADY_SECONDS = 10.0  # kopf that ends sooner has not watched anything
IDENTITY: Any = "rollouts"  # else kopf asks for the user's name, and the user of a container has none


@dataclass(frozen=True, slots=True)
class Event:
    """One message of a watch. `type` None: the object was listed, so deletions may have been missed before."""

    type: str | None
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to watch: which kinds, in one namespace or (empty) in all, of which controller instance."""

    kinds: tuple[Kind, ...]
    namespace: str
    instance_id: str


Login = Callable[[], Awaitable[Credentials]]


class _NoDiff(kopf.DiffBaseStorage):
    """Remembers nothing about any object; the default spends half of the CPU on copies of them."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Stores no progress in any object."""

    def fetch(self, *, key: Any, body: kopf.Body) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return None

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return None

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


class _Backoffs:
    """Pauses without end: an iterable without a length, so that kopf never gives up on an API server that is away."""

    def __iter__(self) -> Iterator[float]:
        pause = 0.5
        while True:
            yield pause
            pause = min(pause * 1.5, 5.0)


class Pump:
    """Runs the watches of one scope in a thread, from `start` to `stop`."""

    def __init__(
        self, scope: Scope, *, login: Login, deliver: Callable[[Event], None], refused: Callable[[Kind], None]
    ) -> None:
        self._scope = scope
        self._login = login
        self._deliver = deliver
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._end_of_run = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-pump", daemon=True)
        self._up_until = self._began = time.monotonic()
        self._is_running = False
        self.restarts = 0
        """How often kopf had to be started again."""

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def restart(self) -> None:
        """Look anew at what the cluster serves: a kind was installed."""
        self._end_of_run.set()

    async def stop(self) -> None:
        """End all watches and wait for the thread."""
        self._stop.set()
        self._end_of_run.set()
        await asyncio.to_thread(self._thread.join, STOP_PATIENCE_SECONDS)

    def down_seconds(self) -> float:
        """For how long nothing has been watched; 0 while kopf runs steadily. A start alone is no sign of life."""
        now = time.monotonic()
        return 0.0 if self._is_running and now - self._began > STEADY_SECONDS else now - self._up_until

    def _run(self) -> None:
        pause = RESTART_PAUSE_SECONDS
        while not self._stop.is_set():
            self._began, self._is_running = time.monotonic(), True
            is_wished = False
            try:
                is_wished = asyncio.run(self._operate())
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - kopf ends with whatever ended it
                log.warning("watch_pump_failed", error=f"{type(error).__name__}: {error}")
            self._end_of_run.clear()
            ran_seconds = time.monotonic() - self._began
            self._is_running = False
            if is_wished or ran_seconds > STEADY_SECONDS:
                self._up_until = time.monotonic()
            if is_wished:
                continue
            if self._stop.is_set():
                return
            self.restarts += 1
            pause = RESTART_PAUSE_SECONDS if ran_seconds > 60 else min(2 * pause, RESTART_PAUSE_MAX_SECONDS)
            self._stop.wait(pause)

    async def _operate(self) -> bool:
        """Watch until kopf ends; whether that was wished."""
        namespace = self._scope.namespace
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=_settings(self._scope),
                standalone=True,
                clusterwide=not namespace,
                namespaces=[namespace] if namespace else [],
                stop_flag=self._end_of_run,
                identity=IDENTITY,
            )
            return self._end_of_run.is_set()
        finally:
            self._end_of_run.set()  # kopf waits for it in a thread, and the loop waits for its threads when it closes

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry, id="login")
        async def login(**_: Any) -> kopf.AiohttpSession:
            try:
                return WatchSession(await self._login(), self._on_refused)
            except ConfigurationError as error:
                raise kopf.TemporaryError(str(error), delay=RESTART_PAUSE_SECONDS) from error

        for kind in self._scope.kinds:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id="cache")(self._handler(kind))
        return registry

    def _handler(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        async def handle(event: Mapping[str, Any], **_: Any) -> None:
            arrived = Event(event["type"], entry_of(kind, event["object"]))
            self._in_main_loop(self._deliver, arrived)

        return handle

    def _on_refused(self, path: str) -> None:
        for kind in self._scope.kinds:
            if path.endswith(kind.path(self._scope.namespace)):
                self._in_main_loop(self._refused, kind)

    def _in_main_loop(self, callback: Callable[[T], None], argument: T) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, argument)


def _settings(scope: Scope) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiff()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.error_backoffs = _Backoffs()
    settings.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
    settings.networking.connect_timeout = CONNECT_TIMEOUT_SECONDS
    settings.watching.chunk_size = CHUNK
    settings.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    for kind in scope.kinds:
        selector = label_selector(kind, scope.instance_id)
        if selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    # what is served is looked up at each start; the census sees what is installed later, with no rights on CRDs
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = IDLE_TIMEOUT_SECONDS
    settings.queueing.error_delays = (1, 2, 5, 10)
    settings.posting.enabled = False
    return settings
