"""`rollouts explain NAME`: why it stands still, what would move it, and what you can type about it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rollouts.api import parse
from rollouts.api.rollout import Rollout
from rollouts.api.status import VerbRecord
from rollouts.core.roads import Routers
from rollouts.ctl import account, connection, drawing, family, offers, tree
from rollouts.ctl.account import Account
from rollouts.ctl.amounts import age
from rollouts.ctl.connection import Cluster
from rollouts.ctl.drawing import Signs
from rollouts.ctl.family import Family, Json, happened_at

EVENTS_SHOWN = 5
VERBS_SHOWN = 3
PATIENCE_SECONDS = 3.0  # a controller that runs answers sooner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""

    async def work(cluster: Cluster) -> int:
        console, name = drawing.console_for(sys.stdout), connection.name_in(args.name)
        routers: Routers = args.routers()
        seen, trouble = await _looked_at(cluster, name, routers)
        told = account.account(seen, routers, datetime.now(UTC))
        signs = drawing.signs_of(console)
        shown = view(seen, told, now=datetime.now(UTC), signs=signs, command=cluster.command, trouble=trouble)
        drawing.show(shown, console)
        return 0

    return connection.run(args, work)


async def _looked_at(cluster: Cluster, name: str, routers: Routers) -> tuple[Family, str]:
    """The family, and what is left undone in it; where there is something, it is looked at again a moment later."""

    async def look() -> tuple[Family, str]:
        seen = await family.read_all(cluster.client, cluster.namespace, name)
        return seen, account.undone(seen, routers, datetime.now(UTC))

    seen, undone = await look()
    if not undone:
        return seen, ""
    await asyncio.sleep(PATIENCE_SECONDS)
    seen, still = await look()
    is_stuck = still == undone
    return seen, f"The controller could {still} and does not: does it run? See its log" if is_stuck else ""


def view(
    seen: Family, told: Account, *, now: datetime, signs: Signs, command: Callable[[str], str], trouble: str = ""
) -> RenderableType:
    """The account as it is shown."""
    rollout = parse.parse_rollout(seen.rollout).value
    mark = tree.MARKS.get(told.said.phase)
    sign = f"{signs.marks[mark]} " if mark else ""
    title = Text.assemble(
        (rollout.meta.name, "bold"),
        f" in {rollout.meta.namespace}  ",
        (f"{sign}{told.said.phase}", drawing.STYLES[mark]),
    )
    sections = Table.grid(padding=(0, 2))
    sections.add_column(no_wrap=True, min_width=drawing.LABEL_WIDTH)
    sections.add_column()
    for label, lines in (
        ("evidence", told.evidence),
        ("next", told.next),
        ("aborts", told.aborts),
        ("asked", _verbs(rollout.status.verbs, now)),
        ("events", _events(seen.events, now)),
    ):
        _add(sections, label, lines)
    waits = [Text(_sentence(text)) for text in (*told.waits, trouble) if text]
    return Group(title, *waits, Text(), *_typed(rollout, command), sections)


def _sentence(text: str) -> str:
    """A clause of the controller's as a sentence."""
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", "?")) else ".")


def _add(grid: Table, label: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(line for line in lines if line):
        grid.add_row(Text("" if number else label, style="dim"), Text(line))


def _typed(rollout: Rollout, command: Callable[[str], str]) -> Sequence[RenderableType]:
    """What can be typed now."""
    meant = offers.offers(rollout)
    if not meant:
        return ()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    for offer in meant:
        grid.add_row(Text(f"  {command(offer.words)}", style="bold"), offer.effect)
    return Text("You can type:"), grid, Text()


def _verbs(records: Sequence[VerbRecord], now: datetime) -> Sequence[str]:
    """The latest verbs by annotation and what came of them, newest first."""
    latest = reversed(records[-VERBS_SHOWN:])
    return [
        f"{age(record.at, now)} ago: {record.verb}={record.value} by {record.requested_by}: {record.outcome}, "
        f"{record.message}"
        for record in latest
    ]


def _events(events: Sequence[Json], now: datetime) -> Sequence[str]:
    """The last few Events, newest first."""
    latest = reversed(events[-EVENTS_SHOWN:])
    return [
        f"{age(happened_at(each), now)} ago: {each.get('reason', '')}: {each.get('message', '')}" for each in latest
    ]
