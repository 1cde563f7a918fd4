"""`rollouts promote NAME [--full]`: go on from what the Rollout waits for now, or skip everything that is left."""

from __future__ import annotations

import argparse
from functools import partial

from rollouts.ctl import connection, sending, steering


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)
    parser.add_argument(
        "--full", action="store_true", help="skip all steps and analyses that are left; pods must still be available"
    )


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    return sending.run(args, partial(steering.promote, is_full=args.full))
