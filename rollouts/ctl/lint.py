"""`rollouts lint FILE...`: every problem of the manifests in some files, before a cluster sees them.

The same validation guards the controller; here all findings are shown, and fields that an API server would drop or
refuse. Objects of other kinds are passed over, except those that a rollout refers to: where a Service, an Ingress, a
workload or an analysis template that it names is in the files, they are held against each other, by the routers' own
rules too. What is not in the files may be in the cluster, so it is no problem. A step plugin that is not installed here
may be so beside the controller: a warning.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from rollouts.api import parse, strict, validate_labels
from rollouts.api.analysis import AnalysisRunSpec, AnalysisTemplate, AnalysisTemplateSpec, TemplateRef
from rollouts.api.experiment import ExperimentSpec
from rollouts.api.findings import Finding, Place, at, malformed
from rollouts.api.meta import API_VERSION, GROUP
from rollouts.api.parse import Parsed
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.validate_analysis import name_rules, placeholders, template_metrics
from rollouts.core.roads import Routers
from rollouts.ctl import lint_conditions, lint_references, shapes
from rollouts.ctl.documents import Document, Unreadable, read
from rollouts.kube.kinds import ROUTED, SERVICES, WORKLOADS

SPECS: Mapping[str, type] = {
    "Rollout": RolloutSpec,
    "AnalysisRun": AnalysisRunSpec,
    "AnalysisTemplate": AnalysisTemplateSpec,
    "ClusterAnalysisTemplate": AnalysisTemplateSpec,
    "Experiment": ExperimentSpec,
}
BESIDE = {kind.name: kind.api_version for kind in (SERVICES, *ROUTED, *WORKLOADS)}
"""Kinds of others that a rollout refers to, with their apiVersion."""
_REFERABLE = frozenset({*BESIDE, "AnalysisTemplate", "ClusterAnalysisTemplate"})
ITEMS_MAX = 10_000
"""Objects in one `kind: List`."""
SIMILAR_MIN = 0.85
"""How much of a kind's name must be right to count as misspelt."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Trouble:
    """One line of the report."""

    file: str
    line: int
    path: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        kind = " warning:" if self.is_warning else ""
        where = f" {self.path}:" if self.path else ""
        return f"{self.file}:{self.line}:{kind}{where} {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """What is known of the controller that is going to read the files; None: nothing."""

    routers: Routers | None = None
    step_plugins: Collection[str] | None = None
    """Those it is likely to have, by name."""

    @property
    def known_routers(self) -> Routers:
        """The routers whose rules sections are held against."""
        return self.routers or {}


ANY_CONTROLLER = Controller()


@dataclass(frozen=True, slots=True)
class Subject:
    """One object of this API (or a Service) and where it stands; `prefix` is its path within a List."""

    file: str
    document: Document
    raw: Mapping[str, Any]
    prefix: str = ""

    @property
    def kind(self) -> str:
        """The kind it says it is."""
        return str(self.raw.get("kind"))

    def trouble(self, path: str, message: str) -> Trouble:
        """A line of the report about the field at `path`."""
        full = f"{self.prefix}.{path}" if self.prefix and path else self.prefix or path
        return Trouble(file=self.file, line=self.document.line_of(full), path=path, message=message)

    def finding(self, finding: Finding) -> Trouble:
        """The line of the report that a finding makes."""
        _, _, words = finding.text.partition(f"{finding.field}: ")
        return self.trouble(finding.path, words)


class Surroundings:
    """What an object in the files may refer to: the one of that name beside it, or the only one in all the files.

    Folders hold many stories, each with its own `web`; a name that several other files define says nothing.
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._by_key: dict[tuple[str, str, str], list[Subject]] = {}
        self._rollouts = [subject for subject in subjects if subject.kind == "Rollout"]
        for subject in subjects:
            if subject.kind in _REFERABLE:
                meta = parse.parse_meta(subject.raw)
                namespace = "" if subject.kind == "ClusterAnalysisTemplate" else meta.namespace
                self._by_key.setdefault((subject.kind, namespace, meta.name), []).append(subject)

    def services(self, subject: Subject) -> dict[str, Mapping[str, Any]]:
        """The Services `subject` can mean, by name."""
        return {name: found.raw for (kind, name), found in self._around(subject) if kind == SERVICES.name}

    def object(self, subject: Subject, kind: str, name: str) -> Mapping[str, Any] | None:
        """The object of this kind and name that `subject` can mean; None: it is not in the files."""
        return next((found.raw for key, found in self._around(subject) if key == (kind, name)), None)

    def templates(self, subject: Subject) -> dict[TemplateRef, AnalysisTemplate]:
        """The templates `subject` can mean, by reference."""
        known = {}
        for (kind, name), found in self._around(subject):
            if kind not in BESIDE:
                ref = TemplateRef(template_name=name, cluster_scope=kind == "ClusterAnalysisTemplate")
                known[ref] = parse.parse_analysis_template(found.raw).value
        return known

    def rivals(self, subject: Subject) -> Iterator[Rollout]:
        """The other Rollouts of its namespace in the same file."""
        mine = parse.parse_meta(subject.raw).namespace
        for other in self._rollouts:
            if other.file == subject.file and other is not subject:
                rollout = parse.parse_rollout(other.raw).value
                if rollout.meta.namespace == mine:
                    yield rollout

    def _around(self, subject: Subject) -> Iterator[tuple[tuple[str, str], Subject]]:
        mine = parse.parse_meta(subject.raw).namespace
        for (kind, namespace, name), found in self._by_key.items():
            beside = [each for each in found if each.file == subject.file]
            candidates = beside or found
            if namespace in (mine, "") and len(candidates) == 1:
                yield (kind, name), candidates[0]


