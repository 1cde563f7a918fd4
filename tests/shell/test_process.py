"""The command: its flags, its ports, its figures, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import IO

import aiohttp
import pytest

from rollouts.cli import USAGE_ERROR, main
from rollouts.kube.kinds import LEASES, ROLLOUTS
from rollouts.runtime.health import HealthServer, Probes
from rollouts.runtime.lifecycle import Ending
from rollouts.settings import FROM_ENVIRONMENT, WITHOUT_MEANING
from rollouts.telemetry import Telemetry
from tests.shell.clusters import LOOSE_CRDS, a_cluster, create, read
from tests.shell.objects import a_rollout
from tests.shell.processes import settings_of, until


def test_every_flag_has_the_default_people_know() -> None:
    """The whole cluster, leader election on, ports 8080 and 8090."""
    settings = settings_of()
    assert (settings.namespace, settings.leader_elect) == ("", True)
    assert (settings.healthz_port, settings.metrics_port) == (8080, 8090)
    assert (settings.lease_namespace, settings.lease_name) == ("argo-rollouts", "argo-rollouts-controller-lock")
    assert settings.resync_seconds == 900


def test_flags_of_other_controllers_are_accepted() -> None:
    """With a value or without one; they are named, so that they can be warned of."""
    settings = settings_of(*(f"--{name}=1" for name in WITHOUT_MEANING), "--alb-verify-weight")
    assert settings.ignored_flags == WITHOUT_MEANING


def test_the_environment_gives_flags_and_flags_win() -> None:
    """ROLLOUTS_LOGFORMAT=json is --logformat=json."""
    environ = {"ROLLOUTS_LOGFORMAT": "json", "ROLLOUTS_INSTANCE_ID": "blue", "ROLLOUTS_HEALTHZPORT": "1"}
    settings = settings_of("--instance-id", "green", environ=environ)
    assert (settings.log_is_json, settings.instance_id, settings.healthz_port) == (True, "green", 1)
    assert settings.lease_name == "argo-rollouts-controller-lock-green"


def test_help_tells_of_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """And of every flag that means something, but of no other."""
    with pytest.raises(SystemExit) as ended:
        main(["controller", "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "ROLLOUTS_LOGLEVEL" in said
    assert all(f"--{flag}" in said for flag in FROM_ENVIRONMENT)
    assert not any(f"--{flag}" in said for flag in WITHOUT_MEANING)


@pytest.mark.parametrize("words", [["--version"], ["controller", "--version"]])
def test_the_version_is_told(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """That of the package, and nothing is begun."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert (ended.value.code, capsys.readouterr().out.strip()) == (0, metadata.version("rollouts"))


def test_one_namespace_is_worked_in_on_request() -> None:
    """Named, or the controller's own; without knowing it, that is an error."""
    assert settings_of("--namespace", "team").namespace == "team"
    assert settings_of("--namespaced", environ={"POD_NAMESPACE": "mine"}).namespace == "mine"
    with pytest.raises(ValueError, match="POD_NAMESPACE"):
        settings_of("--namespaced")


