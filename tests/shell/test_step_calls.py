"""Questions to step plugins: asked once, in threads, answered whatever the plugin does, and kept until they count."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from rollouts.core.actions import RunStepPlugin
from rollouts.core.observed import Seen, StepAnswerSeen
from rollouts.kube.kinds import ROLLOUTS, Key
from rollouts.ports import Operation, StepAnswer, StepCall, StepPhase, Unanswered
from rollouts.runtime.cache import Change, entry_of
from rollouts.runtime.step_calls import Patience, StepCalls
from rollouts.runtime.step_plugins import Found, StepPlugins, Unloadable, found
from tests.builders import Json, a_rollout, canary, parsed_rollout

WEB, SHOP = Key("shop", "web"), Key("shop", "shop")
DONE = StepAnswer(phase=StepPhase.SUCCESSFUL, message="done")
Answer = Callable[[StepCall], Any]


@dataclass
class Plugin:
    """A plugin that answers all three questions alike, and takes note of them."""

    answer: Answer
    asked: list[tuple[str, StepCall]] = field(default_factory=list)

    def start(self, call: StepCall) -> StepAnswer:
        return self._noted("start", call)

    def poll(self, call: StepCall) -> StepAnswer:
        return self._noted("poll", call)

    def abort(self, call: StepCall) -> StepAnswer:
        return self._noted("abort", call)

    def _noted(self, method: str, call: StepCall) -> StepAnswer:
        self.asked.append((method, call))
        answer: StepAnswer = self.answer(call)
        return answer


class Bench:
    """Calls to one plugin `change`, whose answers are waited for."""

    def __init__(self, plugin: Plugin, **options: Any) -> None:
        self.answered: asyncio.Queue[Key] = asyncio.Queue()
        self.plugins = StepPlugins({"change": lambda: lambda: plugin}, on_failure=lambda: None)
        self.calls = StepCalls(self.plugins, on_answer=self.answered.put_nowait, **options)
        self.seen(a_stored())

    def seen(self, stored: Json) -> Seen:
        return self.calls.seen(Seen(rollout=parsed_rollout(stored), problems=(), replica_sets=()))

    async def ask(self, key: Key = WEB, **fields: Any) -> StepAnswerSeen:
        """Ask, wait, and take the one answer that its status waits for."""
        action = a_question(**fields)
        self.calls.start(key, action)
        async with asyncio.timeout(5):
            assert await self.answered.get() == key
        entry = {"index": 0, "name": "change", "operation": action.operation, "executions": action.ordinal - 1}
        (answer,) = self.seen(a_stored(entry)).step_answers
        return answer


def a_stored(*entries: Json, uid: str = "rollout-uid") -> Json:
    """A Rollout with this in its status."""
    stored = a_rollout(canary({"plugin": {"name": "change"}}))
    stored["metadata"]["uid"] = uid
    return {**stored, "status": {"canary": {"stepPluginStatuses": list(entries)}}}


def a_question(*, uid: str = "rollout-uid", **fields: Any) -> RunStepPlugin:
    """The first question about a step."""
    values: dict[str, Any] = {
        "plugin": "change",
        "key": f"{uid}/0/2026-01-01T12:00:00Z",
        "operation": Operation.RUN,
        "ordinal": 1,
        "is_first": True,
        "rollout": a_stored(uid=uid),
        "config": {"ticket": "CHG-1"},
        "status": {"seen": 1},
    }
    return RunStepPlugin(**{**values, **fields})


class Unspeakable(Unanswered):
    """A plugin's own exception, which fails again when it is read."""

    def __str__(self) -> str:
        raise SystemExit