@dataclass(slots=True)
class _Files:
    """What was read from all files."""

    subjects: list[Subject] = field(default_factory=list)
    misshapen: list[Subject] = field(default_factory=list)
    """Of other kinds, and not to be read; it matters where a rollout refers to them."""
    troubles: list[Trouble] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a YAML file, or a folder to look for them in")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""
    controller = Controller(routers=args.routers(), step_plugins=args.step_plugins())
    return lint(list(_expanded(args.files)), sys.stdout, controller)


def _expanded(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if Path(name).is_dir():
            yield from sorted(str(path) for path in Path(name).rglob("*") if path.suffix in (".yaml", ".yml"))
        else:
            yield name


def lint(paths: Sequence[str], out: TextIO, controller: Controller = ANY_CONTROLLER) -> int:
    """Report every problem in these files, one a line; 1 when there is any, 0 when there is none but warnings."""
    files = _Files()
    for path in paths:
        _read(path, files)
    found = [*_check(files.subjects, controller), *_misshapen(files, controller.known_routers)]
    troubles = {*files.troubles, *found}
    for trouble in sorted(troubles):
        out.write(f"{trouble}\n")
    return 0 if all(trouble.is_warning for trouble in troubles) else 1


def _read(path: str, files: _Files) -> None:
    try:
        for document in read(Path(path).read_bytes()):
            files.troubles += [Trouble(file=path, line=line, path="", message=why) for line, why in document.problems]
            _sort_in(path, document, files)
    except OSError as error:
        files.troubles.append(Trouble(file=path, line=1, path="", message=f"cannot be read: {error.strerror or error}"))
    except Unreadable as error:
        files.troubles.append(Trouble(file=path, line=error.line, path="", message=str(error)))


def _sort_in(path: str, document: Document, files: _Files) -> None:
    for prefix, raw in _objects(document.value):
        subject = Subject(path, document, raw if isinstance(raw, Mapping) else {}, prefix)
        if not isinstance(raw, Mapping):
            files.troubles.append(subject.trouble("", "must be an object"))
        elif _is_ours(raw):
            files.subjects.append(subject)
        elif _is_beside(raw):
            (files.misshapen if any(shapes.misshapen(raw)) else files.subjects).append(subject)
        elif not raw.get("kind") or not raw.get("apiVersion"):
            files.troubles.append(subject.trouble("", "must have an apiVersion and a kind"))
        elif str(raw["apiVersion"]).startswith(f"{GROUP}/") and str(raw["kind"]) in SPECS:
            files.troubles.append(subject.trouble("apiVersion", f"must be {API_VERSION}"))
        elif raw["apiVersion"] == API_VERSION and (near := _nearly_ours(subject.kind)):
            files.troubles.append(subject.trouble("kind", f'Unknown kind: did you mean "{near}"?'))


def _nearly_ours(kind: str) -> str:
    """The kind of ours that a misspelt one means; the group has kinds of other programs, too."""
    return next(iter(difflib.get_close_matches(kind, SPECS, n=1, cutoff=SIMILAR_MIN)), "")


def _objects(value: Any) -> Iterator[tuple[str, Any]]:
    """(path, object) of a document, or of the items of a List."""
    if isinstance(value, Mapping) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"][:ITEMS_MAX]):
            yield f"items[{index}]", item
    else:
        yield "", value


def _is_ours(raw: Mapping[str, Any]) -> bool:
    return raw.get("apiVersion") == API_VERSION and str(raw.get("kind")) in SPECS


def _is_beside(raw: Mapping[str, Any]) -> bool:
    """Whether a rollout may refer to it."""
    kind = str(raw.get("kind"))
    return kind in BESIDE and raw.get("apiVersion") == BESIDE[kind]


def _check(subjects: Sequence[Subject], controller: Controller) -> Iterator[Trouble]:
    surroundings = Surroundings(subjects)
    for subject in subjects:
        if subject.kind in BESIDE:
            continue
        findings = [*_named(subject), *_strict(subject), *_sound(subject, surroundings, controller)]
        yield from (subject.finding(finding) for finding in _once(findings))
        yield from _warnings(subject, controller)


def _warnings(subject: Subject, controller: Controller) -> Iterator[Trouble]:
    if subject.kind == "Rollout" and controller.step_plugins is not None:
        rollout = parse.parse_rollout(subject.raw).value
        for finding in lint_references.plugin_findings(rollout, controller.step_plugins):
            yield replace(subject.finding(finding), is_warning=True)


def _misshapen(files: _Files, routers: Routers) -> Iterator[Trouble]:
    rollouts = [parse.parse_rollout(subject.raw).value for subject in files.subjects if subject.kind == "Rollout"]
    referred = {each for rollout in rollouts for each in lint_references.referred(rollout, routers)}
    for subject in files.misshapen:
        if (subject.kind, parse.parse_meta(subject.raw).name) in referred:
            yield from (subject.finding(finding) for finding in shapes.misshapen(subject.raw))


def _named(subject: Subject) -> Iterator[Finding]:
    meta, place = subject.raw.get("metadata"), at("metadata.name")
    name, begins = (meta.get("name"), meta.get("generateName")) if isinstance(meta, Mapping) else (None, None)
    if not name and not begins:
        yield place.required()
    elif name and (why := validate_labels.object_name_problem(str(name))):
        yield place.invalid(name, why)


def _strict(subject: Subject) -> Iterator[Finding]:
    if not isinstance(subject.raw.get("spec"), Mapping):
        yield at("spec").required("must be an object")
    yield from strict.fields(SPECS[subject.kind], subject.raw.get("spec"), at("spec"))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Of several findings of one sort at one place, the first."""
    seen: set[tuple[str, str]] = set()
    for finding in findings:
        key = (finding.path, finding.kind)
        if key not in seen:
            seen.add(key)
            yield finding


def _rollout(
    subject: Subject, parsed: Parsed[Rollout], around: Surroundings, controller: Controller
) -> Iterator[Finding]:
    reference = parsed.value.spec.workload_ref
    workload = None if reference is None else around.object(subject, reference.kind, reference.name)
    rollout, findings = lint_references.resolved(parsed, workload)
    yield from findings
    if parsed.problems:
        return  # what other objects are held to could not be read
    yield from lint_references.template_findings(rollout, around.templates(subject))
    yield from lint_references.experiment_step_findings(rollout)
    yield from lint_references.service_findings(rollout, around.services(subject))
    yield from lint_references.sharing_findings(rollout, around.rivals(subject))
    if controller.routers is not None:
        yield from lint_references.router_findings(rollout, controller.routers)
    yield from lint_references.route_findings(
        rollout, controller.known_routers, lambda kind, name: around.object(subject, kind, name)
    )


def _sound(subject: Subject, surroundings: Surroundings, controller: Controller) -> Iterator[Finding]:
    parsed = parse.PARSERS[subject.kind](subject.raw)
    value = parsed.value
    if isinstance(value, Rollout):
        yield from _rollout(subject, Parsed(value, parsed.problems), surroundings, controller)
        return
    yield from (malformed(problem) for problem in parsed.problems if problem.path.startswith("spec"))
    if isinstance(value.spec, AnalysisTemplateSpec | AnalysisRunSpec):
        yield from _analysis(subject, value.spec)
    elif isinstance(value.spec, ExperimentSpec):
        yield from lint_references.experiment_findings(value.meta.name, value.spec)


def _analysis(subject: Subject, spec: AnalysisTemplateSpec | AnalysisRunSpec) -> Iterator[Finding]:
    raw = subject.raw.get("spec")
    metrics = raw.get("metrics") if isinstance(raw, Mapping) else None
    raw_metrics = metrics if isinstance(metrics, list) else []
    is_nested_only = isinstance(spec, AnalysisTemplateSpec) and bool(spec.templates) and not raw_metrics
    if is_nested_only:
        return
    yield from template_metrics(raw_metrics, at("spec.metrics"))
    yield from lint_conditions.condition_findings(raw_metrics, at("spec.metrics"))
    if not (isinstance(spec, AnalysisTemplateSpec) and spec.templates):
        yield from name_rules(spec.dry_run, spec.metrics, at("spec.dryRun"))
        yield from name_rules(spec.measurement_retention, spec.metrics, at("spec.measurementRetention"))
        yield from _undeclared(raw_metrics, {arg.name for arg in spec.args})


def _undeclared(raw_metrics: Sequence[Any], declared: set[str]) -> Iterator[Finding]:
    for index, raw in enumerate(raw_metrics):
        for name in sorted(placeholders(raw) - declared):
            place = Place(f"spec.metrics[{index}]", f"spec.metrics[{index}]")
            yield place.invalid(f"{{{{args.{name}}}}}", f'the argument "{name}" is not declared in spec.args')
