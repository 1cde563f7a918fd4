"""`rollouts sandbox up`: a cluster in the foreground, for people and for programs."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from rollouts.sandbox import command

TOYS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Toy, plural: toys}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""


@asynccontextmanager
async def up(*options: str) -> AsyncIterator[tuple[Process, str]]:
    """The command, and the address it said that it answers at."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rollouts", "sandbox", "up", *options, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        first = (await process.stdout.readline()).decode()
        yield process, first.strip().rpartition(" ")[2]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_it_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """It says what to export, serves the kubeconfig's address and the definitions given, and ends in good order."""
    kubeconfig = tmp_path / "kubeconfig"
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "toys.yaml").write_text(TOYS)
    options = ("--api-only", "--kubeconfig", str(kubeconfig), "--crds", str(tmp_path / "crds"))
    async with up(*options) as (process, url):
        assert process.stdout is not None
        assert (await process.stdout.readline()).decode() == f"export KUBECONFIG={kubeconfig}\n"
        assert yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"] == {"server": url}
        async with aiohttp.ClientSession() as session, session.get(f"{url}/apis/example.com/v1/toys") as answer:
            assert answer.status == 200
            assert (await answer.json())["kind"] == "ToyList"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """With exit code 1 and no traceback."""
    async with up("--api-only", "--kubeconfig", str(tmp_path / "a")) as (_, url):
        port = url.rpartition(":")[2]
        async with up("--api-only", "--kubeconfig", str(tmp_path / "b"), "--port", port) as (second, _said):
            assert second.stderr is not None
            told = (await second.stderr.read()).decode()
            assert await second.wait() == 1
    assert told.startswith("rollouts sandbox: ")
    assert "Traceback" not in told


def test_a_full_collection_looks_at_nothing_twice() -> None:
    """What survived one is set aside, so that a large store is not looked through again and again."""
    gc.callbacks.append(command.spare_what_lasts)
    try:
        gc.collect()
        assert gc.get_freeze_count() > 0
        assert len(gc.get_objects(generation=2)) < gc.get_freeze_count() / 10
    finally:
        gc.callbacks.remove(command.spare_what_lasts)
        gc.unfreeze()