def raising(error: BaseException) -> Answer:
    def answer(call: StepCall) -> Any:
        raise error

    return answer


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ({}, "start"),
        ({"ordinal": 2, "is_first": False}, "poll"),
        ({"operation": Operation.ABORT}, "abort"),
        ({"operation": Operation.TERMINATE}, "abort"),
    ],
)
async def test_a_plugin_gets_the_whole_question(fields: Json, method: str) -> None:
    """The method that fits, with key, operation, configuration and its own notes."""
    plugin = Plugin(lambda call: DONE)
    answer = await Bench(plugin).ask(**fields)
    ((asked, call),) = plugin.asked
    assert (asked, call.operation) == (method, fields.get("operation", Operation.RUN))
    assert (call.key, call.config, call.status) == (a_question().key, {"ticket": "CHG-1"}, {"seen": 1})
    assert call.rollout["metadata"]["name"] == "web"
    assert answer.answer is not None and answer.answer.message == "done"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (raising(Unanswered("no route to host")), "no route to host"),
        (raising(KeyError("token=hunter2")), "the plugin failed with KeyError; see the controller's log"),
        (raising(SystemExit(1)), "the plugin wanted to end the whole program"),
        (raising(asyncio.CancelledError()), "the plugin failed with CancelledError; see the controller's log"),
        (raising(KeyboardInterrupt()), "the plugin failed with KeyboardInterrupt; see the controller's log"),
        (raising(StopIteration()), "the plugin failed with StopIteration; see the controller's log"),
        (raising(TimeoutError()), "the plugin failed with TimeoutError; see the controller's log"),
        (raising(Unspeakable()), "the plugin's reason cannot be read (SystemExit)"),
        (lambda call: None, "it returned NoneType, not a StepAnswer"),
        (lambda call: StepAnswer(phase=StepPhase.RUNNING, status={"a": object()}), "its status is not JSON"),
        (lambda call: StepAnswer(phase=StepPhase.RUNNING, status={"a": "x" * 9000}), "its status is 9009 bytes"),
    ],
)
async def test_whatever_a_plugin_does_is_an_error_of_its_call(answer: Answer, error: str) -> None:
    """Nothing is known then; and of an exception that was not meant for people only the type is shown."""
    bench = Bench(Plugin(answer))
    seen = await bench.ask()
    assert seen.answer is None
    assert seen.error.startswith(error)
    assert (await bench.ask(ordinal=2)).error == seen.error, "its thread is free again"


async def test_what_a_plugin_writes_into_its_question_is_lost() -> None:
    """What it is shown are copies: decisions are made on the originals, by other Rollouts' turns as well."""

    def scribbling(call: StepCall) -> StepAnswer:
        mutable: Any = call
        for shown in (mutable.rollout["metadata"], mutable.config, mutable.status):
            shown.clear()
        return DONE

    question = a_question()
    await Bench(Plugin(scribbling)).ask(**{name: getattr(question, name) for name in ("rollout", "config", "status")})
    assert question == a_question()


async def test_a_long_reason_is_cut() -> None:
    """A status is kept in etcd, and read by people."""
    answer = await Bench(Plugin(raising(Unanswered("x" * 10_000_000)))).ask()
    assert len(answer.error) == 1024


async def test_a_question_is_asked_once() -> None:
    """Decided again while it is open, or while its answer is not in the status yet, nothing new is asked."""
    release = threading.Event()
    plugin = Plugin(lambda call: DONE if release.wait(5) else None)
    bench = Bench(plugin)
    bench.calls.start(WEB, a_question())
    bench.calls.start(WEB, a_question())
    release.set()
    async with asyncio.timeout(5):
        await bench.answered.get()
    bench.calls.start(WEB, a_question())
    await asyncio.sleep(0)
    assert len(plugin.asked) == 1


async def test_an_answer_stays_until_the_status_shows_it() -> None:
    """A status write may be lost; once it is there, the answer goes, and nothing is kept of the Rollout."""
    bench = Bench(Plugin(lambda call: DONE))
    await bench.ask()
    entry = {"index": 0, "name": "change", "operation": "Run", "executions": 0}
    assert bench.seen(a_stored(entry)).step_answers
    assert not bench.seen(a_stored({**entry, "executions": 1})).step_answers
    await bench.calls.close()
    assert len(bench.calls) == 0


async def test_a_plugin_that_hangs_harms_only_its_rollout() -> None:
    """Its question ends as an error, the next one too; another Rollout's is answered, and an abort reaches it."""
    release = threading.Event()
    try:
        plugin = Plugin(lambda call: DONE if call.operation == "Abort" or "other" in call.key else release.wait(60))
        bench = Bench(plugin, patience=Patience(deadline=0.01, grace=0.05, turn=0.05))
        assert (await bench.ask()).error == "no answer within 0.01 seconds"
        assert (await bench.ask(ordinal=2)).error == "an earlier question to it has not been answered yet"
        assert not (await bench.ask(operation=Operation.ABORT)).error
        bench.calls.start(SHOP, a_question(uid="other"))
        assert await bench.answered.get() == SHOP
    finally:
        release.set()


async def test_a_plugin_that_hangs_for_all_harms_no_other_plugin() -> None:
    """However many Rollouts ask it, the threads that it takes are its own."""
    release = threading.Event()
    hanging, other = Plugin(lambda call: release.wait(60)), Plugin(lambda call: DONE)
    answered: asyncio.Queue[Key] = asyncio.Queue()
    plugins = StepPlugins({"stuck": lambda: lambda: hanging, "change": lambda: lambda: other}, on_failure=lambda: None)
    calls = StepCalls(plugins, on_answer=answered.put_nowait, threads_per_plugin=2)
    try:
        for number in range(4):
            calls.start(Key("shop", f"web-{number}"), a_question(plugin="stuck", uid=f"uid-{number}"))
        calls.start(SHOP, a_question(uid="other"))
        async with asyncio.timeout(5):
            assert await answered.get() == SHOP
    finally:
        release.set()
        await calls.close()


