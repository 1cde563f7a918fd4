"""`rollouts restart NAME [--in 10m]`: replace every pod within the disruption budget, now or later."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial

from rollouts.ctl import connection, sending, steering
from rollouts.ctl.amounts import duration
from rollouts.lib import timestamps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)
    parser.add_argument("-i", "--in", dest="delay", type=duration, default=0, help="how long from now, as 10m or 1h30m")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    at = timestamps.later(timestamps.next_second(datetime.now(UTC)), args.delay)
    return sending.run(args, partial(steering.restart, at=at))
