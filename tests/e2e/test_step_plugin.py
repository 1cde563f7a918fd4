"""The example of a step plugin in a controller's process: people approve, and one controller dies on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.apps import a_rollout, weight
from tests.e2e.stage import kill, on_stage, status
from tests.plugins.steps import EXAMPLE, a_change_system

STEP = {"plugin": {"name": "change-approval", "config": {"summary": "Let it out", "every": 10}}}


def install(folder: Path) -> None:
    """The example as an installed package, for a Python that looks into this folder."""
    installed = folder / "change_approval-1.0.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: change-approval\nVersion: 1.0.0\n")
    (installed / "entry_points.txt").write_text("[rollouts.steps]\nchange-approval = change_approval:ChangeApproval\n")
    (folder / EXAMPLE.name).write_text(EXAMPLE.read_text())


async def test_a_change_is_approved_across_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update waits at its step; after a kill -9 the next controller finds the same request, and goes on when
    it is approved. A plugin that is not installed is said to be missing."""
    install(tmp_path / "site")
    paths = [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    with a_change_system() as changes:
        monkeypatch.setenv("CHANGE_APPROVAL_ADDRESS", changes.address)
        async with on_stage(tmp_path / "stage") as stage:
            first = await stage.controller()
            place = await stage.place()
            await place.apply(a_rollout(weight(25), STEP))
            await place.until_stable("web:1")
            await place.apply(a_rollout(weight(25), STEP, image="web:2"))
            await place.until("the request to be open", lambda seen: bool(_entries(seen)) and changes.opened == 1)
            await kill(first)
            changes.state = "approved"
            await stage.controller()
            await place.until_stable("web:2")
            assert changes.opened == 1
            (entry,) = _entries(await place.until("its entry", lambda seen: len(_entries(seen)) == 1))
            assert (entry["phase"], entry["operation"]) == ("Successful", "Run")
            await place.apply(a_rollout({"plugin": {"name": "missing"}}, image="web:3"))
            message = "installed are change-approval"
            await place.until("the plugin to be missed", lambda seen: message in status(seen).get("message", ""))


def _entries(rollout: dict[str, object]) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = status(rollout).get("canary", {}).get("stepPluginStatuses", [])
    return entries
