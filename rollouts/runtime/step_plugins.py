"""The step plugins that are installed: strangers' packages, each loaded when a Rollout first names it.

A name is known without loading anything. Loading happens in a thread, so that a package that hangs while it is imported
holds up nobody but those who need it; one that fails to load is named in the log once, and what people may know of why
is told to those who name it. Asking a plugin does not belong here (step_calls.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

import structlog

from rollouts.ports import StepPlugin

log = structlog.get_logger()

Found = Mapping[str, Callable[[], Callable[[], StepPlugin]]]
"""Name of each plugin -> what imports its package and hands over what makes the plugin, usually its class."""


NAME_MAX = 200  # characters of a module's name


class Unloadable(Exception):
    """A plugin that cannot be used; the text says why, for people."""


@dataclass(slots=True)
class _Loading:
    """One plugin on its way."""

    is_over: threading.Event = field(default_factory=threading.Event)
    plugin: StepPlugin | None = None
    why_not: str = ""


class StepPlugins:
    """All that are installed. `get` is for threads, the rest for one event loop; `on_failure` is called in a thread
    when a plugin turns out to be unusable."""

    def __init__(self, found: Found, *, on_failure: Callable[[], None]) -> None:
        self._found = found
        self._on_failure = on_failure
        self._loading: dict[str, _Loading] = {}
        self._starting = threading.Lock()

    def __contains__(self, name: str) -> bool:
        """Whether it is installed."""
        return name in self._found

    def states(self, named: Iterable[str]) -> Mapping[str, str]:
        """Every installed plugin, and why it cannot be used as far as is known; those named here begin to load."""
        for name in named:
            if name in self._found:
                self._loaded(name)
        return {name: self._loading[name].why_not if name in self._loading else "" for name in sorted(self._found)}

    def get(self, name: str, *, wait_seconds: float) -> StepPlugin:
        """An installed plugin, once it is loaded, also if no Rollout names it any more. Raises Unloadable."""
        loading = self._loaded(name)
        if not loading.is_over.wait(wait_seconds):
            raise Unloadable(f"it is still being loaded after {wait_seconds:g} seconds")
        if loading.plugin is None:
            raise Unloadable(loading.why_not)
        return loading.plugin

    def _loaded(self, name: str) -> _Loading:
        """The one loading of a plugin, which begins when it is first asked for."""
        with self._starting:
            if name not in self._loading:
                loading = _Loading()
                # a daemon: an import that never ends must not keep the process from ending
                threading.Thread(target=self._load, args=(name, loading), name=f"load {name}", daemon=True).start()
                self._loading[name] = loading
            return self._loading[name]

    def _load(self, name: str, loading: _Loading) -> None:
        try:
            loading.plugin = self._found[name]()()
            loading.why_not = "" if loading.plugin is not None else "it makes nothing"
        except BaseException as error:  # a stranger's package may fail in any way
            loading.why_not = _why(error)
            log.error("step_plugin_unusable", plugin=name, exc_info=True)
        loading.is_over.set()
        if loading.plugin is None:
            self._on_failure()


def found(points: Iterable[EntryPoint]) -> Found:
    """The plugins of entry points, none of them loaded. A name that several packages bring is nobody's: which of them
    lets an update go on must not depend on the order in which they were installed."""
    named: dict[str, Callable[[], Callable[[], StepPlugin]]] = {}
    for point in points:
        named[point.name] = point.load if point.name not in named else _ambiguous
    return named


def _ambiguous() -> Callable[[], StepPlugin]:
    raise Unloadable("several installed packages bring a step plugin of this name")


def _why(error: BaseException) -> str:
    """For people who may not read the controller's log, nor its environment: what is missing, of all else the type."""
    if isinstance(error, Unloadable):
        return str(error)
    kind = type(error).__name__
    if isinstance(error, ImportError) and error.name:
        return f"{kind}: {error.name[:NAME_MAX]}"
    return f"it failed with {kind}; see the controller's log"
