"""How the demo looks: on a terminal a live view with the story's lines above it, elsewhere plain lines.

It shows what it is given and decides nothing. Symbols fall back to ASCII where the output cannot encode them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rollouts.demo.outcome import Line
from rollouts.demo.picture import Mark, Picture, Row, Step
from rollouts.demo.sight import Run

FRAMES_PER_SECOND = 5
COLORS = ("cyan", "green", "magenta", "yellow")
EXPLANATION_LINES = 2
LABEL_WIDTH, FRAME_WIDTH = 8, 6


@dataclass(frozen=True, slots=True)
class Symbols:
    """The signs of the view."""

    bar: str
    track: str
    link: str
    marks: dict[Mark, str]


RICH = Symbols("█", "░", " ─ ", {Mark.DONE: "✔", Mark.NOW: "●", Mark.TO_COME: "○", Mark.FAILED: "✘"})
PLAIN = Symbols("#", ".", " - ", {Mark.DONE: "+", Mark.NOW: "*", Mark.TO_COME: "o", Mark.FAILED: "x"})
STYLES = {Mark.DONE: "green", Mark.NOW: "bold yellow", Mark.TO_COME: "dim", Mark.FAILED: "bold red"}
MARK_OF = {"Successful": Mark.DONE, "Failed": Mark.FAILED, "Error": Mark.FAILED}


class Screen:
    """The output of one demo; a context manager around its live part."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._symbols = RICH if console.encoding.startswith("utf") else PLAIN
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, picture: Picture) -> None:
        """Make this the moment that the live view shows; nothing where there is none."""
        if self._live is not None:
            self._live.update(self.view(picture), refresh=True)

    def say(self, seconds: float, text: str, *, style: str = "", mark: Mark | None = None) -> None:
        """One line of the story, so many seconds after its start."""
        sign = f"{self._symbols.marks[mark]} " if mark else ""
        self._tell(seconds, Text.assemble((sign, STYLES[mark] if mark else ""), (text, style)))

    def write(self, text: str = "", *, style: str = "") -> None:
        """Text as it is."""
        self._print(Text(text, style=style))

    def chapter(self, seconds: float, text: str) -> None:
        """A heading in the story."""
        self._tell(seconds, Text(text, style="bold"))

    def end(self, lines: list[Line], caption: str) -> None:
        """The table at the end."""
        table = Table(
            box=box.ROUNDED if self._symbols is RICH else box.ASCII,
            caption=caption,
            caption_justify="left",
            expand=True,
        )
        table.add_column("version", no_wrap=True)
        for name in ("requests", "errors"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("who decided what, and why", ratio=1)
        for number, line in enumerate(lines):
            errors = f"{line.errors:,} ({line.errors / line.requests:.0%})" if line.errors else "0"
            why = Text("\n").join(Text.assemble((f"{done.who}: ", "bold"), done.what) for done in line.decisions)
            table.add_row(Text(line.version, style=_color(number)), f"{line.requests:,}", errors, why)
        self._print(table)

    def view(self, picture: Picture) -> RenderableType:
        """The live view of one moment."""
        says = Text(picture.explanation or "nothing yet", style="italic")
        length = EXPLANATION_LINES * (self._console.width - LABEL_WIDTH - FRAME_WIDTH)
        says.truncate(length, overflow="ellipsis" if self._symbols is RICH else "crop")
        parts: list[RenderableType] = [self._way(picture.version, picture.steps), Text(), self._shares(picture.rows)]
        parts += [Text(), self._analysis(picture.run), _label("rollout", says)]
        counted = f"{picture.requests:,} requests, {picture.failures:,} without an answer"
        return Panel(
            Group(*parts),
            title=Text.assemble((picture.chapter, "bold")),
            title_align="left",
            subtitle=Text(f"{counted}, {picture.seconds:.0f} s"),
            subtitle_align="right",
            border_style="red" if picture.failures else "blue",
            box=box.ROUNDED if self._symbols is RICH else box.ASCII,
            padding=(0, 1),
        )

    def _way(self, version: str, steps: tuple[Step, ...]) -> Text:
        line = Text(f"{version}  ", style="bold", no_wrap=True)
        if not steps:
            line.append("the first version is released at once", "dim")
        for number, step in enumerate(steps):
            line.append(self._symbols.link if number else "", "dim")
            line.append(f"{self._symbols.marks[step.mark]} {step.label}", STYLES[step.mark])
        return line

    def _shares(self, rows: tuple[Row, ...]) -> Table:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        for _ in range(4):
            grid.add_column(justify="right", no_wrap=True)
        grid.add_column(no_wrap=True, min_width=7)
        for number, row in enumerate(rows):
            grid.add_row(*self._share(row, _color(number)))
        return grid

    def _share(self, row: Row, color: str) -> tuple[RenderableType, ...]:
        share = row.share
        percent = share.percent if share else 0.0
        wrong = 100.0 * share.errors / share.requests if share else 0.0
        pods = f"{row.pods.available}/{row.pods.wanted} pods" if row.pods else ""
        return (
            Text(row.version, style=f"bold {color}"),
            Bar(percent, color, self._symbols),
            Text(f"{percent:5.1f} %", style=color if share else "dim"),
            Text(f"{share.per_second if share else 0.0:3.0f}/s", style="" if share else "dim"),
            Text(f"{wrong:3.0f} % errors", style="bold red" if wrong else "dim"),
            Text(pods),
            Text(row.role, style="dim"),
        )

    def _analysis(self, run: Run | None) -> RenderableType:
        if run is None:
            return _label("analysis", Text("none yet", style="dim"))
        line = Text(f"{run.phase.lower()}  ", style=STYLES[MARK_OF.get(run.phase, Mark.NOW)], no_wrap=True)
        for found in run.measured:
            mark = MARK_OF.get(found.phase, Mark.NOW)
            line.append(f"{found.text} {self._symbols.marks[mark]}  ", STYLES[mark])
        return _label("analysis", line)

    def _tell(self, seconds: float, text: Text) -> None:
        """With the time before it; on a terminal long lines go on under their beginning."""
        time = Text(f"{seconds:5.1f}s", style="dim")
        if not self._console.is_terminal:
            self._print(Text.assemble(time, "  ", text))
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column()
        grid.add_row(time, text)
        self._print(grid)

    def _print(self, what: RenderableType) -> None:
        (self._live.console if self._live else self._console).print(
            what, highlight=False, soft_wrap=isinstance(what, Text)
        )


class Bar:
    """A horizontal bar as wide as its cell, filled to a percentage."""

    def __init__(self, percent: float, color: str, symbols: Symbols) -> None:
        self._percent = percent
        self._color = color
        self._symbols = symbols

    def __rich_console__(self, console: Console, options: object) -> list[Text]:
        width = getattr(options, "max_width", 10)
        filled = round(width * self._percent / 100.0)
        return [
            Text.assemble((self._symbols.bar * filled, self._color), (self._symbols.track * (width - filled), "grey30"))
        ]


def _label(name: str, value: Text) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=LABEL_WIDTH, no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row(Text(name, style="dim"), value)
    return grid


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]
