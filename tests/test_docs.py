"""What the documents say of the code: proofs and links exist, the contract has no gaps, examples are sound."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import yaml

from rollouts.core.verbs import KEYWORDS
from rollouts.ctl.lint import lint
from rollouts.telemetry import Telemetry

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT / "docs" / "compatibility.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PROOF = re.compile(r"`(tests/[\w/]+\.(?:py|txt))(?:::(\w+))?`")
OF_PROCESS = re.compile(r"^(process|python)_")
"""Metrics that every program of this language has."""


def id_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def named_in_contract() -> set[str]:
    return set(re.findall(r"`([^`]+)`", CONTRACT.read_text()))


def members(*path: str) -> set[str]:
    """The fields of the Rollout's CRD at a place."""
    crd = yaml.safe_load((ROOT / "crds" / "argoproj.io_rollouts.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return set(schema["properties"])


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


@pytest.mark.parametrize(
    "path",
    [
        ("spec",),
        ("spec", "strategy", "blueGreen"),
        ("spec", "strategy", "canary"),
        ("spec", "strategy", "canary", "steps", "[]"),
    ],
    ids=lambda path: ".".join(path),
)
def test_every_field_has_its_row(path: tuple[str, ...]) -> None:
    """What is carried out of a Rollout, and what is not, is written down."""
    assert not members(*path) - named_in_contract()


def test_every_verb_has_its_row() -> None:
    """Likewise of verbs by annotation."""
    assert not {f"rollouts.io/{verb}" for verb in KEYWORDS} - named_in_contract()


def test_every_metric_has_its_row() -> None:
    """Likewise of the controller's own metrics."""
    families = Telemetry(version="0").registry.collect()
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert not {name for name in names if not OF_PROCESS.match(name)} - named_in_contract()


def test_the_rollout_of_the_readme_is_sound(tmp_path: Path) -> None:
    """What a newcomer copies first has no problems, and is as short as it can be."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "rollout.yaml"
    file.write_text(text)
    out = io.StringIO()
    assert lint([str(file)], out) == 0, out.getvalue()
    assert len(text.splitlines()) == 12
