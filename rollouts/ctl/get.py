"""`rollouts get NAME [-w]`: the live tree of a Rollout: revisions, ReplicaSets, pods, analysis runs, weights, step."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rollouts.api import conditions as c
from rollouts.api import parse
from rollouts.api.rollout import BlueGreenStrategy, Rollout
from rollouts.core import conditions, resolved
from rollouts.core.observed import Unreadable
from rollouts.core.steps import describe
from rollouts.ctl import connection, drawing, family, summary, tree
from rollouts.ctl.connection import Cluster, CommandError
from rollouts.ctl.drawing import Head
from rollouts.ctl.family import Family, hash_of, workload_kind
from rollouts.kube.errors import ApiError
from rollouts.kube.kinds import EXPERIMENTS, REPLICA_SETS

WATCH_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)
    parser.add_argument("-w", "--watch", action="store_true", help="keep the picture up to date until ctrl-c")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""

    async def work(cluster: Cluster) -> int:
        console, name = drawing.console_for(sys.stdout), connection.name_in(args.name)
        if args.watch:
            await _watch(cluster, name, console)
        seen = await family.read_family(cluster.client, cluster.namespace, name)
        drawing.show(view(seen, now=datetime.now(UTC), console=console), console)
        return 0

    return connection.run(args, work)


async def _watch(cluster: Cluster, name: str, console: Console) -> None:
    """Draw again and again until ctrl-c; a read that fails is said under the last picture."""
    seen = await family.read_family(cluster.client, cluster.namespace, name)
    if not console.is_terminal:
        await _watch_plainly(cluster, name, console)
    with Live(console=console, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        while True:
            trouble = ""
            try:
                seen = await family.read_family(cluster.client, cluster.namespace, name)
            except (ApiError, CommandError) as error:
                trouble = connection.words(error) if isinstance(error, ApiError) else str(error)
            live.update(view(seen, now=datetime.now(UTC), console=console, trouble=trouble), refresh=True)
            await asyncio.sleep(WATCH_SECONDS)


async def _watch_plainly(cluster: Cluster, name: str, console: Console) -> None:
    """Where nothing can be drawn over, print the picture whenever something but its ages changed."""
    shown: Family | None = None
    while True:
        seen = await family.read_family(cluster.client, cluster.namespace, name)
        if seen != shown:
            drawing.show(Group(view(seen, now=datetime.now(UTC), console=console), Text()), console)
        shown = seen
        await asyncio.sleep(WATCH_SECONDS)


def view(seen: Family, *, now: datetime, console: Console, trouble: str = "") -> RenderableType:
    """The picture of one moment."""
    lines = head(seen)
    lines += [Head("unread", f"{plural}: {why}", tree.Mark.BAD) for plural, why in seen.unread.items()]
    lines += [Head("trouble", trouble, tree.Mark.BAD)] if trouble else []
    return drawing.picture(lines, tree.tree(seen, now), console=console)


def head(seen: Family) -> list[Head]:
    """The lines above the tree."""
    rollout = parse.parse_rollout(seen.rollout).value
    said = summary.said(rollout)
    lines = [
        Head("rollout", f"{rollout.meta.name} in {rollout.meta.namespace}"),
        Head("status", str(said), tree.MARKS.get(said.phase)),
        Head("strategy", _strategy(rollout)),
    ]
    if not isinstance(rollout.spec.strategy, BlueGreenStrategy):
        lines.append(Head("weight", _weight(seen, rollout)))
    lines += [Head("replicas", _replicas(rollout)), *_workload(seen), *_images(seen, rollout)]
    return [*lines, *_waits(rollout, said)]


def _waits(rollout: Rollout, said: summary.Said) -> list[Head]:
    """The controller's own words, where the status does not say the same."""
    ready = conditions.get(rollout.status.conditions, c.READY)
    is_news = said.phase in ("Progressing", "Paused") and summary.is_observed(rollout)
    return [Head("waits", ready.message)] if ready is not None and ready.message and is_news else []


def _strategy(rollout: Rollout) -> str:
    index, steps = rollout.status.current_step_index, summary.steps_of(rollout)
    step = summary.step_of(rollout)
    if not step:
        return summary.strategy_of(rollout)
    now = f" ({describe(steps[index])})" if index is not None and index < len(steps) else ""
    return f"{summary.strategy_of(rollout)}, step {step}{now}"


def _weight(seen: Family, rollout: Rollout) -> str:
    current = [each for each in seen.of(REPLICA_SETS, seen.rollout) if hash_of(each) == rollout.status.current_pod_hash]
    available = sum(int((each.get("status") or {}).get("availableReplicas") or 0) for each in current)
    actual = summary.actual_weight(rollout, canary_available=available)
    return f"set {summary.set_weight(rollout)}, actual {actual}"


def _replicas(rollout: Rollout) -> str:
    status = rollout.status
    return (
        f"desired {summary.desired(rollout)}, current {status.replicas}, updated {status.updated_replicas}, "
        f"ready {status.ready_replicas}, available {status.available_replicas}"
    )


def _workload(seen: Family) -> list[Head]:
    """What the pod template is taken from, and the pods that it still has of its own."""
    kind, workload = workload_kind(seen.rollout), seen.workload
    if kind is None:
        return []
    named = f"{kind.name} {seen.rollout['spec']['workloadRef']['name']}"
    match workload:
        case None:
            return [Head("workload", f"{named} does not exist", tree.Mark.BAD)]
        case Unreadable():
            return [Head("workload", f"{named} could not be read: {workload.why}", tree.Mark.BAD)]
        case _:
            pods = resolved.seen_workload(workload, kind.name)
            return [Head("workload", f"{named}, desired {pods.wanted}, ready {pods.ready}")]


def _images(seen: Family, rollout: Rollout) -> list[Head]:
    """Images of the versions that have pods, each with what it is for."""
    experiments = seen.of(EXPERIMENTS, seen.rollout)
    owned = [(each, tree.roles(rollout, hash_of(each))) for each in seen.of(REPLICA_SETS, seen.rollout)]
    owned += [(each, tree.template_tag(each)) for owner in experiments for each in seen.of(REPLICA_SETS, owner)]
    shown: dict[str, list[str]] = {}
    for replica_set, tags in owned:
        if not int((replica_set.get("status") or {}).get("replicas") or 0):
            continue
        for container in replica_set["spec"]["template"]["spec"].get("containers") or ():
            known = shown.setdefault(str(container.get("image", "")), [])
            known += [tag for tag in tags if tag not in known]
    texts = [f"{image} ({', '.join(tags)})" if tags else image for image, tags in sorted(shown.items())]
    return [Head("images" if not index else "", text) for index, text in enumerate(texts)]
