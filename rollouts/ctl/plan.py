"""`rollouts plan FILE...`: a manifest played forward without a cluster, by the controller's own rules."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rollouts.api import conditions as c
from rollouts.api import parse
from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy, Rollout
from rollouts.core import conditions, resolved
from rollouts.core.roads import Routers
from rollouts.ctl import assumed, cautions, documents, drawing, forecast, pod_template, summary
from rollouts.ctl.amounts import duration, exact
from rollouts.ctl.connection import FAILED, CommandError
from rollouts.ctl.family import Json, name_of
from rollouts.ctl.forecast import Forecast, Row
from rollouts.ctl.rehearsal import Moment, Rehearsal
from rollouts.ctl.rehearsed_cluster import Cast

READY_AFTER_SECONDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="YAML with a Rollout and what it refers to: Services, Ingresses, a workload, templates",
    )
    parser.add_argument(
        "--ready-after", type=duration, default=READY_AFTER_SECONDS, metavar="10s", help="how long a pod takes (10s)"
    )
    parser.add_argument("--from-image", default="", metavar="IMAGE", help="the image that is replaced")
    parser.set_defaults(program=parser.prog.rpartition(" ")[0] or parser.prog)


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    try:
        objects = list(_objects(args.files))
        found = [each for each in objects if each.get("kind") == "Rollout"]
        if not found:
            raise CommandError(f"there is no Rollout in {' '.join(args.files)}")
        console = drawing.console_for(sys.stdout)
        way = Way(ready_after=args.ready_after, from_image=args.from_image)
        for number, stored in enumerate(found):
            shown = plan(stored, objects, args.routers(), way=way)
            drawing.show(Group(Text(), shown) if number else shown, console)
    except CommandError as error:
        print(f"{args.program}: {error}", file=sys.stderr)
        return FAILED
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a play is made: seconds until a pod is ready, and the image that is replaced (empty: any other)."""

    ready_after: int = READY_AFTER_SECONDS
    from_image: str = ""


