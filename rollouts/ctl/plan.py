"""`rollouts plan FILE...`: a manifest played forward without a cluster, by the controller's own rules."""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rollouts.api import conditions as c
from rollouts.api import parse, validate
from rollouts.api.meta import API_VERSION
from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.core import conditions
from rollouts.ctl import documents, drawing, forecast, seeing
from rollouts.ctl.amounts import duration, exact
from rollouts.ctl.connection import FAILED, CommandError
from rollouts.ctl.family import Json
from rollouts.ctl.forecast import Forecast
from rollouts.ctl.rehearsal import Moment, Rehearsal

READY_AFTER_SECONDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML with a Rollout and the templates it names")
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
        for stored in found:
            shown = plan(stored, objects, ready_after=args.ready_after, from_image=args.from_image)
            drawing.show(shown, console)
    except CommandError as error:
        print(f"{args.program}: {error}", file=sys.stderr)
        return FAILED
    return 0


def plan(stored: Json, objects: Iterable[Json], *, ready_after: int, from_image: str = "") -> RenderableType:
    """The plan of one Rollout, as it is shown. Raises CommandError for a manifest the controller would refuse."""
    parsed = parse.parse_rollout(stored)
    rollout = parsed.value
    for finding in validate.validate(parsed):
        raise CommandError(f"{rollout.meta.name}: the controller would refuse it: {finding.text}")
    templates = [each for each in objects if each.get("kind") in ("AnalysisTemplate", "ClusterAnalysisTemplate")]
    known = seeing.templates_of(templates)
    strategy = rollout.spec.strategy
    absent = forecast.missing(strategy, known) if isinstance(strategy, CanaryStrategy) else frozenset()
    assumed = [_assumed(ref.template_name, rollout, is_cluster_scoped=ref.cluster_scope) for ref in absent]
    available_after = ready_after + (rollout.spec.min_ready_seconds or 0)
    moments = rehearsed(stored, [*templates, *assumed], available_after=available_after, from_image=from_image)
    result = forecast.forecast(rollout, moments)
    warned = list(forecast.warnings(rollout, result, known, available_after=available_after))
    return _shown(rollout, result, warned, available_after)


def rehearsed(stored: Json, templates: Sequence[Json], *, available_after: int, from_image: str = "") -> list[Moment]:
    """The update as it is played. Raises CommandError where the controller would refuse to begin it."""
    spec = stored["spec"]
    wanted = spec.get("template") or {}
    before = _earlier(wanted, from_image)
    if before == wanted:
        raise CommandError("there is nothing to plan: the image that is replaced is the image that is wanted")
    settled = {**stored, "spec": {**spec, "template": before, "paused": False}}
    play = Rehearsal(settled, templates, available_after=available_after)
    _require_begun(list(play.moments()))
    play.want(spec)
    moments = list(play.moments())
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


def _assumed(name: str, rollout: Rollout, *, is_cluster_scoped: bool) -> Json:
    """A stand-in for a template that is not in the files."""
    strategy = rollout.spec.strategy
    analyses = forecast.analyses(strategy) if isinstance(strategy, CanaryStrategy) else ()
    metric = {"name": name, "provider": {"prometheus": {"address": "http://unknown", "query": "unknown"}}}
    names = {arg.name for each in analyses for arg in each.args}
    return {
        "apiVersion": API_VERSION,
        "kind": "ClusterAnalysisTemplate" if is_cluster_scoped else "AnalysisTemplate",
        "metadata": {"name": name, "namespace": rollout.meta.namespace or "default"},
        "spec": {"metrics": [metric], "args": [{"name": arg, "value": "unknown"} for arg in sorted(names)]},
    }


def _shown(rollout: Rollout, result: Forecast, warned: Sequence[str], available_after: int) -> RenderableType:
    desired = rollout.spec.replicas
    pods = "1 pod" if desired in (None, 1) else f"{desired} pods"
    title = Text.assemble((rollout.meta.name, "bold"), f": {pods}, each available after {exact(available_after)}")
    sheet = drawing.sheet(["STEP", "WHAT", "AT", "LASTS", "NEW", "OLD", "SHARE"])
    for row in result.rows:
        lasts = "until a person goes on" if row.is_person_needed else exact(row.lasts)
        number = str(row.number) if row.number else ""
        style = "yellow" if row.is_person_needed else ""
        sheet.add_row(
            number, row.what, exact(row.at), Text(lasts, style), str(row.new), str(row.old), f"{row.share:.0f} %"
        )
    lines: list[RenderableType] = [Padding(Text(text, style="yellow"), (0, 0, 0, 2)) for text in warned]
    return Group(title, Text(), sheet, Text(), Text(_end(result)), *((Text("Mind:"), *lines) if lines else ()))


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
