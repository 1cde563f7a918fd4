"""A real program for a pod: started from an allow list, watched, told to stop, and never left behind.

A program's standard input is a pipe from this process. When this process ends, even by kill -9, the pipe closes and
the program leaves; every program of the list has to honour that, and the ones here do. When and why to start or stop
is the node's decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PROGRAMS: Mapping[str, Path] = {"app": Path(__file__).resolve().parent.parent / "app.py"}
"""What pods may run. Standard-library scripts: they start in a bare interpreter, which is quick and small."""

ADDRESS_VARIABLE = "SANDBOX_POD_IP"
_UNSAFE_PREFIXES = ("LD_", "PYTHON")  # they would let a pod choose what is executed after all


class Program:
    """One process. `on_exit` is called once, in the event loop, with the exit code (128 + signal when killed)."""

    def __init__(self, process: subprocess.Popen[bytes], on_exit: Callable[[int], None]) -> None:
        self._process = process
        self._on_exit = on_exit
        self._descriptor = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._reap)

    @classmethod
    def start(
        cls,
        name: str,
        *,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path | None,
        on_exit: Callable[[int], None],
    ) -> Program:
        """Start a program of the list. Raises KeyError for any other, OSError when it cannot be started."""
        script = PROGRAMS[name]
        safe = {key: value for key, value in environment.items() if not key.startswith(_UNSAFE_PREFIXES)}
        with contextlib.ExitStack() as files:
            output = files.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            process = subprocess.Popen(  # it neither waits nor reads: a few milliseconds
                [sys.executable, "-I", "-S", str(script), *arguments],
                env=safe,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(process, on_exit)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not been seen to end."""
        return self._process.returncode is None

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM)."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it now (SIGKILL)."""
        if self.is_running:
            self._process.kill()

    def destroy(self) -> None:
        """Stop it now, wait for its end, and report nothing any more."""
        self._on_exit = lambda code: None
        self.kill()
        self._process.wait()
        self._close()

    def _reap(self) -> None:
        code = self._process.wait()
        self._close()
        self._on_exit(code if code >= 0 else 128 - code)

    def _close(self) -> None:
        if self._descriptor < 0:
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        if self._process.stdin is not None:
            self._process.stdin.close()
