"""The demo tells its story to the end, and leaves nothing behind however it ends."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

import pytest

from tests.e2e.demo_process import Demo

pytestmark = [pytest.mark.xdist_group("cluster"), pytest.mark.needs_apt]

StartDemo = Callable[..., Demo]


def test_the_story_comes_out(start_demo: StartDemo) -> None:
    """v2 is proven and becomes stable, v3 is aborted by its analysis, no request stays unanswered."""
    demo = start_demo()
    assert demo.read_to_end() == 0, demo.output
    table = _table(demo.output)
    assert list(table) == ["v1", "v2", "v3"]
    assert "Rollout completed update to revision 1" in table["v1"]
    assert re.search(r"AnalysisRun shop-\S+: Successful: success rate 1\.000", table["v2"])
    assert "demo: promote step v2 looks good" in table["v2"]
    assert "Rollout completed update to revision 2" in table["v2"]
    assert re.search(r"AnalysisRun shop-\S+: Failed: success rate 0\.\d+", table["v3"])
    assert "Rollout aborted update to revision 3" in table["v3"]
    assert re.search(r"requests through the Service, 0 without an answer", demo.output)
    assert demo.leftovers() == []


def test_ctrl_c_stops_every_program(start_demo: StartDemo) -> None:
    """Interrupted while versions are served, the demo stops all it started and says so."""
    demo = start_demo("--keep")
    demo.read_until("v1 serves")
    assert len(demo.programs()) >= 3, "cluster, controller and Prometheus run"
    demo.process.send_signal(signal.SIGINT)
    assert demo.read_to_end() == 128 + signal.SIGINT, demo.output
    assert "Traceback" not in demo.output
    assert demo.leftovers() == []


def test_no_program_outlives_a_killed_demo(start_demo: StartDemo) -> None:
    """Nobody is left to stop them after kill -9: the kernel does."""
    demo = start_demo()
    demo.read_until("v1 serves")
    assert len(demo.programs()) >= 3, "cluster, controller and Prometheus run"
    demo.process.kill()
    demo.process.wait()
    assert demo.leftovers() == []


def _table(output: str) -> dict[str, str]:
    """The rows of the table at the end, each as one text."""
    rows: dict[str, str] = {}
    version = ""
    for line in output.splitlines():
        if not line.startswith("│"):
            continue
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        version = cells[0] or version
        rows[version] = f"{rows.get(version, '')} {cells[-1]}".strip()
    rows.pop("version", None)
    return rows
