"""The step that runs an Experiment: reaching the step starts it, its verdict counts, leaving the step ends it.

The Experiment that counts is named in the status; its name is derived from (revision, step, attempt), so creating it
twice finds it. Only a recorded success completes the step: one that is missing, unreadable or running holds. Whichever
way the step is left (a verdict, a person, an abort, another version), every Experiment that the status does not name is
asked to end. How one is carried out is not decided here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta

from rollouts.api.analysis import COMPLETED_PHASES, Phase
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import ExperimentStep
from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import abort, attempts, experiment_manifest, experiments, history, naming, pause, slots
from rollouts.core.actions import Action, CreateExperiment, DeleteExperiment, TerminateExperiment
from rollouts.core.experiment_manifest import NEW, STABLE
from rollouts.core.observed import ReplicaSet, Unreadable
from rollouts.core.plan import WARNING, Change, Note
from rollouts.core.turn import Turn

StatusChange = Change[RolloutStatus]

MARK = "-"  # before the number of an attempt
RECHECK = timedelta(seconds=30)  # what cannot be read may become readable without an event


def judge(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Start the Experiment that is due, act on its verdict, end those that no step looks at."""
    step = experiments.current_step(turn, status)
    if step is None:
        return _ended(turn, _named(status, ""))
    if isinstance(turn.seen.experiments, Unreadable):
        return _unread(turn, status, turn.seen.experiments)
    if pause.is_paused_for(status, PauseReason.INCONCLUSIVE_ANALYSIS_RUN):
        return Change(status=status)
    base = _base_name(turn, status)
    status = _own(turn, status, base)
    seen = experiments.current(turn, status)
    is_wanted_again = seen is not None and pause.is_resumed(status) and _phase(seen) == Phase.INCONCLUSIVE
    if seen is not None and not is_wanted_again:
        return _ended_others(turn, _verdict(turn, status, seen))
    if pause.is_inconclusive(status):
        return Change(status=status)
    return _ended_others(turn, _started(turn, status, step, base))


def watch(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Act on the verdict of an Experiment under way, or end what has no say any more, without starting any."""
    if slots.is_void(turn, status) or not status.canary.current_experiment:
        return _ended(turn, _named(status, ""))
    seen = experiments.current(turn, status)
    return Change(status=status) if seen is None else _verdict(turn, status, seen)


def forget(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Delete finished Experiments beyond the history limits, and those whose version is gone."""
    finished = history.excess(turn, experiments.owned(turn), named={status.canary.current_experiment})
    actions = tuple(DeleteExperiment(name=each.meta.name, uid=each.meta.uid) for each in finished)
    return Change(status=status, actions=actions)


def _started(turn: Turn, status: RolloutStatus, step: ExperimentStep, base: str) -> StatusChange:
    """A new attempt; or, when the status names one that cannot be found, the same one again."""
    versions = _versions(turn, status)
    if versions is None:
        return Change(status=status)
    known = {each.meta.name: _can_continue(turn, each) for each in experiments.owned(turn)}
    lost = "" if status.canary.current_experiment in known else status.canary.current_experiment
    name = lost or attempts.next_name(base, known, taken=turn.seen.experiment_names_taken, mark=MARK)
    manifest = experiment_manifest.manifest(turn, status, step, name=name, versions=versions)
    note = Note(reason="ExperimentCreated", message=f"Created Experiment '{name}'", key=name, of=name)
    create = CreateExperiment(name=name, manifest=manifest)
    return Change(status=_named(status, name), actions=(create,), notes=(note,))


def _verdict(turn: Turn, status: RolloutStatus, seen: Experiment) -> StatusChange:
    phase, said = experiments.proven_phase(seen)
    if phase == Phase.INCONCLUSIVE:
        note = Note(reason="ExperimentInconclusive", message=f"{seen.meta.name}: {said}", is_event=False)
        held = pause.paused(status, PauseReason.INCONCLUSIVE_EXPERIMENT, now=turn.now)
        return Change(status=held, notes=() if held == status else (note,))
    if phase in (Phase.FAILED, Phase.ERROR):
        why = "Experiment analysis phase is error/failed" + (f": {said}" if said else "")
        given_up = abort.aborted(turn, _named(status, ""), why=why)
        return _ended(turn, given_up.status, notes=given_up.notes)
    ignored_from = experiments.ignored_from(seen)
    is_ahead = ignored_from is not None and ignored_from > turn.now
    return Change(status=status, requeue_at=ignored_from if is_ahead else None)  # the words change then


def _phase(seen: Experiment) -> Phase:
    return experiments.proven_phase(seen)[0]


def _own(turn: Turn, status: RolloutStatus, base: str) -> RolloutStatus:
    """The status without the name of an Experiment that is another step's, or another owner's."""
    name = status.canary.current_experiment
    is_ours = attempts.is_attempt(name, base, mark=MARK) and name not in turn.seen.experiment_names_taken
    return status if is_ours else _named(status, "")


def _can_continue(turn: Turn, seen: Experiment) -> bool:
    """Whether an Experiment that the status does not name is the one of this very step."""
    is_ending = seen.spec.terminate or seen.meta.deletion_timestamp is not None
    is_of_these_steps = seen.meta.annotations.get(naming.STEPS_MADE_FOR, turn.step_hash) == turn.step_hash
    return seen.status.phase not in COMPLETED_PHASES and not is_ending and is_of_these_steps


def _versions(turn: Turn, status: RolloutStatus) -> Mapping[str, ReplicaSet] | None:
    stable = turn.stable(status)
    return None if turn.new is None or stable is None else {NEW: turn.new, STABLE: stable}


def _base_name(turn: Turn, status: RolloutStatus) -> str:
    return f"{turn.rollout.meta.name}-{turn.pod_hash}-{turn.revision}-{status.current_step_index}"


def _named(status: RolloutStatus, name: str) -> RolloutStatus:
    return dataclasses.replace(status, canary=dataclasses.replace(status.canary, current_experiment=name))


def _ended(turn: Turn, status: RolloutStatus, *, notes: tuple[Note, ...] = ()) -> StatusChange:
    return _ended_others(turn, Change(status=status, notes=notes))


def _ended_others(turn: Turn, change: StatusChange) -> StatusChange:
    """Experiments that no step looks at run no pods any more."""
    stray = [
        each
        for each in experiments.owned(turn)
        if each.meta.name != change.status.canary.current_experiment
        and each.status.phase not in COMPLETED_PHASES
        and not each.spec.terminate
        and each.meta.deletion_timestamp is None
    ]
    ends: tuple[Action, ...] = tuple(TerminateExperiment(name=each.meta.name) for each in stray)
    notes = tuple(
        Note(reason="ExperimentTerminated", message=f"Asked {each.meta.name} to end", of=each.meta.name, is_event=False)
        for each in stray
    )
    return dataclasses.replace(change, actions=(*change.actions, *ends), notes=(*change.notes, *notes))


def _unread(turn: Turn, status: RolloutStatus, seen: Unreadable) -> StatusChange:
    note = Note(reason="ExperimentsUnreadable", message=seen.why, type=WARNING, is_event=False)
    return Change(status=status, notes=(note,), requeue_at=turn.now + RECHECK)
