"""`rollouts pause NAME`: hold steps until a person lets go."""

from __future__ import annotations

import argparse

from rollouts.ctl import connection, sending, steering


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    return sending.run(args, steering.pause)
