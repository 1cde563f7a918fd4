"""The same program as a plugin: kubectl finds it, and `kubectl rollouts` is `rollouts`."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from rollouts.kube.kinds import ROLLOUTS
from rollouts.sandbox.cluster import Sandbox
from tests.builders import a_rollout
from tests.sandbox.kubectl.runner import binaries
from tests.shell.clusters import client_of, create

OUR_CRDS = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))
SECONDS_MAX = 60


@pytest.fixture
def on_the_path(tmp_path: Path) -> Path:
    """A folder with the script that an installation makes of the entry point."""
    (entry,) = metadata.entry_points(group="console_scripts", name="kubectl-rollouts")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "kubectl-rollouts"
    run = f"#!{sys.executable}\nimport sys\nfrom {entry.module} import {entry.attr}\nsys.exit({entry.attr}())\n"
    script.write_text(run)
    script.chmod(0o755)
    return folder


async def typed(kubectl: Path, *words: str, path: Path, kubeconfig: str = "") -> str:
    """What kubectl says, with this folder in front of its PATH."""
    environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "KUBECONFIG": kubeconfig}
    running = await asyncio.create_subprocess_exec(
        kubectl, *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(SECONDS_MAX):
        told, _ = await running.communicate()
    return told.decode()


@pytest.mark.parametrize("kubectl", binaries(), ids=lambda path: path.parent.name)
async def test_kubectl_finds_the_plugin(kubectl: Path, on_the_path: Path) -> None:
    """By its name on the PATH; its help names what was typed."""
    assert str(on_the_path / "kubectl-rollouts") in await typed(kubectl, "plugin", "list", path=on_the_path)
    assert (await typed(kubectl, "rollouts", "version", path=on_the_path)).strip() == metadata.version("rollouts")
    assert "usage: kubectl rollouts get" in await typed(kubectl, "rollouts", "get", "--help", path=on_the_path)


async def test_the_plugin_works_on_kubectls_cluster(on_the_path: Path, tmp_path: Path) -> None:
    """That of the kubeconfig; commands that it shows are commands of kubectl."""
    kubectl = binaries()[0]
    async with Sandbox(workloads=False) as sandbox, client_of(sandbox) as admin:
        sandbox.install(OUR_CRDS)
        kubeconfig = str(sandbox.kubeconfig(tmp_path / "people"))
        web = a_rollout()
        web["metadata"]["namespace"] = "default"
        await create(admin, ROLLOUTS, web)
        assert "web " in await typed(kubectl, "rollouts", "list", path=on_the_path, kubeconfig=kubeconfig)
        told = await typed(kubectl, "rollouts", "pause", "web", path=on_the_path, kubeconfig=kubeconfig)
        assert "`kubectl rollouts status web --watch` goes on waiting" in told
