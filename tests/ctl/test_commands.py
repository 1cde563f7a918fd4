"""The commands against a cluster: the sandbox with pods that run, and a controller."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollouts.cli import COMMANDS, Command, main
from rollouts.ctl import explain, sending
from rollouts.ctl.connection import INTERRUPTED
from rollouts.kube.client import MERGE_PATCH, KubeClient, Request
from rollouts.kube.kinds import CRDS, DEPLOYMENTS, INGRESSES, ROLLOUTS, SERVICES
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.faults import Refuse
from tests.builders import Json, a_deployment, a_rollout, blue_green, canary, pause, referring
from tests.ctl.families import a_road, a_service, routed
from tests.shell.clusters import LOOSE_CRDS, a_crd, client_of, create, read
from tests.shell.processes import a_controller, until

OUR_CRDS = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))


@pytest.fixture
def without_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers in this test, so there is no use in waiting long for it."""
    monkeypatch.setattr(sending, "ANSWER_SECONDS_MAX", 0.1)
    monkeypatch.setattr(explain, "PATIENCE_SECONDS", 0.1)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A shell with a kubeconfig: types a command and reads what it says."""

    admin: KubeClient
    kubeconfig: Path
    capture: pytest.CaptureFixture[str]

    async def type(self, line: str, *, code: int = 0) -> str:
        """What a command prints, on either stream; it must end with this code."""
        self.capture.readouterr()
        ended = await asyncio.to_thread(main, [*line.split(), "--kubeconfig", str(self.kubeconfig)])
        told = self.capture.readouterr()
        assert ended == code, told
        return told.out + told.err

    async def until(self, holds: Callable[[Json], Any]) -> Json:
        """The Rollout, once it is so and its status answers its spec."""

        async def look() -> Json | None:
            seen = await read(self.admin, ROLLOUTS, "web")
            status = seen.get("status") or {}
            is_fresh = status.get("observedGeneration") == str(seen["metadata"]["generation"])
            return seen if is_fresh and holds(status) else None

        found: Json = await until(look)
        return found


def a_web(**spec: Any) -> Json:
    """Two pods, a step at half, a pause."""
    web = a_rollout(canary(50, pause(), 80), replicas=2, **spec)
    web["metadata"]["namespace"] = "default"
    return web


def in_default(stored: Json) -> Json:
    """The same object, not stored yet, in the namespace of the kubeconfig."""
    return {**stored, "metadata": {"name": stored["metadata"]["name"], "namespace": "default"}}


@asynccontextmanager
async def a_terminal(
    folder: Path, capture: pytest.CaptureFixture[str], *, crds: tuple[Json, ...] = (), workloads: bool = True
) -> AsyncIterator[tuple[Sandbox, Terminal]]:
    """A cluster with our CRDs, or with these."""
    async with Sandbox(workloads=workloads) as sandbox, client_of(sandbox) as admin:
        if not crds:
            sandbox.install(OUR_CRDS)
        for crd in crds:
            await create(admin, CRDS, crd)
        yield sandbox, Terminal(admin, sandbox.kubeconfig(folder / "people"), capture)


async def test_an_update_is_steered_from_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Set an image, look, explain, promote, abort, retry, undo: each says what came of it."""
    async with a_terminal(tmp_path, capsys) as (sandbox, terminal), a_controller(sandbox, tmp_path):
        await create(terminal.admin, ROLLOUTS, a_web())
        assert "Healthy" in await terminal.type("status web --timeout 20s")
        assert "set web to v2" in await terminal.type("set image web web=v2")
        await terminal.until(lambda status: status.get("pauseConditions"))
        drawn = await terminal.type("get web")
        assert "canary" in drawn
        assert "stable" in drawn
        assert "ready:1/1" in drawn
        assert "‖ Paused" in await terminal.type("list rollouts")
        assert "go on to step 3" in await terminal.type("explain rollout web")
        assert "steps hold" in await terminal.type("pause web")
        assert "paused by hand already" in await terminal.type("pause web")
        assert "resumed" in await terminal.type("resume web")
        await terminal.until(lambda status: status.get("phase") == "Healthy")
        await terminal.type("set image web web=v3")
        await terminal.until(lambda status: status.get("pauseConditions"))
        assert "Degraded" in await terminal.type("abort web")
        assert "degraded state with message: RolloutAborted" in await terminal.type("status web", code=1)
        assert "another attempt" in await terminal.type("retry web")
        await terminal.until(lambda status: status.get("pauseConditions"))
        await terminal.type("promote web --full")
        await terminal.until(lambda status: status.get("phase") == "Healthy")
        assert "template of revision 2" in await terminal.type("undo web")
        stored = await read(terminal.admin, ROLLOUTS, "web")
        assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == "v2"


