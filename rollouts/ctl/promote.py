"""`rollouts promote NAME [--full]`: go on from what the Rollout waits for now, or skip everything that is left.

The public plugin's deprecated `-c` and `-a`, which move the step and nothing else, are understood.
"""

from __future__ import annotations

import argparse
from functools import partial

from rollouts.ctl import connection, sending, steering


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--full", action="store_true", help="skip all that is left, analyses too; its pods must still become available"
    )
    how.add_argument("-c", "--skip-current-step", action="store_true", help="leave the current step of a canary")
    how.add_argument("-a", "--skip-all-steps", action="store_true", help="leave all steps of a canary")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    if args.skip_current_step or args.skip_all_steps:
        return sending.run(args, partial(steering.skip, is_all=args.skip_all_steps))
    return sending.run(args, partial(steering.promote, is_full=args.full))
