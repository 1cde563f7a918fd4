"""Asks step plugins, each call in a thread, and keeps the answers until the Rollouts' statuses show them.

A question that hangs holds one thread of its own Rollout: the next one waits for that thread and ends as an error,
while other Rollouts ask the same plugin undisturbed. A plugin that hangs for all of them uses up its own threads, and
none of another's. A plugin is shown copies, so that it cannot write into what decisions are made on; and all that it
hands back or raises is read in its thread. Nothing here survives the process: a question without an answer is asked
again, under the same key. What an answer means does not belong here.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from rollouts.api.rollout import Rollout
from rollouts.core import plugin_answers, served
from rollouts.core.actions import RunStepPlugin
from rollouts.core.observed import Seen, StepAnswerSeen
from rollouts.kube.kinds import ROLLOUTS, Key
from rollouts.ports import Operation, StepAnswer, StepCall, Unanswered
from rollouts.runtime.cache import Change
from rollouts.runtime.clock import running_seconds, utc_now
from rollouts.runtime.fairpool import FairPool, NoTurn
from rollouts.runtime.step_plugins import StepPlugins, Unloadable

log = structlog.get_logger()


THREADS_PER_PLUGIN_MAX = 32  # they only wait; each Rollout needs one at a time, and another one to end what hangs

Question = tuple[str, Operation, int]
"""What an answer belongs to: the step's key, the operation, and how often that was asked."""


Answered = tuple[StepAnswer | None, str]
"""An answer, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a question may take, in seconds."""

    deadline: float = 30.0
    """What a plugin is told."""
    grace: float = 5.0
    """Until one that keeps its deadline has answered for certain."""
    turn: float = 10.0
    """For a thread."""


PATIENCE = Patience()


