"""Golden texts: what a command prints, as it was read and approved."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Compare a text with the file named after the test; spaces at the ends of lines do not count.

    `--rewrite-goldens` (an option of tests/scenarios) writes it anew.
    """
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")
    path = FOLDER / f"{name}.txt"

    def check(text: str) -> None:
        trimmed = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        if request.config.getoption("--rewrite-goldens", default=False):
            path.write_text(trimmed)
        assert trimmed == path.read_text()

    return check
