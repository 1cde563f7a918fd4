"""`rollouts status NAME [--watch] [--timeout 30s]`: the status in a line, at every change, until it is good or bad.

As its namesake of the public plugin it waits unless told otherwise, and scripts read the exit code: 0 for Healthy, 1
for Degraded or not in time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from rollouts.api import parse
from rollouts.ctl import connection, family, summary
from rollouts.ctl.amounts import duration
from rollouts.ctl.connection import FAILED, Cluster
from rollouts.ctl.summary import Said
from rollouts.kube.errors import Throttled, Unreachable

LOOK_AGAIN_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    parser.add_argument("name", nargs="*", metavar="NAME", help="name of the Rollout")
    parser.add_argument(
        "-w",
        "--watch",
        nargs="?",
        const="true",
        default="true",
        metavar="false",
        help="wait (default); false: show once",
    )
    parser.add_argument("-t", "--timeout", type=duration, default=0, help="wait no longer, as 30s (default: for ever)")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    is_watched, words = asked(args.watch, args.name)

    async def work(cluster: Cluster) -> int:
        name = connection.name_in(words)
        try:
            async with asyncio.timeout(args.timeout or None):
                said = await (_watched(cluster, name) if is_watched else _once(cluster, name))
        except TimeoutError:
            print("Rollout status watch exceeded timeout", file=sys.stderr)
            return FAILED
        if said.phase != "Degraded":
            return 0
        print(f"The rollout is in a degraded state with message: {said.message}", file=sys.stderr)
        return FAILED

    return connection.run(args, work)


def asked(watch: str, words: list[str]) -> tuple[bool, list[str]]:
    """Whether to wait, and the words that name the Rollout: `--watch web` means `--watch=true web`."""
    is_value = watch.lower() in ("true", "false")
    return watch.lower() != "false", words if is_value else [watch, *words]


async def _once(cluster: Cluster, name: str) -> Said:
    said = summary.said(parse.parse_rollout(await family.read_rollout(cluster.client, cluster.namespace, name)).value)
    print(said, flush=True)
    return said


async def _watched(cluster: Cluster, name: str) -> Said:
    """Print every change until the end; an API server that is away for a moment is waited for."""
    shown: Said | None = None
    while True:
        try:
            stored = await family.read_rollout(cluster.client, cluster.namespace, name)
            said = summary.said(parse.parse_rollout(stored).value)
            if said != shown:
                print(said, flush=True)
            shown = said
            if said.phase in ("Healthy", "Degraded"):
                return said
        except (Unreachable, Throttled) as error:
            print(f"{connection.words(error)}; asking again", file=sys.stderr)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
