"""`rollouts list`: the Rollouts of a namespace, or of all, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from rollouts.api import parse
from rollouts.ctl import connection, drawing, summary, tree
from rollouts.ctl.amounts import age
from rollouts.ctl.connection import Cluster
from rollouts.ctl.family import Json
from rollouts.kube.kinds import ROLLOUTS

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
        signs = drawing.signs_of(console)
        drawing.show(table(found, signs, now=datetime.now(UTC), has_namespace=args.all_namespaces), console)
        return 0

    return connection.run(args, work)


def table(rollouts: Iterable[Json], signs: drawing.Signs, *, now: datetime, has_namespace: bool = False) -> Table:
    """The Rollouts as rows."""
    sheet = drawing.sheet([*(("NAMESPACE",) if has_namespace else ()), *COLUMNS])
    for stored in rollouts:
        rollout = parse.parse_rollout(stored).value
        said, status = summary.said(rollout), rollout.status
        mark = tree.MARKS.get(said.phase)
        sheet.add_row(
            *((rollout.meta.namespace,) if has_namespace else ()),
            rollout.meta.name,
            summary.strategy_of(rollout),
            Text(f"{signs.marks[mark]} {said.phase}" if mark else said.phase, style=drawing.STYLES[mark]),
            summary.step_of(rollout) or "-",
            "-" if summary.strategy_of(rollout) == "BlueGreen" else str(summary.set_weight(rollout)),
            f"{status.ready_replicas}/{status.replicas}",
            str(summary.desired(rollout)),
            str(status.updated_replicas),
            str(status.available_replicas),
            age(rollout.meta.creation_timestamp, now),
        )
    return sheet
