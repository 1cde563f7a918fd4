"""Every scenario tells the story that was written down for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.play import play

HERE = Path(__file__).parent
SCENARIOS = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_story(path: Path, request: pytest.FixtureRequest) -> None:
    """Played to the end, a scenario gives its golden story, line by line."""
    golden = path.with_suffix(".txt")
    story = play(path)
    if request.config.getoption("--rewrite-goldens"):
        golden.write_text(story)
    assert story == golden.read_text()


def test_every_story_has_its_scenario() -> None:
    """No golden is left over from a scenario that is gone."""
    assert {path.stem for path in HERE.glob("*.txt")} == {path.stem for path in SCENARIOS}
