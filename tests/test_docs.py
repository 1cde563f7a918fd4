"""What the documents say of the code: links and proofs exist, the contract's table has no gaps, examples are sound."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.api.meta import API_VERSION
from rollouts.cli import COMMANDS
from rollouts.core import naming
from rollouts.core.verbs import KEYWORDS
from rollouts.ctl.lint import lint
from rollouts.settings import FROM_ENVIRONMENT, WITHOUT_MEANING
from rollouts.telemetry import Telemetry

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT / "docs" / "compatibility.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PROOF = re.compile(r"`(tests/[\w/]+\.(?:py|txt))(?:::(\w+))?`")
NAME = re.compile(r"`([^`]+)`")
STATES = ("same", "better: ", "not there: ")
OF_PROCESS = re.compile(r"^(process|python)_")
"""Metrics that every program of this language has."""

TELLING = ("Note", "Told", "Hidden", "_note")
"""What makes a note in our source: it has a `reason`, or begins with one."""
SOURCES = ("core", "kube", "routers", "runtime")

EVENTS = """
RolloutAddedToInformer RolloutDeleted RolloutUpdated NewReplicaSetCreated ReplicaSetCreateError ScalingReplicaSet
RolloutNotCompleted RolloutCompleted RolloutStepCompleted RolloutPaused RolloutResumed RolloutAborted SkipSteps
SwitchService TrafficWeightUpdated TrafficRoutingError WeightVerifyError AnalysisRun<Phase> ExperimentCreated
ReconciliationError StepPluginTransition TargetGroupVerified TargetGroupUnverified TargetGroupVerifyError
LoadBalancerNotFound CreatingCanaryIngress PatchingCanaryIngress PatchingALBIngress UpdatedDestinationRule
VirtualServiceNotFound DestinationRuleNotFound TrafficSplitCreated TrafficSplitNotCreated TraefikServiceUpdateError
CanaryMapping* VirtualRouterNotFound VirtualNodeNotFound Metric<Phase> Template<Status> AnalysisRunTerminating
Experiment<Phase> ReplicaSetUpdateError
"""
"""Reasons that existing clients know, whoever sends them."""


def id_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the contract's table: what it is about, where that is, how it is carried out, and what proves it."""

    section: str
    names: tuple[str, ...]
    """As they are written, after each place that the section's heading names."""
    state: str
    proof: str


def rows() -> Iterator[Row]:
    """All rows, top to bottom."""
    section, places = "", [""]
    for line in CONTRACT.read_text().splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ").partition(":")[0]
            places = [f"{place}." for place in NAME.findall(line)] or [""]
        cells = line.strip("|").split(" | ")
        if len(cells) == 3 and cells[1] not in ("state", "---"):
            names = tuple(place + name for place in places for name in NAME.findall(cells[0]))
            yield Row(section, names, cells[1], cells[2])


ROWS = tuple(rows())


def named(*sections: str) -> set[str]:
    """What has a row in some sections."""
    return {name for row in ROWS if row.section in sections for name in row.names}


def absent(*sections: str) -> set[str]:
    """What is said not to be there."""
    return {name for row in ROWS if row.section in sections and row.state.startswith("not there") for name in row.names}


def members(schema: Mapping[str, Any], place: str) -> Iterator[str]:
    """Every path below a place of a CRD; the items of a list are at `list[]`."""
    for name, member in schema.get("properties", {}).items():
        yield f"{place}.{name}"
        yield from members(member, f"{place}.{name}")
    if "items" in schema:
        yield from members(schema["items"], f"{place}[]")


def pattern(name: str) -> str:
    """What a row's name stands for: `x.*` is x and everything in it."""
    return re.escape(name).replace(r"\.\*", r"(?:[.\[].*)?")