def plan(stored: Json, objects: Sequence[Json], routers: Routers, *, way: Way) -> RenderableType:
    """The plan of one Rollout, as it is shown. Raises CommandError for a manifest the controller would refuse."""
    cast, made_up = assumed.cast(stored, objects, routers)
    rollout, problems = resolved.checked(parse.parse_rollout(cast.rollout), cast.workload)
    for finding in problems:
        raise CommandError(f"{rollout.meta.name}: the controller would refuse it: {finding.text}")
    available_after = way.ready_after + (rollout.spec.min_ready_seconds or 0)
    play = rehearsed(cast, routers, available_after=available_after, from_image=way.from_image)
    result = forecast.forecast(rollout, play.update)
    warned = [*cautions.cautions(rollout, result, available_after=available_after), *_left(cast, play), *made_up]
    return _shown(rollout, result, warned, available_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """The first deployment of the version before, and the update to the new one."""

    beginning: tuple[Moment, ...]
    update: tuple[Moment, ...]


def rehearsed(cast: Cast, routers: Routers, *, available_after: int, from_image: str = "") -> Play:
    """The update as it is played. Raises CommandError where the controller would refuse to begin it."""
    spec, workload = cast.rollout["spec"], cast.workload
    wanted = _template(cast)
    before = _earlier(wanted, from_image)
    if before == wanted:
        raise CommandError("there is nothing to plan: the image that is replaced is the image that is wanted")
    settled = {**spec, "paused": False} if workload is not None else {**spec, "paused": False, "template": before}
    earlier = dataclasses.replace(
        cast,
        rollout={**cast.rollout, "spec": settled},
        workload=None if workload is None else pod_template.replaced(workload, before),
    )
    play = Rehearsal(earlier, routers, available_after=available_after)
    beginning = _begun(play)
    if workload is not None:
        play.want_template(wanted)
    play.want(spec)
    return Play(beginning=beginning, update=_begun(play))


def _template(cast: Cast) -> Json:
    if cast.workload is None:
        return pod_template.at(cast.rollout, "/spec/template")
    return pod_template.at(cast.workload, pod_template.template_path(cast.rollout))


def _left(cast: Cast, play: Play) -> Iterator[str]:
    """What becomes of the workload's own pods when the Rollout takes its place."""
    workload = cast.workload
    if workload is None or not play.beginning[0].workload:
        return
    named, left = f"{workload['kind']} {name_of(workload)}", play.beginning[-1].workload
    most = max(each.total + each.workload for each in play.beginning)
    yield f"when the Rollout takes the place of {named}, there are at most {most} pods of both at once"
    if left:
        yield f"{named} keeps its {left} pods until somebody scales it down: see workloadRef.scaleDown"


def _begun(play: Rehearsal) -> tuple[Moment, ...]:
    moments = tuple(play.moments())
    _require_begun(moments)
    return moments


def _require_begun(moments: Sequence[Moment]) -> None:
    invalid = conditions.get(moments[-1].status.conditions, c.INVALID_SPEC)
    if invalid is not None:
        raise CommandError(f"the controller would refuse it: {invalid.message}")


def _earlier(template: Json, image: str) -> dict[str, Any]:
    """The template with another image in its first container: the version that is replaced."""
    earlier = copy.deepcopy(dict(template))
    containers = (earlier.get("spec") or {}).get("containers") or []
    if containers:
        containers[0]["image"] = image or "the-version-before"
    return earlier


def _shown(rollout: Rollout, result: Forecast, warned: Sequence[str], available_after: int) -> RenderableType:
    desired = rollout.spec.replicas
    pods = "1 pod" if desired in (None, 1) else f"{desired} pods"
    title = Text.assemble((rollout.meta.name, "bold"), f": {pods}, each available after {exact(available_after)}")
    traffic, told = _traffic(rollout)
    sheet = drawing.sheet(["STEP", "WHAT", "AT", "LASTS", "NEW", "OLD", traffic])
    for row in result.rows:
        lasts = "until a person goes on" if row.is_person_needed else exact(row.lasts)
        number = str(row.number) if row.number else ""
        style = "yellow" if row.is_person_needed else ""
        sheet.add_row(number, row.what, exact(row.at), Text(lasts, style), str(row.new), str(row.old), told(row))
    lines: list[RenderableType] = [Padding(Text(text, style="yellow"), (0, 0, 0, 2)) for text in warned]
    return Group(title, Text(), sheet, Text(), Text(_end(result)), *((Text("Mind:"), *lines) if lines else ()))


def _traffic(rollout: Rollout) -> tuple[str, Callable[[Row], str]]:
    """The last column: how traffic is split after each row."""
    strategy, most = rollout.spec.strategy, summary.weight_max(rollout)
    if isinstance(strategy, BlueGreenStrategy):
        return "USERS REACH", lambda row: "new" if row.is_led else "old"
    if isinstance(strategy, CanaryStrategy) and strategy.traffic_routing is not None:
        unit = " %" if most == 100 else f" of {most}"
        return "WEIGHT", lambda row: "" if row.weight is None else f"{row.weight}{unit}"
    return "SHARE", lambda row: f"{row.share:.0f} %"


def _end(result: Forecast) -> str:
    people = ", and the time that people take" if result.is_person_needed else ""
    end = f"It stands still at the end: {result.stuck}." if result.stuck else f"Healthy after {exact(result.seconds)}"
    end += "" if result.stuck else f" at the earliest{people}."
    return f"{end} At most {result.pods_max} pods at once, never fewer than {result.available_min} available."


def _objects(files: Iterable[str]) -> Iterator[Json]:
    """Every object in the files. Raises CommandError."""
    for name in files:
        try:
            for document in documents.read(Path(name).read_bytes()):
                value: Any = document.value
                items = value.get("items") if isinstance(value, Mapping) and value.get("kind") == "List" else [value]
                for item in items if isinstance(items, list) else ():
                    if isinstance(item, Mapping):
                        yield item
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror or error}") from None
        except documents.Unreadable as error:
            raise CommandError(f"{name}:{error.line}: {error}") from None
