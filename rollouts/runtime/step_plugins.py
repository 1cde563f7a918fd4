"""The step plugins that are installed: strangers' packages, each loaded when a Rollout first names it.

A name is known without loading anything. Loading happens in a thread, so that a package that hangs while it is imported
holds up nobody but those who need it; one that fails to load is named in the log once, and why is told to those who
name it. Asking a plugin does not belong here (step_calls.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from rollouts.ports import StepPlugin

log = structlog.get_logger()

Found = Mapping[str, Callable[[], Callable[[], StepPlugin]]]
"""Name of each plugin -> what imports its package and hands over what makes the plugin, usually its class."""


class Unloadable(Exception):
    """A plugin that cannot be used; the text says why."""


@dataclass(slots=True)
class _Loading:
    """One plugin on its way."""

    is_over: threading.Event = field(default_factory=threading.Event)
    plugin: StepPlugin | None = None
    why_not: str = ""


class StepPlugins:
    """All that are installed. Used from one event loop, except `get`, which is for threads; `on_failure` is called in
    one when a plugin turns out to be unusable."""

    def __init__(self, found: Found, *, on_failure: Callable[[], None]) -> None:
        self._found = found
        self._on_failure = on_failure
        self._loading: dict[str, _Loading] = {}

    def states(self, named: Iterable[str]) -> Mapping[str, str]:
        """Every installed plugin, and why it cannot be used as far as is known; those named here begin to load."""
        for name in named:
            if name in self._found and name not in self._loading:
                loading = self._loading[name] = _Loading()
                # a daemon: an import that never ends must not keep the process from ending
                threading.Thread(target=self._load, args=(name, loading), name=f"load {name}", daemon=True).start()
        return {name: self._loading[name].why_not if name in self._loading else "" for name in sorted(self._found)}

    def get(self, name: str, *, wait_seconds: float) -> StepPlugin:
        """The plugin, once it is loaded. Raises Unloadable."""
        loading = self._loading.get(name)
        if loading is None:
            raise Unloadable(f"there is no step plugin {name!r}")
        if not loading.is_over.wait(wait_seconds):
            raise Unloadable(f"it is still being loaded after {wait_seconds:g} seconds")
        if loading.plugin is None:
            raise Unloadable(loading.why_not)
        return loading.plugin

    def _load(self, name: str, loading: _Loading) -> None:
        try:
            loading.plugin = self._found[name]()()
        except (Exception, SystemExit) as error:  # a stranger's package may fail in any way; it costs those who name it
            loading.why_not = f"{type(error).__name__}: {error}"
            log.exception("step_plugin_unusable", plugin=name)
        finally:
            loading.is_over.set()
        if loading.plugin is None:
            loading.why_not = loading.why_not or "it makes nothing"
            self._on_failure()
