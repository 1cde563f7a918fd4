"""The example of a step plugin: what people say becomes a phase, and what a change system does becomes no answer."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rollouts import app
from rollouts.ports import Operation, StepPlugin, Unanswered
from rollouts.runtime.step_plugins import StepPlugins
from tests.plugins.steps import EXAMPLE, Changes, a_call, a_change_system, example


@pytest.fixture
def changes() -> Iterator[Changes]:
    with a_change_system() as changes:
        yield changes


@pytest.fixture
def plugin(changes: Changes) -> StepPlugin:
    made: StepPlugin = example().ChangeApproval(changes.address)
    return made


@pytest.mark.parametrize(
    ("state", "phase"), [("waiting", "Running"), ("approved", "Successful"), ("refused", "Failed")]
)
def test_what_people_say_becomes_a_phase(plugin: StepPlugin, changes: Changes, state: str, phase: str) -> None:
    """With who said so; while it waits, at the pace that the configuration asks for."""
    changes.state = state
    call = a_call(config={"summary": "Let it out", "every": 15})
    plugin.start(call)
    answer = plugin.poll(call)
    assert (answer.phase, answer.again_seconds) == (phase, 15)
    assert answer.message.endswith(f" is {state} by ann")


def test_one_attempt_opens_one_request(plugin: StepPlugin, changes: Changes) -> None:
    """However often it is asked to; another attempt opens another, and an abort withdraws its own."""
    first, second = a_call("uid/1/a"), a_call("uid/1/b")
    for call in (first, first, second):
        plugin.start(call)
    assert changes.opened == 2
    assert {body["rollout"] for body in changes.open.values()} == {"web"}
    plugin.abort(replace(first, operation=Operation.ABORT))
    assert len(changes.open) == 1


@pytest.mark.parametrize(
    ("code", "text"), [(503, b""), (200, b"<html>"), (200, b'{"state": "odd"}'), (200, b'{"state": []}'), (200, b"[]")]
)
def test_a_system_that_is_out_of_order_is_no_answer(
    plugin: StepPlugin, changes: Changes, code: int, text: bytes
) -> None:
    """Neither a yes nor a no; and nothing of the address is shown."""
    changes.status_code, changes.text = code, text
    with pytest.raises(Unanswered) as raised:
        plugin.start(a_call())
    assert "127.0.0.1" not in str(raised.value)


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:1", "not an address"])
def test_a_system_that_is_not_there_is_no_answer(address: str) -> None:
    """Also where nobody has said where it is, which the error names."""
    with pytest.raises(Unanswered, match="CHANGE_APPROVAL_ADDRESS is not set" if not address else "does not answer"):
        example().ChangeApproval(address).start(a_call())


def test_a_step_without_a_question_fails(plugin: StepPlugin, changes: Changes) -> None:
    """People cannot approve what nobody has said; the message names the field."""
    answer = plugin.start(a_call(config={}))
    assert (answer.phase, changes.opened) == ("Failed", 0)
    assert "plugin.config.summary" in answer.message


def test_an_installed_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its entry point, under the name that Rollouts use; and it loads."""
    installed = tmp_path / "change_approval-1.0.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: change-approval\nVersion: 1.0.0\n")
    (installed / "entry_points.txt").write_text("[rollouts.steps]\nchange-approval = change_approval:ChangeApproval\n")
    (tmp_path / EXAMPLE.name).write_text(EXAMPLE.read_text())
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    plugins = StepPlugins(app.step_plugins(), on_failure=lambda: None)
    rollout = yaml.safe_load(EXAMPLE.with_name("rollout.yaml").read_text())
    (name,) = (each["plugin"]["name"] for each in rollout["spec"]["strategy"]["canary"]["steps"] if "plugin" in each)
    assert plugins.states((name,))[name] == ""
    assert type(plugins.get(name, wait_seconds=5)).__name__ == "ChangeApproval"
    assert f'{name} = "change_approval:ChangeApproval"' in EXAMPLE.with_name("pyproject.toml").read_text()