async def test_blue_green_is_steered_from_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It waits before its switch; promote switches, and there is no step to skip."""
    async with a_terminal(tmp_path, capsys) as (sandbox, terminal), a_controller(sandbox, tmp_path):
        for name in ("web-active", "web-preview"):
            await create(terminal.admin, SERVICES, in_default(a_service(name)))
        await create(
            terminal.admin, ROLLOUTS, in_default(a_rollout(blue_green(autoPromotionEnabled=False), replicas=1))
        )
        await terminal.type("status web --timeout 20s")
        await terminal.type("set image web web=v2")
        await terminal.until(lambda status: status.get("pauseConditions"))
        told = await terminal.type("explain web")
        assert "Service web-active leads to revision 1 (stable, active)" in told
        assert "rollouts promote web" in told
        assert "blue-green has no steps to skip" in await terminal.type("promote web -c", code=1)
        assert "preview" in await terminal.type("get web")
        assert "users are to reach the new version" in await terminal.type("promote web")
        await terminal.until(lambda status: status.get("phase") == "Healthy")
        assert "there is nothing to promote" in await terminal.type("promote web")


async def test_a_routed_canary_is_told_with_its_weight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the Ingress holds is evidence; what may not be read is named."""
    async with a_terminal(tmp_path, capsys) as (sandbox, terminal), a_controller(sandbox, tmp_path):
        canary_service, stable_service, ingress = (in_default(each) for each in a_road())
        for kind, stored in ((SERVICES, canary_service), (SERVICES, stable_service), (INGRESSES, ingress)):
            await create(terminal.admin, kind, stored)
        await create(terminal.admin, ROLLOUTS, in_default(a_rollout(routed(20, pause()), replicas=1)))
        await terminal.type("status web --timeout 20s")
        await terminal.type("set image web web=v2")
        await terminal.until(lambda status: status.get("pauseConditions"))
        assert "nginx sends 20 of 100 to the canary" in await terminal.type("explain web")
        assert "set 20, actual 20" in await terminal.type("get web")
        sandbox.faults.inject(Refuse(code=403), resource="ingresses", verb="list")
        assert "nginx: the weight in force is unknown: " in await terminal.type("explain web")


async def test_a_deployment_is_updated_by_its_rollouts_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Images are set and taken back where the pod template is."""
    async with a_terminal(tmp_path, capsys) as (sandbox, terminal), a_controller(sandbox, tmp_path):
        await create(terminal.admin, DEPLOYMENTS, in_default(a_deployment(replicas=0)))
        await create(terminal.admin, ROLLOUTS, in_default(referring(a_rollout(canary(50, pause()), replicas=1))))
        await terminal.type("status web --timeout 20s")
        assert "set web to v2" in await terminal.type("set image web web=v2")
        await terminal.until(lambda status: status.get("pauseConditions"))
        assert "workload  Deployment web, desired 0" in await terminal.type("get web")
        assert "template of revision 1" in await terminal.type("undo web")
        stored = await read(terminal.admin, DEPLOYMENTS, "web")
        assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == "v1"
        assert "template" not in (await read(terminal.admin, ROLLOUTS, "web"))["spec"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_shows_what_can_be_typed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has an example, and each example is one that the command takes."""
    with pytest.raises(SystemExit):
        main([command.name, "--help"])
    told = capsys.readouterr().out
    assert command.examples
    for words in command.examples:
        assert f"rollouts {command.name} {words}".rstrip() in told
        parser = argparse.ArgumentParser()
        if command.module:
            importlib.import_module(command.module).add_arguments(parser)
            parser.parse_args(shlex.split(words))


