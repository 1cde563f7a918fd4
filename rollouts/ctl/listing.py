"""`rollouts list`: the Rollouts of a namespace, or of all, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollouts.api import parse
from rollouts.api.rollout import Rollout
from rollouts.ctl import connection, drawing, summary, tree
from rollouts.ctl.amounts import age
from rollouts.ctl.connection import Cluster
from rollouts.ctl.family import Json
from rollouts.kube.kinds import ROLLOUTS

LEFT_OUT = ("STRATEGY", "AGE")
"""On a narrow terminal, which needs the room for names."""
COLUMNS = ("NAME", "STRATEGY", "STATUS", "STEP", "SET-WEIGHT", "READY", "DESIRED", "UP-TO-DATE", "AVAILABLE", "AGE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    parser.add_argument("kind", nargs="?", choices=["rollouts", "rollout", "ro"], help="understood, and needless")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of every namespace")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""

    async def work(cluster: Cluster) -> int:
        path = ROLLOUTS.path("" if args.all_namespaces else cluster.namespace)
        found = (await cluster.client.get(path)).get("items") or []
        if not found:
            where = "any namespace" if args.all_namespaces else f"namespace {cluster.namespace!r}"
            print(f"there is no Rollout in {where}", file=sys.stderr)
            return 0
        console = drawing.console_for(sys.stdout)
        drawing.show(table(found, console, now=datetime.now(UTC), has_namespace=args.all_namespaces), console)
        return 0

    return connection.run(args, work)


def table(rollouts: Iterable[Json], console: Console, *, now: datetime, has_namespace: bool = False) -> Table:
    """The Rollouts as rows, in as many columns as fit."""
    is_wide = console.width >= drawing.WIDE_FROM
    names = [*(("NAMESPACE",) if has_namespace else ()), *COLUMNS]
    shown = [name for name in names if is_wide or name not in LEFT_OUT]
    sheet = drawing.sheet(shown)
    for stored in rollouts:
        cells = _cells(parse.parse_rollout(stored).value, drawing.signs_of(console), now)
        sheet.add_row(*(cells[name] for name in shown))
    return sheet


def _cells(rollout: Rollout, signs: drawing.Signs, now: datetime) -> Mapping[str, str | Text]:
    """What a Rollout has in each column."""
    said, status = summary.said(rollout), rollout.status
    mark = tree.MARKS.get(said.phase)
    word = f"{signs.marks[mark]} {said.phase}" if mark else said.phase
    return {
        "NAMESPACE": rollout.meta.namespace,
        "NAME": rollout.meta.name,
        "STRATEGY": summary.strategy_of(rollout),
        "STATUS": Text(word, style=drawing.STYLES[mark], no_wrap=True),
        "STEP": summary.step_of(rollout) or "-",
        "SET-WEIGHT": "-" if summary.strategy_of(rollout) == "BlueGreen" else str(summary.set_weight(rollout)),
        "READY": f"{status.ready_replicas}/{status.replicas}",
        "DESIRED": str(summary.desired(rollout)),
        "UP-TO-DATE": str(status.updated_replicas),
        "AVAILABLE": str(status.available_replicas),
        "AGE": age(rollout.meta.creation_timestamp, now),
    }