def reasons_sent() -> Iterator[str]:
    """The reasons of all Events in our source; `Verb*` where the end of a word is computed."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "rollouts").rglob("*.py") if _may_tell(path)]
    words = dict(pair for tree in trees for pair in _constants(tree))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in TELLING:
            yield from _reason(call, words)


def _may_tell(path: Path) -> bool:
    return path.relative_to(ROOT / "rollouts").parts[0] in (*SOURCES, "api")


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(word))):
                yield name, word
            case _:
                pass


def _reason(call: ast.Call, words: Mapping[str, str]) -> Iterator[str]:
    given = {each.arg: each.value for each in call.keywords}
    if isinstance(given.get("is_event"), ast.Constant):
        return  # for the log and the stories only
    match given.get("reason", next(iter(call.args), None)):
        case ast.Constant(value=str(word)):
            yield word
        case ast.JoinedStr(values=[ast.Constant(value=str(word)), *_]):
            yield f"{word}*"
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in words:
            yield words[name]
        case _:
            pass


def unmatched(patterns: Iterable[str], names: set[str]) -> list[str]:
    """Patterns that no name fits."""
    return [each for each in patterns if not any(fnmatchcase(name, each) for name in names)]


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file or a folder."""
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_proofs_are_there(page: Path) -> None:
    """A test that a page names exists in the file it names."""
    for file, test in PROOF.findall(page.read_text()):
        assert (ROOT / file).exists(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_every_row_has_a_state_and_a_proof() -> None:
    """One of the three states, with its reason; and a story, or a test by its name."""
    for row in ROWS:
        assert row.state.startswith(STATES), row
        proofs = PROOF.findall(row.proof)
        assert proofs, row
        assert all(test or file.endswith(".txt") for file, test in proofs), row


def test_every_member_has_its_row() -> None:
    """Of spec and status of a Rollout; and no row speaks of a member that is not there."""
    crd = yaml.safe_load((ROOT / "crds" / "argoproj.io_rollouts.yaml").read_text())
    parts = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    there = [path for part in ("spec", "status") for path in members(parts[part], part)]
    names = [name for row in ROWS for name in row.names if re.match(r"(spec|status)\.", name)]
    anything = re.compile("|".join(map(pattern, names)))
    assert not [path for path in there if not anything.fullmatch(path)]
    text = "\n".join(there)
    assert not [name for name in names if not re.search(f"^{pattern(name)}$", text, re.MULTILINE)]


def test_every_event_has_its_row() -> None:
    """Those that clients know and those that we send, which are none of those that are not there."""
    sent = set(reasons_sent())
    assert len(sent) > 20
    assert not set(EVENTS.split()) - named("Events")
    assert not unmatched(sent, named("Events"))
    assert not absent("Events") & sent


def test_every_metric_has_its_row() -> None:
    """Likewise of the controller's own metrics."""
    families = Telemetry(version="0").registry.collect()
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert not {name for name in names if not OF_PROCESS.match(name)} - named("Metrics")
    assert not names & absent("Metrics")


def test_every_verb_has_its_row() -> None:
    """By annotation."""
    assert {f"{naming.VERB_PREFIX}{verb}" for verb in KEYWORDS} == named("Annotations")


def test_every_command_has_its_row() -> None:
    """Of our own program."""
    assert {command.name for command in COMMANDS} == named("Our commands") - absent("Our commands")


def test_every_flag_has_its_row() -> None:
    """Those that mean something, and those that are taken with a warning."""
    assert not {f"--{flag}" for flag in FROM_ENVIRONMENT} - (named("The process") - absent("The process"))
    assert not {f"--{flag}" for flag in WITHOUT_MEANING} - absent("The process")


def test_every_label_and_annotation_has_its_row() -> None:
    """That we write or read, on any object."""
    words = {word for name, word in vars(naming).items() if name.isupper() and isinstance(word, str)}
    assert not words - {naming.VERB_PREFIX, naming.LAST_APPLIED, API_VERSION} - named("Labels and annotations")


def test_the_rollout_of_the_readme_is_sound(tmp_path: Path) -> None:
    """What a newcomer copies first has no problems, and is as short as it can be."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "rollout.yaml"
    file.write_text(text)
    out = io.StringIO()
    assert lint([str(file)], out) == 0, out.getvalue()
    assert len(text.splitlines()) == 12