@pytest.mark.parametrize("command", ["explain", "get", "list", "status", "promote", "undo", "set", "plan"])
def test_help_names_the_program_that_was_typed(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a plugin of kubectl it is `kubectl rollouts`."""
    for script, program in (("rollouts", "rollouts"), ("kubectl-rollouts", "kubectl rollouts")):
        monkeypatch.setattr(sys, "argv", [f"/usr/bin/{script}"])
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert capsys.readouterr().out.startswith(f"usage: {program} {command} ")


@pytest.mark.usefixtures("without_controller")
async def test_a_malformed_rollout_is_explained_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read of it is what is wrong with it."""
    async with a_terminal(tmp_path, capsys, crds=LOOSE_CRDS, workloads=False) as (_, terminal):
        bad = {**a_web(), "spec": {"replicas": "many", "template": 7}, "status": {"conditions": "none"}}
        await create(terminal.admin, ROLLOUTS, bad)
        assert "By its rules: " in await terminal.type("explain web")
        for command in ("get web", "list", "status web --watch=false", "abort web"):
            await terminal.type(command)


@pytest.mark.usefixtures("without_controller")
async def test_writes_are_known_as_a_persons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not as the controller's; and a restart names its moment."""
    async with a_terminal(tmp_path, capsys, workloads=False) as (_, terminal):
        await create(terminal.admin, ROLLOUTS, a_web())
        assert "no answer from the controller" in await terminal.type("restart web --in 10m")
        stored = await read(terminal.admin, ROLLOUTS, "web")
        assert stored["spec"]["restartAt"]
        managers = [entry["manager"] for entry in stored["metadata"]["managedFields"]]
        assert "kubectl-rollouts" in managers


@pytest.mark.usefixtures("without_controller")
async def test_a_cluster_without_status_subresource_is_steered_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both patches then go to the object in one."""
    crds = (a_crd(ROLLOUTS, has_status=False),)
    async with a_terminal(tmp_path, capsys, crds=crds, workloads=False) as (_, terminal):
        status = {"observedGeneration": "1", "currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0}
        await create(terminal.admin, ROLLOUTS, {**a_web(paused=True), "status": status})
        await terminal.type("promote web")
        stored = await read(terminal.admin, ROLLOUTS, "web")
        assert (stored["spec"]["paused"], stored["status"]["currentStepIndex"]) == (False, 1)


@pytest.mark.usefixtures("without_controller")
async def test_explain_needs_no_other_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that serves Rollouts alone, and no controller: both are no error."""
    async with a_terminal(tmp_path, capsys, crds=LOOSE_CRDS[:1], workloads=False) as (_, terminal):
        await create(terminal.admin, ROLLOUTS, a_web())
        told = await terminal.type("explain web")
        assert "The controller has not answered the present spec" in told
        assert "could not be read" not in told


@pytest.mark.usefixtures("without_controller")
async def test_what_may_not_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not taken for absent."""
    async with a_terminal(tmp_path, capsys, workloads=False) as (sandbox, terminal):
        await create(terminal.admin, ROLLOUTS, a_web())
        sandbox.faults.inject(Refuse(code=403), resource="pods")
        assert "pods could not be read" in await terminal.type("explain web")


@pytest.mark.usefixtures("without_controller")
async def test_an_image_is_set_though_others_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A conflict is tried again."""
    async with a_terminal(tmp_path, capsys, workloads=False) as (sandbox, terminal):
        await create(terminal.admin, ROLLOUTS, a_web())
        rule = sandbox.faults.inject(Refuse(code=409), verb="update", times=2)
        assert "set web to v2" in await terminal.type("set image web web=v2")
        assert rule.hits == 2


@pytest.mark.usefixtures("without_controller")
async def test_errors_say_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No Rollout, no CRD, no cluster, no time."""
    async with a_terminal(tmp_path, capsys, workloads=False) as (_, terminal):
        assert "there is no Rollout 'web' in namespace 'default'" in await terminal.type("get web", code=1)
        assert "there is no Rollout in namespace 'default'" in await terminal.type("list")
        await create(terminal.admin, ROLLOUTS, a_web())
        assert "exceeded timeout" in await terminal.type("status web --watch --timeout 1s", code=1)
        assert "Progressing" in await terminal.type("status web --watch=false")
    assert "the API server gave no answer" in await terminal.type("get web", code=1)
    bare = Terminal(terminal.admin, tmp_path / "none", capsys)
    assert "name one with --kubeconfig" in await bare.type("get web", code=1)


def _as_in_a_terminal() -> None:
    """Whoever runs these tests in the background may ignore ctrl-c; a child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


async def test_a_watched_picture_follows_until_it_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a pipe: a new picture after a change; ctrl-c ends it without a traceback."""
    async with a_terminal(tmp_path, capsys, workloads=False) as (_, terminal):
        await create(terminal.admin, ROLLOUTS, a_web())
        words = ("-m", "rollouts", "get", "web", "--watch", "--kubeconfig", str(terminal.kubeconfig))
        pipe = asyncio.subprocess.PIPE
        watching = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=pipe, stderr=pipe, preexec_fn=_as_in_a_terminal
        )
        assert watching.stdout is not None
        async with asyncio.timeout(60):
            await watching.stdout.readuntil(b"desired 2")
            await terminal.admin.send(
                Request(
                    method="PATCH",
                    path=ROLLOUTS.path("default", "web"),
                    body={"spec": {"replicas": 7}},
                    content_type=MERGE_PATCH,
                )
            )
            await watching.stdout.readuntil(b"desired 7")
            watching.send_signal(signal.SIGINT)
            _, said = await watching.communicate()
        assert (watching.returncode, said) == (INTERRUPTED, b"")
