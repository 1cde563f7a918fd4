"""Controllers by the dozen: processes of their own, forked from one that has loaded the program already.

`python -m tests.e2e.nursery` reads a line for each: a log file and the arguments of a command, as JSON. It forks, runs
the command in the child as `rollouts` would, and answers the child's process id. So a controller that lives for a few
writes does not first take a second to import what the one before it had imported. When the nursery's standard input
ends, it ends, and the kernel ends its children.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from rollouts import app, cli

LOADED = (app, cli)  # also what the command line would load only when it is asked to
PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def main() -> None:
    """Serve until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    libc = ctypes.CDLL(None)
    for line in sys.stdin:
        log, *argv = json.loads(line)
        pid = os.fork()
        if pid == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _live(log, argv)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live(log: str, argv: Sequence[str]) -> NoReturn:
    """Be that command, and end with its code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(file, number)
    sys.exit(cli.main(argv))


if __name__ == "__main__":
    main()
