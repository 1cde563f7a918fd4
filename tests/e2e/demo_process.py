"""The demo as people run it: a process of its own, with its lines, and with everything that it leaves behind.

All its programs are known by its folder for temporary files, which is in their command lines.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GONE_SECONDS_MAX = 20.0


class Demo:
    """A running `rollouts demo`, and what it printed."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rollouts", "demo", *flags],
            env=os.environ | {"TMPDIR": str(folder), "COLUMNS": "160", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def read_until(self, text: str) -> None:
        """Read its lines until one contains `text`; fails when it ends before."""
        for line in self._output():
            if text in line:
                return
        raise AssertionError(f"the demo ended without saying {text!r}:\n{self.output}")

    def read_to_end(self) -> int:
        """Read all that is left; the exit code."""
        for _ in self._output():
            pass
        return self.process.wait()

    @property
    def output(self) -> str:
        """Everything read so far."""
        return "".join(self.lines)

    def programs(self) -> list[str]:
        """The command lines of the programs that belong to it and run now."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self._folder) in command:
                    found.append(command)
        return found

    def leftovers(self) -> list[str]:
        """The programs that are there still when they have had time to go."""
        give_up_at = time.monotonic() + GONE_SECONDS_MAX
        while (left := self.programs()) and time.monotonic() < give_up_at:
            time.sleep(0.05)
        return left

    def _output(self) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            yield line

    def close(self) -> None:
        """Kill it, if it runs."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
