"""`rollouts demo`: arguments, the order of things, and what is said when something is missing or goes wrong.

The exit code is 0 when the story came out as it should, 1 when it did not, 2 when something to run it with is missing,
and 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from rollouts.demo import outcome
from rollouts.demo.cluster import ClusterUnusable
from rollouts.demo.manifests import NAME, NAMESPACE
from rollouts.demo.processes import ChildEnded, Processes
from rollouts.demo.prometheus import PrometheusMissing
from rollouts.demo.screen import Screen
from rollouts.demo.stage import Stage, stage
from rollouts.demo.story import Story, StoryStuck
from rollouts.sandbox.client import ApiFailure

PLAIN_WIDTH = 110  # of the table, where no terminal says its width
DONE, WENT_WRONG, MISSING, INTERRUPTED = 0, 1, 2, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `rollouts demo`."""
    parser.description = (
        "Run a cluster, a controller and a Prometheus on this machine and watch two releases under load: v2 takes over "
        "in steps after its analysis, v3 answers a fifth of its requests with errors and is aborted by its analysis. "
        "Percentages are counted from real requests, verdicts are measured by Prometheus. It takes about a minute."
    )
    parser.epilog = (
        "With KUBEBUILDER_ASSETS naming a folder with etcd and kube-apiserver the story runs on these (root is needed, "
        "for a route). Exit codes: 0 the story came out, 1 it did not, 2 something to run it with is missing."
    )
    parser.add_argument("--keep", action="store_true", help="afterwards leave everything running until Ctrl-C")
    parser.add_argument(
        "--plain", action="store_true", help="print lines instead of a live view, as without a terminal"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; its exit code."""
    console = _console(is_plain=args.plain)
    folder = Path(tempfile.mkdtemp(prefix="rollouts-demo-"))
    try:
        code = asyncio.run(_until_told(console, folder, keep=args.keep))
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == WENT_WRONG:
        console.print(f"the logs of all programs are in {folder / 'logs'}", highlight=False)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _console(*, is_plain: bool) -> Console:
    console = Console(force_terminal=False if is_plain else None)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


async def _until_told(console: Console, folder: Path, *, keep: bool) -> int:
    """The demo, cut short by a signal to end; all children are gone when it returns."""
    demo = asyncio.create_task(_play(console, folder, keep=keep))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, demo.cancel)
    try:
        return await demo
    except asyncio.CancelledError:
        console.print("stopped; all programs are gone", highlight=False)
        return INTERRUPTED


async def _play(console: Console, folder: Path, *, keep: bool) -> int:
    try:
        async with Processes(folder / "logs") as processes:
            with Screen(console) as screen:
                return await _perform(screen, processes, folder, keep=keep)
    except PrometheusMissing as missing:
        return _said(console, str(missing), MISSING)
    except ClusterUnusable as unusable:
        return _said(console, str(unusable), MISSING)
    except (ChildEnded, StoryStuck, ApiFailure, TimeoutError, OSError) as problem:
        return _said(console, f"the demo went wrong: {problem or type(problem).__name__}", WENT_WRONG)


async def _perform(screen: Screen, processes: Processes, folder: Path, *, keep: bool) -> int:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with stage(processes, folder, os.environ, say=lambda text: screen.say(loop.time() - began, text)) as ready:
        async with Story(ready, screen, began) as story:
            await _unless_something_ends(processes, ready, story.tell())
            if not keep:
                await story.end_traffic()
            code = _conclude(screen, story)
            if keep:
                screen.write(_things_to_try(ready, story))
                with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how this ends
                    await _unless_something_ends(processes, ready, asyncio.Event().wait())
            return code


async def _unless_something_ends(processes: Processes, stage: Stage, doing: Coroutine[Any, Any, object]) -> None:
    """Do something to its end. Raises ChildEnded as soon as one of the programs ends, or what the listing raises."""
    task, end = asyncio.create_task(doing), asyncio.create_task(processes.first_end())
    try:
        await asyncio.wait((task, end, stage.listing), return_when=asyncio.FIRST_COMPLETED)
        if stage.listing.done():
            stage.listing.result()
        if not task.done():
            raise end.result()
        await task
    finally:
        task.cancel()
        end.cancel()
        await asyncio.gather(task, end, return_exceptions=True)


def _conclude(screen: Screen, story: Story) -> int:
    """Show the table and what differed; the exit code."""
    tally, differences = story.tally, story.differences()
    answered = tally.requests.total()
    caption = (
        f"{answered + len(tally.failures):,} requests through the Service, {len(tally.failures):,} without an answer"
    )
    screen.write()
    screen.end(outcome.lines(story.stage.sight, tally), caption)
    for difference in differences:
        screen.write(f"not as it should be: {difference}", style="bold red")
    if not differences:
        screen.write(
            "The story came out: v2 was proven and promoted, v3 was found out and is gone.", style="bold green"
        )
    return WENT_WRONG if differences else DONE


def _things_to_try(stage: Stage, story: Story) -> str:
    annotate = f"kubectl -n {NAMESPACE} annotate ro {NAME}"
    return f"""
All stays up, and under load, until Ctrl-C. Things to try in another terminal:

  export KUBECONFIG={stage.kubeconfig}
  kubectl -n {NAMESPACE} get ro,rs,pods,analysisruns
  kubectl -n {NAMESPACE} describe ro {NAME}
  curl http://{story.address[0]}/

v3 once more, stopped by hand, or past its analysis:

  {annotate} rollouts.io/retry='retry once more'
  {annotate} rollouts.io/abort='abort enough'
  {annotate} rollouts.io/promote='full I know'

Prometheus is at {stage.prometheus}
"""


def _said(console: Console, text: str, code: int) -> int:
    console.print(text, markup=False, highlight=False)
    return code