@pytest.mark.parametrize(
    "flags",
    [
        ["--healthzPort", "99999"],
        ["--leader-election-lease-duration", "soon"],
        ["--rollout-threads", "0"],
        ["--controllers", "analysis"],
    ],
)
def test_a_bad_flag_is_a_usage_error(flags: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the flag's name."""
    with pytest.raises(SystemExit) as ended:
        main(["controller", *flags])
    assert ended.value.code == USAGE_ERROR
    assert flags[0] in capsys.readouterr().err


def test_a_command_says_which_package_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The controller's image has no sandbox in it; that is no bug, and shows no traceback."""

    def without_extra(name: str) -> None:
        raise ModuleNotFoundError(f"{name} imports it", name="cel")

    monkeypatch.setattr("importlib.import_module", without_extra)
    assert main(["sandbox", "up"]) == USAGE_ERROR
    assert "rollouts[sandbox]" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """And a command that does not exist is a usage error."""
    assert main([]) == 0
    said = capsys.readouterr().out
    for command in ("controller", "sandbox", "lint", "demo", "version"):
        assert f"  {command} " in said
    assert main(["nonsense"]) == USAGE_ERROR
    assert "nonsense" in capsys.readouterr().err


async def test_probes_say_what_is_wrong() -> None:
    """200 ok, or 503 with the reason; metrics as Prometheus reads them."""
    state: dict[str, str | None] = {"healthz": None, "readyz": "not yet"}
    telemetry = Telemetry(version="1.2.3")
    server = HealthServer(
        Probes(unhealthy=lambda: state["healthz"], unready=lambda: state["readyz"], metrics=telemetry.render)
    )
    (port,) = await server.start(host="127.0.0.1", ports=(0,))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        answers = {}
        for path in ("healthz", "readyz", "metrics"):
            async with session.get(f"/{path}") as answer:
                answers[path] = (answer.status, await answer.text())
    await server.stop()
    assert answers["healthz"] == (200, "ok")
    assert answers["readyz"] == (503, "not yet")
    assert 'argo_rollouts_controller_info{version="1.2.3"} 1.0' in answers["metrics"][1]


def test_series_follow_their_object() -> None:
    """A phase that is over leaves no series, and neither does an object that is gone."""
    telemetry = Telemetry(version="test")
    replicas = {"desired": 2, "available": 1, "unavailable": 1, "updated": 0}
    empty = telemetry.render().count(b'name="web"')
    telemetry.show_rollout("default", "web", info=("canary", "", "Progressing"), replicas=replicas)
    telemetry.show_rollout("default", "web", info=("canary", "", "Completed"), replicas=replicas)
    telemetry.observe_turn("rollout", "default", "web", 0.1, failed=True)
    telemetry.observe_event("default", "web", type="Normal", reason="Scaled")
    text = telemetry.render()
    assert b'phase="Completed"' in text and b'phase="Progressing"' not in text
    assert b'rollout_info_replicas_desired{name="web",namespace="default"} 2.0' in text
    assert b'rollout_reconcile_error{name="web",namespace="default"} 1.0' in text
    telemetry.forget("rollout", "default", "web")
    assert telemetry.render().count(b'name="web"') == empty == 0


def test_requests_are_counted_by_what_they_touch() -> None:
    """Not by object: that would be a series for each."""
    telemetry = Telemetry(version="test")
    telemetry.observe_request("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/a/rollouts/web/status", 200)
    telemetry.observe_request("GET", "/api/v1/pods", 0)
    text = telemetry.render()
    assert b'{kind="rollouts",status_code="200",verb="patch"} 1.0' in text
    assert b'{kind="pods",status_code="0",verb="get"} 1.0' in text


async def test_figures_that_take_long_hold_up_nothing_else() -> None:
    """While they are put together, the event loop goes on: here it answers /healthz, which they wait for."""
    is_answered = threading.Event()

    def slow() -> bytes:
        assert is_answered.wait(timeout=20)
        return b"figures"

    server = HealthServer(Probes(unhealthy=lambda: None, unready=lambda: None, metrics=slow))
    (port,) = await server.start(host="127.0.0.1", ports=(0,))
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            asked = asyncio.ensure_future(session.get("/metrics"))
            async with session.get("/healthz") as answer:
                assert answer.status == 200
            is_answered.set()
            assert await (await asked).text() == "figures"
    finally:
        await server.stop()


async def start(
    kubeconfig: Path, *flags: str, stderr: int | IO[bytes] = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """The controller as a process of its own, on free ports."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rollouts",
        "controller",
        "--kubeconfig",
        str(kubeconfig),
        "--leader-election-namespace=default",
        "--bind-address=127.0.0.1",
        "--healthzPort=0",
        "--metricsPort=0",
        *flags,
        stderr=stderr,
    )


async def test_a_process_works_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    """Started as in production; SIGTERM ends it with 0 and hands the lease on."""
    async with a_cluster(*LOOSE_CRDS) as (cluster, admin):
        await create(admin, ROLLOUTS, a_rollout())
        process = await start(cluster.kubeconfig(tmp_path / "kubeconfig"))
        try:

            async def phase() -> str:
                return str((await read(admin, ROLLOUTS, "web")).get("status", {}).get("phase", ""))

            await until(phase)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == Ending.STOPPED
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        lease = await read(admin, LEASES, "argo-rollouts-controller-lock")
        assert lease["spec"].get("holderIdentity", "") == ""


async def test_a_process_without_a_cluster_says_so_and_ends(tmp_path: Path) -> None:
    """A kubeconfig that is not there is a failure, not a wait."""
    process = await start(tmp_path / "none", stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == Ending.FAILED
    assert f"{tmp_path / 'none'}: there is no such kubeconfig" in said.decode()
