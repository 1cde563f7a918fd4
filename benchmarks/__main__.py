"""`python -m benchmarks`: measure fleets of Rollouts, one a quarter as large as the other, and print the figures."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Fleet, as_json, as_table
from benchmarks.fleet import Settings, measure
from benchmarks.manifests import STRATEGIES

SMALLER = 4  # the fleet that the wanted one is compared with is so many times smaller
ROLLOUTS_MAX = 5000


def main() -> int:
    """Run; the exit code is 1 when a fleet did not come to rest."""
    args = _arguments()
    sizes = [args.rollouts] if args.alone else [max(1, args.rollouts // SMALLER), args.rollouts]
    try:
        fleets = asyncio.run(
            _measure_all(sizes, Settings(strategy=args.strategy, replicas=args.replicas, rate=args.rate))
        )
    except TimeoutError as stalled:
        print(f"benchmarks: {stalled}", file=sys.stderr)
        return 1
    settings = {"rollouts": sizes, "strategy": args.strategy, "replicas": args.replicas, "rate": args.rate}
    print(as_json(fleets, settings=settings) if args.json else as_table(fleets))
    return 0


async def _measure_all(sizes: list[int], settings: Settings) -> list[Fleet]:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    fleets = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="rollouts-bench-") as folder:
            fleets.append(await measure(size, settings, Path(folder), say))
    return fleets


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Measure what Rollouts cost one controller process, on a sandbox with played pods: requests to the API "
            "server, time to the first write, lateness of timed pauses, processor time and memory, for a first "
            "deployment and for an update: with the steps setWeight 50, pause 5s, setWeight 75, or, for blue-green, "
            "with a pause of 5s before the switch. Progress goes to stderr."
        ),
    )
    parser.add_argument(
        "--strategy", choices=tuple(STRATEGIES), default="pods", help="what splits traffic: %(choices)s (default pods)"
    )
    parser.add_argument("--rollouts", type=_size, default=200, metavar="N", help=f"1 to {ROLLOUTS_MAX} (default 200)")
    parser.add_argument("--alone", action="store_true", help="do not measure a fleet of N/4 first to compare with")
    parser.add_argument("--replicas", type=int, default=1, metavar="R", help="pods of each Rollout (default 1)")
    parser.add_argument(
        "--rate", type=float, default=10.0, metavar="PER_SECOND", help="changes sent a second (default 10)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= ROLLOUTS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {ROLLOUTS_MAX}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