async def test_a_plugin_that_nobody_names_any_more_is_told_of_an_end() -> None:
    """The steps have changed and the controller is a new one: what was begun is undone all the same."""
    plugin = Plugin(lambda call: DONE)
    answered: asyncio.Queue[Key] = asyncio.Queue()
    plugins = StepPlugins({"change": lambda: lambda: plugin}, on_failure=lambda: None)
    calls = StepCalls(plugins, on_answer=answered.put_nowait)
    calls.start(WEB, a_question(operation=Operation.ABORT, config=None))
    async with asyncio.timeout(5):
        await answered.get()
    assert [method for method, _ in plugin.asked] == ["abort"]


async def test_a_plugin_that_is_not_installed_is_an_error() -> None:
    """What it began, perhaps under another controller, cannot be undone here; the status says so."""
    answer = await Bench(Plugin(lambda call: DONE)).ask(plugin="gone", operation=Operation.ABORT)
    assert answer.error == "there is no step plugin 'gone'"


async def test_nothing_is_kept_of_a_rollout_that_is_gone() -> None:
    """Its open question is given up, and its answers go."""
    release = threading.Event()
    bench = Bench(Plugin(lambda call: DONE if release.wait(5) else None))
    bench.calls.start(WEB, a_question())
    bench.calls.observe(Change(entry_of(ROLLOUTS, a_stored()), None))
    await bench.calls.close()
    release.set()
    assert len(bench.calls) == 0


async def test_a_plugin_is_loaded_when_it_is_named() -> None:
    """Not before, so that a package nobody uses costs nothing; and once."""
    loaded: list[str] = []

    def load() -> Callable[[], Plugin]:
        loaded.append("change")
        return lambda: Plugin(lambda call: DONE)

    plugins = StepPlugins({"change": load}, on_failure=lambda: None)
    assert (plugins.states(()), loaded) == ({"change": ""}, [])
    for _ in range(2):
        assert plugins.states(("change",)) == {"change": ""}
    plugins.get("change", wait_seconds=5)
    assert loaded == ["change"]


def failing(error: BaseException) -> Found:
    def load() -> Callable[[], Plugin]:
        raise error

    return {"broken": load, "change": lambda: lambda: Plugin(lambda call: DONE)}


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ModuleNotFoundError("No module named 'gone'", name="gone"), "ModuleNotFoundError: gone"),
        (SystemExit(2), "it failed with SystemExit; see the controller's log"),
        (KeyboardInterrupt(), "it failed with KeyboardInterrupt; see the controller's log"),
        (ValueError("token=hunter2"), "it failed with ValueError; see the controller's log"),
    ],
)
async def test_a_plugin_that_does_not_load_is_told_to_its_users(error: BaseException, why: str) -> None:
    """Why is in what the next turn sees, without what only the operator may know, and that turn is asked for; other
    plugins load as ever."""
    failed = threading.Event()
    plugins = StepPlugins(failing(error), on_failure=failed.set)
    plugins.states(("broken",))
    assert await asyncio.to_thread(failed.wait, 5)
    assert plugins.states(("change",)) == {"broken": why, "change": ""}
    with pytest.raises(Unloadable, match=re.escape(why)):
        plugins.get("broken", wait_seconds=5)
    assert plugins.get("change", wait_seconds=5)


async def test_a_name_that_two_packages_bring_is_nobodys() -> None:
    """Which of them would be asked, an approval perhaps, nobody could tell; the others can be used."""
    twice = EntryPoint(name="change", value="json:JSONDecoder", group="rollouts.steps")
    once = EntryPoint(name="other", value="json:JSONDecoder", group="rollouts.steps")
    plugins = StepPlugins(found((twice, once, twice, twice)), on_failure=lambda: None)
    with pytest.raises(Unloadable, match="several installed packages"):
        plugins.get("change", wait_seconds=5)
    assert plugins.get("other", wait_seconds=5)


async def test_a_plugin_that_makes_nothing_cannot_be_used() -> None:
    """A factory that forgets its return is as good as none."""
    plugins = StepPlugins({"empty": lambda: lambda: None}, on_failure=lambda: None)  # type: ignore[dict-item, return-value]  # which is the mistake
    with pytest.raises(Unloadable, match="it makes nothing"):
        plugins.get("empty", wait_seconds=5)
