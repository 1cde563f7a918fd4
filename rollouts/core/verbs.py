"""Verbs by annotation: how people and Git steer a rollout without a special client.

`rollouts.io/<verb>: keyword[@guard] [reason]`. A value that a person wrote is carried out once and the annotation
removed. A value that came by an apply would come again with the next apply, so it must say with a guard what it means
(`step@2`, `full@<pod hash>`): it acts only while the guard matches, and never twice, because `status.verbs` remembers
it. Everything carried out or refused is recorded there, with who asked, when, and what came of it.

A turn answers at most one verb, in the order of `EFFECTS`: abort first. The record and the effect on the status are one
write. A verb that also changes the spec is recorded as Accepted first, and as Done when the spec is seen to be as it
wants; a person's annotation is removed in a turn after that. Each of these writes may be lost or come twice without the
verb being lost or repeated.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollouts.api.analysis import Phase as AnalysisPhase
from rollouts.api.rollout import CanaryStrategy
from rollouts.api.status import PauseReason, RolloutStatus, VerbRecord
from rollouts.core import cutover, naming, pause
from rollouts.core.actions import Action, PatchRollout
from rollouts.core.observed import VerbOwner
from rollouts.core.plan import NORMAL, WARNING, Change, Note, Phase
from rollouts.core.turn import Turn
from rollouts.lib import hashing, timestamps

ACCEPTED = "Accepted"
DONE = "Done"
REFUSED = "Refused"
RECORDS_KEPT_MAX = 10  # object size; records of annotations that are still there are kept beyond it
TEXT_MAX = 256  # characters of what people wrote that are kept and shown; an annotation may be a thousand times longer

NOBODY = VerbOwner(manager="unknown", at=None, is_applied=False)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a verb does: the status it leads to. What it wants of the spec is in `_wish`."""

    said: str
    status: RolloutStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a verb means nothing now."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One annotation, taken apart."""

    verb: str
    value: str
    keyword: str
    guard: str | None
    """None: the value names none. An empty one names nothing, as a variable that was not set."""
    reason: str
    owner: VerbOwner

    @property
    def key(self) -> str:
        """The annotation's key."""
        return naming.VERB_PREFIX + self.verb


EffectOf = Callable[[Turn, RolloutStatus, Asked], Effect | Refusal | None]
Effects = Mapping[str, EffectOf]