class StepCalls:
    """Open questions and fresh answers, by the Rollout's uid. Used from one event loop."""

    def __init__(
        self,
        plugins: StepPlugins,
        *,
        on_answer: Callable[[Key], None],
        threads_per_plugin: int = THREADS_PER_PLUGIN_MAX,
        patience: Patience = PATIENCE,
    ) -> None:
        self._plugins = plugins
        self._on_answer = on_answer
        self._threads_per_plugin = threads_per_plugin
        self._pools: dict[str, FairPool] = {}
        self._patience = patience
        self._open: dict[str, dict[Question, asyncio.Task[None]]] = {}
        self._answers: dict[str, dict[Question, StepAnswerSeen]] = {}

    def seen(self, seen: Seen) -> Seen:
        """What is seen of a Rollout, with what there is to know of its step plugins."""
        named = served.plugins_named(seen.rollout.spec)
        return dataclasses.replace(
            seen, step_plugins=self._plugins.states(named), step_answers=self._waited_for(seen.rollout)
        )

    def _waited_for(self, rollout: Rollout) -> tuple[StepAnswerSeen, ...]:
        """What the status does not show yet; what it shows, or has no place for any more, is let go of."""
        uid = rollout.meta.uid
        waiting = [(each.operation, (each.executions or 0) + 1) for each in rollout.status.canary.step_plugin_statuses]
        kept = {
            question: answer
            for question, answer in self._answers.get(uid, {}).items()
            if (question[1], question[2]) in waiting
        }
        if kept:
            self._answers[uid] = kept
        else:
            self._answers.pop(uid, None)
        return tuple(kept.values())

    def start(self, key: Key, action: RunStepPlugin) -> None:
        """Ask, unless it is being asked or was answered; the answer is in a later snapshot."""
        uid = str(action.rollout["metadata"]["uid"])
        question = (action.key, action.operation, action.ordinal)
        if question in self._open.get(uid, {}) or question in self._answers.get(uid, {}):
            return
        task = asyncio.get_running_loop().create_task(self._ask(key, uid, action))
        self._open.setdefault(uid, {})[question] = task
        task.add_done_callback(lambda done: self._ended(uid, question))

    def observe(self, change: Change) -> None:
        """Take note of Rollouts that are gone: nobody waits for their answers any more."""
        if change.after is None and change.before is not None and change.before.kind == ROLLOUTS:
            self._drop(change.before.uid)

    def _drop(self, uid: str) -> None:
        for task in tuple(self._open.get(uid, {}).values()):
            task.cancel()
        self._answers.pop(uid, None)

    async def close(self) -> None:
        """Give up all questions."""
        tasks = [task for tasks in self._open.values() for task in tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        """Rollouts with an open question or a fresh answer."""
        return len(self._open.keys() | self._answers.keys())

    def _ended(self, uid: str, question: Question) -> None:
        questions = self._open.get(uid, {})
        questions.pop(question, None)
        if not questions:
            self._open.pop(uid, None)

    async def _ask(self, key: Key, uid: str, action: RunStepPlugin) -> None:
        answer, error = await self._call(key, action)
        question = (action.key, action.operation, action.ordinal)
        self._answers.setdefault(uid, {})[question] = StepAnswerSeen(
            key=action.key, operation=action.operation, ordinal=action.ordinal, at=utc_now(), answer=answer, error=error
        )
        self._on_answer(key)

    async def _call(self, key: Key, action: RunStepPlugin) -> Answered:
        """The answer, or why there is none."""
        if action.plugin not in self._plugins:
            return None, f"there is no step plugin {action.plugin!r}"
        is_run = action.operation is Operation.RUN
        # an end does not wait for a run that hangs
        lane = f"{action.plugin} {key}" if is_run else f"{action.plugin} {key} {action.operation}"
        pool = self._pools.setdefault(action.plugin, FairPool(threads=self._threads_per_plugin, per_lane=1))
        try:
            return await pool.run(
                lane,
                lambda: self._answered(key, action),
                wait_seconds=self._patience.turn,
                run_seconds=self._patience.deadline + self._patience.grace,
            )
        except TimeoutError:
            return None, f"no answer within {self._patience.deadline:g} seconds"
        except NoTurn:
            return None, "an earlier question to it has not been answered yet"
        except RuntimeError as error:
            return None, f"the controller cannot ask it: {error}"

    def _answered(self, key: Key, action: RunStepPlugin) -> Answered:
        """In a thread: the answer, or why there is none. Everything a stranger's code can do ends here."""
        try:
            return self._asked(action), ""
        except (Unanswered, Unloadable, plugin_answers.Unfit) as error:
            return None, _text(error)
        except SystemExit:
            return None, "the plugin wanted to end the whole program"
        except BaseException as error:  # a plugin's bug costs its own Rollout only
            log.error("step_plugin_failed", plugin=action.plugin, rollout=str(key), exc_info=True)
            return None, f"the plugin failed with {type(error).__name__}; see the controller's log"

    def _asked(self, action: RunStepPlugin) -> StepAnswer:
        """One method of the plugin, and what it returns made fit."""
        began = running_seconds()
        plugin = self._plugins.get(action.plugin, wait_seconds=self._patience.deadline)
        call = StepCall(
            key=action.key,
            operation=action.operation,
            rollout=copy.deepcopy(action.rollout),
            config=copy.deepcopy(action.config),
            status=copy.deepcopy(action.status),
            deadline_seconds=max(0.0, self._patience.deadline - (running_seconds() - began)),
        )
        begin = plugin.start if action.is_first else plugin.poll
        ask = begin if action.operation is Operation.RUN else plugin.abort
        return plugin_answers.fit(ask(call))


def _text(error: Exception) -> str:
    """What an exception says, as much of it as is kept."""
    try:
        return plugin_answers.sentence(str(error))
    except BaseException as own:  # noqa: BLE001 - it is the plugin's own class, or holds a value of its own
        return f"the plugin's reason cannot be read ({type(own).__name__})"
