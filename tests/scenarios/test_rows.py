"""Every rule of a Rollout's behaviour is shown by a story or proven by a test; rows/*.yaml say where.

A row is numbered as the rules are told of: 2 is what the status says, 3 how a Rollout is reconciled (3.1 one key, 3.2
scaling, 3.3 the canary, 3.4 with a router, 3.5 blue-green), 4 are steps, promotion and what people do, 7.4 is
the step that runs an Experiment, and 10.5 are events.

    3.4.2 aborted:
      stories: {routed_abort_delay_unset: "Traffic weight updated from 50 to 0"}   # a line of this golden shows it
      tests: [tests/core/test_traffic.py::test_which_weight_is_asked_for]          # and this table proves it
      differs: docs/decisions/0043-the-order-of-traffic-and-pods.md               # why not as Argo Rollouts does it
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LINE_LENGTH_MIN = 12  # a shorter quote would be found in any story
SECTIONS = (
    *("2.1", "2.2", "2.3", "2.5"),
    *("3.1", "3.2", "3.3", "3.3.1", "3.3.2", "3.3.3"),
    *("3.4.1", "3.4.2", "3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.7"),
    *("3.5", "3.5.1", "3.5.2", "3.5.3", "3.5.4", "3.5.5"),
    *("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10"),
    *("7.4", "10.5"),
)


def rows() -> dict[str, dict[str, Any]]:
    """All rows by their names, which are different ones."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((HERE / "rows").glob("*.yaml")):
        listed: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())
        assert not found.keys() & listed.keys()
        found |= listed
    return found


ROWS = rows()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_its_rows(section: str) -> None:
    """No section of the rules is without a story or a table."""
    assert any(row.split()[0] == section for row in ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_shown(row: str) -> None:
    """Its stories have the lines that it quotes; its tests and its record exist."""
    known = ROWS[row]
    assert known.keys() <= {"stories", "tests", "differs"}
    assert known.get("stories") or known.get("tests"), "neither a story nor a test"
    for story, line in known.get("stories", {}).items():
        assert len(line) >= LINE_LENGTH_MIN, f"{line!r} could stand in any story"
        assert line in (HERE / f"{story}.txt").read_text(), f"{story} has no line with {line!r}"
    for test in known.get("tests", ()):
        file, name = test.split("::")
        assert f"def {name}(" in (ROOT / file).read_text(), test
    assert "differs" not in known or (ROOT / known["differs"]).exists(), known["differs"]
