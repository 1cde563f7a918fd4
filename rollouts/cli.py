"""The command line: which command, with which arguments. Each command's module is loaded when it is asked for.

What a command does lives where it is done: the controller in app.py, people's commands in ctl/, the embedded cluster in
sandbox/, the demo in demo/.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rollouts.ports import TrafficRouter

AddArguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, one line about it, what one may type, and the module of its `add_arguments` and `run`."""

    name: str
    text: str
    module: str
    examples: tuple[str, ...] = ()
    """Words that follow the command's name."""


COMMANDS = (
    Command("controller", "run the controller against a cluster", "", ("", "--namespace shop --instance-id blue")),
    Command(
        "sandbox",
        "run an embedded Kubernetes cluster on this machine",
        "rollouts.sandbox.command",
        ("up", "up --crds crds/"),
    ),
    Command(
        "explain",
        "say why a Rollout stands still and what would move it",
        "rollouts.ctl.explain",
        ("web", "web -n shop"),
    ),
    Command("get", "draw a Rollout and what belongs to it as a live tree", "rollouts.ctl.get", ("web", "web -w")),
    Command("list", "list Rollouts", "rollouts.ctl.listing", ("", "-A")),
    Command(
        "status", "wait until a Rollout is Healthy or Degraded", "rollouts.ctl.status", ("web", "web --timeout 10m")
    ),
    Command(
        "promote", "go on to the next step, or skip all that is left", "rollouts.ctl.promote", ("web", "web --full")
    ),
    Command("abort", "give the update up: stable serves everything again", "rollouts.ctl.abort", ("web",)),
    Command("retry", "start an aborted update again", "rollouts.ctl.retry", ("web",)),
    Command("pause", "hold steps until a person lets go", "rollouts.ctl.pause", ("web",)),
    Command("resume", "end the current pause", "rollouts.ctl.resume", ("web",)),
    Command(
        "restart", "replace every pod within the disruption budget", "rollouts.ctl.restart", ("web", "web --in 10m")
    ),
    Command(
        "undo", "go back to the template of an earlier revision", "rollouts.ctl.undo", ("web", "web --to-revision 3")
    ),
    Command(
        "set",
        "set images: a new version",
        "rollouts.ctl.set_image",
        ("image web web=example.com/web:2", "image web '*=example.com/web:2'"),
    ),
    Command(
        "plan",
        "play a manifest forward without a cluster",
        "rollouts.ctl.plan",
        ("web.yaml", "web.yaml services.yaml --ready-after 30s"),
    ),
    Command(
        "lint",
        "check manifests and report every problem with file and line",
        "rollouts.ctl.lint",
        ("web.yaml", "deploy/"),
    ),
    Command("demo", "watch a good canary reach 100 % and a bad one go back to stable", "rollouts.demo.command", ("",)),
    Command("version", "print the version", "", ("",)),
)

USAGE_ERROR = 2
HELP_WIDTH = 78


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names (default: the process's arguments); returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((command for command in COMMANDS if words[:1] == [command.name]), None)
    if command is None:
        return _overview(words)
    name = f"{program_name()} {command.name}"
    parser = argparse.ArgumentParser(
        prog=name,
        description=f"{command.text[0].upper()}{command.text[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(("examples:", *(f"  {name} {words}".rstrip() for words in command.examples))),
    )
    if command.name == "version":
        parser.parse_args(words[1:])
        return _print_version()
    if command.name == "controller":
        return _controller(parser, words[1:])
    try:
        module = importlib.import_module(command.module)
    except ModuleNotFoundError as missing:
        return _lacks(command, missing)
    parser.set_defaults(routers=_routers, step_plugins=_step_plugins)
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(words[1:]))
    return code


def _routers() -> Mapping[str, TrafficRouter[Any]]:
    """The routers that the controller splits traffic by, for the commands that ask its rules; loaded when asked for."""
    from rollouts.app import routers

    return routers()


def _step_plugins() -> Collection[str]:
    """The names of the step plugins that are installed here, as they may be beside the controller."""
    from rollouts.app import step_plugins

    return step_plugins().keys()


def _lacks(command: Command, missing: ModuleNotFoundError) -> int:
    """Say what a command needs that the controller alone does not; a module of ours that is gone is a bug."""
    if (missing.name or "").partition(".")[0] == "rollouts":
        raise missing
    needs = f"needs the package {missing.name!r}, which comes with the extra rollouts[sandbox]"
    print(f"{program_name()} {command.name} {needs}", file=sys.stderr)
    return USAGE_ERROR


def program_name() -> str:
    """What people typed to get here: as a plugin, kubectl runs this program under another name."""
    return "kubectl rollouts" if Path(sys.argv[0]).stem == "kubectl-rollouts" else "rollouts"


def _controller(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    from rollouts import settings

    examples = parser.epilog
    settings.add_arguments(parser)
    parser.epilog = f"{textwrap.fill(parser.epilog or '', HELP_WIDTH)}\n\n{examples}"
    parser.add_argument("--version", action="version", version=metadata.version("rollouts"))
    args = parser.parse_args([*settings.flags_in(os.environ), *words])
    try:
        wanted = settings.from_arguments(args, os.environ)
    except ValueError as error:
        parser.error(str(error))
    from rollouts.app import run_controller

    return asyncio.run(run_controller(wanted))


def _overview(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=program_name(),
        description="Progressive delivery for Kubernetes: canaries that are proven before they are promoted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n"
        + "\n".join(f"  {command.name:<12}{command.text}" for command in COMMANDS)
        + "\n\n`COMMAND --help` tells more about a command.",
        usage=f"{program_name()} [--help] [--version] COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=metadata.version("rollouts"))
    if not words:
        parser.print_help()
        return 0
    parser.parse_known_args(words)
    print(f"{program_name()}: there is no command {words[0]!r}; see {program_name()} --help", file=sys.stderr)
    return USAGE_ERROR


def _print_version() -> int:
    print(metadata.version("rollouts"))
    return 0
