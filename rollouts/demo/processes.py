"""The demo's child processes: started with a log file each, watched, stopped in reverse order, never left behind.

A child cannot outlive the demo: the kernel kills it when the demo ends in whatever way. A child that ends before it was
told to ends the story. What the programs are and what they do does not belong here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS_MAX = 8.0
LAST_LINES = 15  # of a log, shown when its program failed
_PR_SET_PDEATHSIG = 1  # from linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork


class ChildEnded(Exception):
    """A program ended that should run; the text says which, how, and what it said last."""


@dataclass(frozen=True, slots=True)
class Child:
    """One running program and its log."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


class Processes:
    """The children of one demo; an async context manager that leaves none behind."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._children:
            await _stop(self._children.pop().process)

    async def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start a program; its output goes to `<name>.log`. Raises OSError when it cannot be started."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=_without_proxies(os.environ) | dict(environment or {}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal reaches the demo, which stops them in order
                preexec_fn=_ends_with(os.getpid()),
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def first_end(self) -> ChildEnded:
        """Wait until one of the programs that run now ends, and say what it left."""
        waiting = {asyncio.create_task(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return _ended(waiting[done.pop()])
        finally:
            for task in waiting:
                task.cancel()

    async def until(self, child: Child, ready: Callable[[], bool], *, seconds_max: float, step: float = 0.05) -> None:
        """Wait until a started program is ready. Raises ChildEnded when it ends before, else TimeoutError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                while not ready():
                    if child.process.returncode is not None:
                        raise _ended(child)
                    await asyncio.sleep(step)
                return
        raise TimeoutError(f"{child.name} was not ready after {seconds_max:.0f} s\n{last_lines(child.log)}")


def last_lines(log: Path) -> str:
    """The end of a log, indented."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"  (no log: {error})"
    return "\n".join(f"  {line}" for line in lines[-LAST_LINES:])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ended(child: Child) -> ChildEnded:
    return ChildEnded(f"{child.name} ended with code {child.process.returncode}\n{last_lines(child.log)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask, wait, then insist."""
    for ask in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            ask()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)


def _without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Everything here is on this machine; a proxy would only stand in the way."""
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}


def _ends_with(parent: int) -> Callable[[], None] | None:
    """What a new process does first, so that it is killed when `parent` ends."""
    if _LIBC is None:
        return None

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended between the fork and the line above
            os._exit(1)

    return tie
