"""How a Rollout looks in a terminal: a short head, then the tree of what belongs to it, one line each.

It draws the values it is given and decides nothing. Signs fall back to ASCII where the output cannot encode them; where
the output is no terminal there is neither color nor a limit to the width, so that nothing is cut off in a pipe.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rollouts.api.analysis import Phase
from rollouts.ctl.tree import COUNTER_MARKS, Mark, Node

PIPE_WIDTH = 1000  # characters; more than any line has
WIDE_FROM = 100  # columns; a narrower terminal shows less, to have room for names
LABEL_WIDTH = 8

STYLES: Mapping[Mark | None, str] = {
    Mark.GOOD: "green",
    Mark.BUSY: "cyan",
    Mark.HELD: "yellow",
    Mark.BAD: "bold red",
    Mark.UNCLEAR: "magenta",
    Mark.IDLE: "dim",
    None: "",
}


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters of a drawing."""

    marks: Mapping[Mark, str]
    branch: str
    last: str
    trunk: str
    counters: Mapping[Phase, str]
    has_bars: bool
    separator: str


UNICODE = Signs(
    marks={
        Mark.GOOD: "✔",
        Mark.BUSY: "◌",
        Mark.HELD: "‖",
        Mark.BAD: "✖",
        Mark.UNCLEAR: "?",
        Mark.IDLE: "•",
    },
    branch="├─ ",
    last="└─ ",
    trunk="│  ",
    counters={Phase.SUCCESSFUL: "✔", Phase.FAILED: "✖", Phase.INCONCLUSIVE: "?", Phase.ERROR: "⚠"},
    has_bars=True,
    separator=" · ",
)
ASCII = Signs(
    marks={
        Mark.GOOD: "+",
        Mark.BUSY: "~",
        Mark.HELD: "=",
        Mark.BAD: "x",
        Mark.UNCLEAR: "?",
        Mark.IDLE: ".",
    },
    branch="|- ",
    last="`- ",
    trunk="|  ",
    counters={Phase.SUCCESSFUL: "+", Phase.FAILED: "x", Phase.INCONCLUSIVE: "?", Phase.ERROR: "!"},
    has_bars=False,
    separator=", ",
)


@dataclass(frozen=True, slots=True)
class Head:
    """One labelled line above the tree."""

    label: str
    text: str
    mark: Mark | None = None


def console_for(out: TextIO, *, width: int | None = None) -> Console:
    """The console of a command's output."""
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # what others wrote may not fit the output's encoding
    console = Console(file=out, width=width, highlight=False)
    if width is None and not console.is_terminal:
        return Console(file=out, width=PIPE_WIDTH, highlight=False)
    return console


def show(picture: RenderableType, console: Console) -> None:
    """Print it; into a pipe without spaces at the ends of lines."""
    if console.is_terminal:
        console.print(picture)
        return
    with console.capture() as captured:
        console.print(picture)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    console.file.flush()


def signs_of(console: Console) -> Signs:
    """The characters that this output can show."""
    return UNICODE if console.encoding.lower().startswith("utf") else ASCII


def heads(lines: Sequence[Head], signs: Signs) -> RenderableType:
    """The labelled lines, texts under each other."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=LABEL_WIDTH, no_wrap=True)
    grid.add_column()
    for line in lines:
        sign = f"{signs.marks[line.mark]} " if line.mark else ""
        grid.add_row(Text(line.label, style="dim"), Text(f"{sign}{line.text}", style=STYLES[line.mark]))
    return grid


def picture(lines: Sequence[Head], root: Node, *, console: Console) -> RenderableType:
    """Head and tree."""
    signs = signs_of(console)
    return Group(heads(lines, signs), Text(), _table(root, signs, has_kind=console.width >= WIDE_FROM))


def sheet(columns: Sequence[str]) -> Table:
    """An empty table without lines, for rows of plain cells."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(Text(column, no_wrap=True), overflow="fold")
    return table


def _table(root: Node, signs: Signs, *, has_kind: bool) -> Table:
    table = sheet(["NAME", *(("KIND",) if has_kind else ()), "STATUS", "AGE", "INFO"])
    for prefix, node in _lines(root, signs):
        kind = (Text(node.kind, style="dim"),) if has_kind else ()
        name = Text.assemble((prefix, "dim"), (node.name, "" if node.kind else "bold"))
        table.add_row(name, *kind, _status(node, signs), Text(node.age, style="dim"), _info(node, signs))
    return table


def _lines(node: Node, signs: Signs, prefix: str = "", below: str = "") -> Iterator[tuple[str, Node]]:
    """Every node with the branches that lead to it."""
    yield prefix, node
    for child in node.children:
        is_last = child is node.children[-1]
        branch, trunk = (signs.last, "   ") if is_last else (signs.branch, signs.trunk)
        yield from _lines(child, signs, below + branch, below + trunk)


def _status(node: Node, signs: Signs) -> Text:
    if not node.status:
        return Text()
    sign = f"{signs.marks[node.mark]} " if node.mark else ""
    return Text(f"{sign}{node.status}", style=STYLES[node.mark], no_wrap=True)


def _info(node: Node, signs: Signs) -> Text:
    info = Text(signs.separator.join(_shown(node.info, signs)))
    for phase, count in node.counters:
        info.append("  " if info.plain else "")
        info.append(f"{signs.counters[phase]} {count}", STYLES[COUNTER_MARKS[phase]])
    return info


def _shown(info: Sequence[str], signs: Signs) -> list[str]:
    """Bars are left out where they cannot be encoded."""
    return [text for text in info if signs.has_bars or text.isascii()]