def heed(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Answer the first verb that waits for an answer, or go on with one that was accepted."""
    return _heed(turn, status, EFFECTS)


def heeding(allowed: Collection[str], why: str) -> Phase[Turn, RolloutStatus]:
    """Like `heed`, where only some verbs are carried out: by hand the others are refused, applied ones wait."""
    effects = {verb: effect if verb in allowed else _refusing(why) for verb, effect in EFFECTS.items()}
    return functools.partial(_heed, effects=effects)


def _heed(turn: Turn, status: RolloutStatus, effects: Effects) -> Change[RolloutStatus]:
    verbs = [asked for asked in (_asked(turn, verb) for verb in effects) if asked is not None]
    if verbs and not turn.seen.keeps_verbs:
        return _not_remembered(turn, status, verbs)
    for asked in verbs:
        record = _record_of(asked, status)
        if record is None:
            answer = _answer(turn, status, asked, effects)
            if answer is not None:
                return _recorded(turn, status, asked, answer)
        elif record.outcome == ACCEPTED:
            return _carried_on(turn, status, asked, record)
        elif not asked.owner.is_applied:
            return Change(status=status, actions=(_removed(turn, asked),), is_final=True)
    return Change(status=status)


def _refusing(why: str) -> EffectOf:
    def refuse(turn: Turn, status: RolloutStatus, asked: Asked) -> Refusal | None:
        return None if asked.owner.is_applied else Refusal(_shown(why))

    return refuse


def _asked(turn: Turn, verb: str) -> Asked | None:
    key = naming.VERB_PREFIX + verb
    value = turn.rollout.meta.annotations.get(key)
    if value is None:
        return None
    head, _, reason = " ".join(value.split()).partition(" ")
    keyword, at, guard = head.partition("@")
    return Asked(
        verb=verb,
        value=_kept_form(value),
        keyword=keyword,
        guard=guard if at else None,
        reason=reason,
        owner=turn.seen.verb_owners.get(key, NOBODY),
    )


def _kept_form(value: str) -> str:
    """A value as it is recorded: itself, or its beginning and a hash of the whole."""
    if len(value) <= TEXT_MAX:
        return value
    return f"{value[:TEXT_MAX]}…{hashing.spell(hashing.fnv1a(value.encode('utf-8', 'replace')))}"


def _shown(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"


def _not_remembered(turn: Turn, status: RolloutStatus, verbs: Sequence[Asked]) -> Change[RolloutStatus]:
    """Refuse them all where no record of them would stay, and take away what people wrote."""
    why = "the installed Rollout CRD drops status.verbs, so a verb could act twice; install this controller's CRDs"
    notes = tuple(_note(asked, outcome=REFUSED, message=why, at=None) for asked in verbs)
    removals = tuple(_removed(turn, asked) for asked in verbs if not asked.owner.is_applied)
    return Change(status=status, actions=removals, notes=notes, is_final=bool(removals))


def _record_of(asked: Asked, status: RolloutStatus) -> VerbRecord | None:
    """A guarded value is answered once for ever; a value by hand once per time it was written."""
    for record in reversed(status.verbs):
        is_same = (record.verb, record.value) == (asked.verb, asked.value)
        if is_same and (asked.owner.is_applied or record.requested_at == asked.owner.at):
            return record
    return None


def _carried_on(turn: Turn, status: RolloutStatus, asked: Asked, record: VerbRecord) -> Change[RolloutStatus]:
    """Make the spec what an accepted verb wants, and note when it is."""
    wish = _wish(asked.verb, record)
    if _is_granted(turn, wish):
        done = dataclasses.replace(record, outcome=DONE)
        records = tuple(done if each == record else each for each in status.verbs)
        return Change(status=dataclasses.replace(status, verbs=records), notes=(_told(asked, done),))
    patch = PatchRollout(patch={"spec": wish}, seen_version=turn.rollout.meta.resource_version)
    return Change(status=status, actions=(patch,), is_final=True)


def _wish(verb: str, record: VerbRecord) -> dict[str, Any]:
    """What a verb wants of the spec."""
    match verb:
        case "pause":
            return {"paused": True}
        case "resume" | "promote":
            return {"paused": False}
        case "restart":
            at = record.requested_at or record.at
            return {"restartAt": timestamps.render(at) if at else None}
        case _:
            return {}


def _is_granted(turn: Turn, wish: Mapping[str, Any]) -> bool:
    spec = turn.rollout.raw.get("spec", {})
    return all((spec.get(field) or False) == (wanted or False) for field, wanted in wish.items())


def _answer(turn: Turn, status: RolloutStatus, asked: Asked, effects: Effects) -> Effect | Refusal | None:
    """What comes of the verb now; None: it is guarded and its moment is not here."""
    keywords = KEYWORDS[asked.verb]
    if asked.keyword not in keywords:
        return Refusal(f"the value must begin with {' or '.join(keywords)}, not {_shown(asked.keyword)!r}")
    if asked.owner.is_applied and not asked.guard:
        return Refusal(f"an applied value must say what it means, as in {_guarded_example(turn, status, asked)!r}")
    guard = _guard(turn, status, asked)
    if asked.guard is not None and asked.guard != guard:
        if asked.owner.is_applied:
            return None
        fits = f"it would have to be {guard!r}" if guard else "there is nothing it could name"
        return Refusal(f"the guard {_shown(asked.guard)!r} does not match: {fits}")
    return effects[asked.verb](turn, status, asked)


def _guard(turn: Turn, status: RolloutStatus, asked: Asked) -> str:
    if asked.keyword == "step" and isinstance(turn.strategy, CanaryStrategy):
        return "" if status.current_step_index is None else str(status.current_step_index)
    return turn.pod_hash


def _guarded_example(turn: Turn, status: RolloutStatus, asked: Asked) -> str:
    return f"{asked.keyword}@{_guard(turn, status, asked) or turn.pod_hash}"


def _recorded(turn: Turn, status: RolloutStatus, asked: Asked, answer: Effect | Refusal) -> Change[RolloutStatus]:
    record = VerbRecord(
        verb=asked.verb,
        value=asked.value,
        outcome=REFUSED,
        message=answer.said if isinstance(answer, Effect) else answer.why,
        requested_by=asked.owner.manager,
        requested_at=asked.owner.at,
        at=timestamps.next_second(turn.now),
    )
    after = status
    if isinstance(answer, Effect):
        is_granted = _is_granted(turn, _wish(asked.verb, record))
        record = dataclasses.replace(record, outcome=DONE if is_granted else ACCEPTED)
        after = answer.status
    return Change(
        status=dataclasses.replace(after, verbs=(*_kept(turn, status.verbs), record)),
        notes=() if record.outcome == ACCEPTED else (_told(asked, record),),
        is_final=record.outcome != REFUSED and asked.verb != "abort",  # pods follow what is stored; an abort is sooner
    )


def _told(asked: Asked, record: VerbRecord) -> Note:
    return _note(asked, outcome=record.outcome, message=record.message, at=record.at)


def _note(asked: Asked, *, outcome: str, message: str, at: datetime | None) -> Note:
    because = f" ({_shown(asked.reason)})" if asked.reason else ""
    return Note(
        reason=f"Verb{outcome}",
        message=f"{asked.verb}: {message}; asked by {asked.owner.manager}{because}",
        type=WARNING if outcome == REFUSED else NORMAL,
        key=f"{asked.verb}/{asked.value}/{asked.owner.at or at}",
    )


def _kept(turn: Turn, records: tuple[VerbRecord, ...]) -> tuple[VerbRecord, ...]:
    annotations = turn.rollout.meta.annotations
    newest = records[-(RECORDS_KEPT_MAX - 1) :]
    return tuple(
        record
        for record in records
        if record in newest or _kept_form(annotations.get(naming.VERB_PREFIX + record.verb, "")) == record.value
    )


def _removed(turn: Turn, asked: Asked) -> Action:
    patch = {"metadata": {"annotations": {asked.key: None}}}
    return PatchRollout(patch=patch, seen_version=turn.rollout.meta.resource_version)


def _is_finished(turn: Turn, status: RolloutStatus) -> bool:
    return status.stable_rs == turn.pod_hash


def _abort(turn: Turn, status: RolloutStatus, asked: Asked) -> Effect | Refusal:
    if _is_finished(turn, status):
        return Refusal("no update is under way: the current version is stable")
    if status.abort:
        return Refusal("the update is aborted already")
    if not status.stable_rs:
        return Refusal("there is nothing to go back to: no version is stable yet")
    return Effect("aborted the update", dataclasses.replace(status, abort=True, promote_full=False))


def _retry(turn: Turn, status: RolloutStatus, asked: Asked) -> Effect | Refusal:
    if not status.abort:
        return Refusal("nothing to retry: the update is not aborted")
    begin = "from the first step" if isinstance(turn.strategy, CanaryStrategy) else "the update"
    return Effect(f"retrying {begin}", dataclasses.replace(status, abort=False))


def _resume(turn: Turn, status: RolloutStatus, asked: Asked) -> Effect | Refusal:
    if not turn.rollout.spec.paused and not status.pause_conditions:
        return Refusal("nothing to resume: the rollout is not paused")
    return Effect("resumed", _unpaused(status))


def _pause(turn: Turn, status: RolloutStatus, asked: Asked) -> Effect | Refusal:
    if turn.rollout.spec.paused:
        return Refusal("the rollout is paused already")
    return Effect("paused", status)


def _promote(turn: Turn, status: RolloutStatus, asked: Asked) -> Effect | Refusal:
    if _is_finished(turn, status):
        return Refusal("nothing to promote: the current version is stable")
    if asked.keyword == "full":
        promoted = dataclasses.replace(pause.cleared(status), promote_full=True, abort=False)
        left = "the remaining steps" if isinstance(turn.strategy, CanaryStrategy) else "pauses and analyses"
        return Effect(f"promoting without {left}", promoted)
    if status.abort:
        return Refusal("the update is aborted: retry it, or promote full")
    return _next_step(turn, status) if isinstance(turn.strategy, CanaryStrategy) else _past_pause(turn, status)


def _past_pause(turn: Turn, status: RolloutStatus) -> Effect | Refusal:
    """Blue-green has one place at which a person may be waited for."""
    if pause.is_paused_for(status, PauseReason.BLUE_GREEN_PAUSE):
        return Effect("went on to the switch of the active Service", _unpaused(status))
    if pause.is_inconclusive(status):
        return Refusal("an analysis was inconclusive: resume measures again; full goes on without it")
    if turn.rollout.spec.paused:
        return Effect("resumed", status)
    return Refusal(f"no pause is in force: it waits for {cutover.stage(turn, status)}; full does not wait for people")


def _unpaused(status: RolloutStatus) -> RolloutStatus:
    """The sign of a resume: a pause of the controller's, without its reasons."""
    was_paused = status.controller_pause or bool(status.pause_conditions)
    return dataclasses.replace(status, pause_conditions=(), controller_pause=was_paused)


def _next_step(turn: Turn, status: RolloutStatus) -> Effect | Refusal:
    index = status.current_step_index
    if index is None or index >= len(turn.steps):
        return Refusal("no step is left: what remains is for the pods and the background analysis; full skips that")
    background = status.canary.current_background_analysis_run_status
    is_open = background is not None and background.status == AnalysisPhase.INCONCLUSIVE  # measured again, not waived
    canary = dataclasses.replace(
        status.canary,
        current_step_analysis_run_status=None,
        current_background_analysis_run_status=None if is_open else background,
    )
    moved = dataclasses.replace(pause.cleared(status), current_step_index=index + 1, canary=canary)
    return Effect(f"went on from step {index + 1} of {len(turn.steps)} (index {index})", moved)


def _restart(turn: Turn, status: RolloutStatus, asked: Asked) -> Effect | Refusal:
    at = asked.owner.at or timestamps.next_second(turn.now)
    return Effect(f"restarting pods created before {timestamps.render(at)}", status)


EFFECTS: Effects = {
    "abort": _abort,
    "retry": _retry,
    "resume": _resume,
    "promote": _promote,
    "pause": _pause,
    "restart": _restart,
}
"""In the order in which several at once are answered: what holds comes after what moves, so that it outlasts it."""
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    **{verb: (verb, "true") for verb in EFFECTS},
    "promote": ("step", "full"),
}
