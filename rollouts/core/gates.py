"""The analyses that stand between a new version and more traffic: which runs there must be, what their verdicts do.

Where a strategy has gates, and where the status names their runs, is in slots.py. Each is answered by one AnalysisRun
per attempt. The run it looks at is named in the status; its name is derived from (revision, gate, attempt), so creating
it twice finds it. Only a recorded pass opens a gate: a run that is missing, unreadable, running or in error holds.
Measuring and judging are in measuring.py and judging.py; what a run's manifest says is in templates.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun, Phase
from rollouts.api.rollout import AnalysisStep, RolloutAnalysis
from rollouts.api.status import AnalysisRunRef, PauseReason, RolloutStatus
from rollouts.core import abort, counts, cutover, history, measured, pause, runs, slots, templates, traffic
from rollouts.core.actions import Action, CreateAnalysisRun, DeleteAnalysisRun, TerminateAnalysisRun
from rollouts.core.cutover import Stage
from rollouts.core.observed import Unreadable
from rollouts.core.plan import WARNING, Change, Note
from rollouts.core.slots import AFTER, BACKGROUND, BEFORE, STEP, Slot
from rollouts.core.turn import Turn

StatusChange = Change[RolloutStatus]

RECHECK = timedelta(seconds=30)  # what cannot be read may become readable without an event


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One analysis that decides now, and what its run is told apart by."""

    analysis: RolloutAnalysis
    suffix: str
    labels: Mapping[str, str]


def judge(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Start the runs that are due, end those that are not, and act on verdicts."""
    seen = turn.seen.analysis_runs
    if isinstance(seen, Unreadable):
        return _unread(turn, status, seen)
    if slots.is_void(turn, status):
        return _ended(turn, status)
    change = Change(status=status)
    for slot in slots.of(turn.strategy):
        if not change.status.abort:
            change = _answered(turn, change, GATES[slot.kind](turn, change.status), slot)
    return _ended_others(turn, change)


def watch(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Act on the verdicts of runs under way and end those that have no say any more, without starting any."""
    seen = turn.seen.analysis_runs
    if isinstance(seen, Unreadable):
        return _unread(turn, status, seen)
    if slots.is_void(turn, status):
        return _ended(turn, status)
    change = Change(status=status)
    for slot in slots.of(turn.strategy):
        ref = slot.get(change.status)
        run = _named(turn, ref.name) if ref else None
        if run is not None and not change.status.abort:
            change = _verdict(turn, change, slot, run)
    return change


def is_proven(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the background gate, where there is one, has a pass on record for every metric that counts."""
    return unproven(turn, status) is None


def unproven(turn: Turn, status: RolloutStatus) -> str | None:
    """What the background gate still lacks for a promotion, in words; None when it lacks nothing."""
    if turn.canary.analysis is None or not turn.canary.analysis.templates:
        return None
    ref = status.canary.current_background_analysis_run_status
    run = _named(turn, ref.name) if ref else None
    if run is None:
        is_on_record = ref is not None and ref.status == Phase.SUCCESSFUL
        return None if is_on_record else "the background analysis to start"
    lacking = measured.unmeasured(run)
    if run.status.phase in (Phase.RUNNING, Phase.SUCCESSFUL) and not lacking:
        return None
    return f"background analysis {run.meta.name} to have measured {', '.join(lacking) or 'every metric'} and passed"


def forget(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Delete finished runs beyond the history limits, and those whose version is gone."""
    seen = turn.seen.analysis_runs
    if isinstance(seen, Unreadable):
        return Change(status=status)
    named = {ref.name for ref in slots.refs(status)}
    actions = tuple(
        DeleteAnalysisRun(name=run.meta.name, uid=run.meta.uid) for run in history.excess(turn, seen, named=named)
    )
    return Change(status=status, actions=actions)


def _background(turn: Turn, status: RolloutStatus) -> Gate | None:
    analysis = turn.canary.analysis
    if analysis is None or not analysis.templates or turn.new is None:
        return None
    index = status.current_step_index
    first = min(analysis.starting_step or 0, len(turn.steps))  # at the latest it watches the last of the way
    if index is not None and index < first:
        return None
    is_unexposed = turn.new.available == 0 < turn.desired or not traffic.is_exposed(turn, status)
    if is_unexposed and BACKGROUND.get(status) is None:
        return None  # a sample would say nothing about this version
    return Gate(
        analysis=analysis,
        suffix="",
        labels={"rollout-type": BACKGROUND.kind},
    )


def _step(turn: Turn, status: RolloutStatus) -> Gate | None:
    index = status.current_step_index
    if index is None or index >= len(turn.steps) or turn.new is None:
        return None
    step = turn.steps[index]
    if not isinstance(step, AnalysisStep) or not (STEP.get(status) or _is_measurable(turn, status)):
        return None
    return Gate(
        analysis=step.analysis,
        suffix=f"-{index}",
        labels={"rollout-type": STEP.kind, "step-index": str(index)},
    )


def _is_measurable(turn: Turn, status: RolloutStatus) -> bool:
    """Whether a sample says something: of the canary, or, before it is to have any pod, of all that surrounds it."""
    return counts.is_emptied(turn, status) or traffic.is_exposed(turn, status)


def _before(turn: Turn, status: RolloutStatus) -> Gate | None:
    """Before the switch: from when the new version has its pods, and whoever measures through preview reaches them."""
    analysis = turn.blue_green.pre_promotion_analysis
    if analysis is None or not analysis.templates or turn.new is None:
        return None
    is_led = not turn.blue_green.preview_service or cutover.preview_hash(turn) == turn.pod_hash
    is_seen = cutover.unseen(turn) is None
    if BEFORE.get(status) is None and not (cutover.is_ready(turn, status) and is_led and is_seen):
        return None
    return Gate(analysis=analysis, suffix="-pre", labels={"rollout-type": BEFORE.kind})


def _after(turn: Turn, status: RolloutStatus) -> Gate | None:
    """After the switch: as long as users reach the new version. What was measured of another proves nothing."""
    analysis = turn.blue_green.post_promotion_analysis
    if analysis is None or not analysis.templates or turn.new is None:
        return None
    if cutover.unseen(turn) is None and cutover.active_hash(turn) != turn.pod_hash:
        return None
    is_due = cutover.stage(turn, status) is Stage.VERIFYING and cutover.is_saturated(turn, turn.new)
    if AFTER.get(status) is None and not is_due:
        return None
    return Gate(analysis=analysis, suffix="-post", labels={"rollout-type": AFTER.kind})


GATES: Mapping[str, Callable[[Turn, RolloutStatus], Gate | None]] = {
    BACKGROUND.kind: _background,
    STEP.kind: _step,
    BEFORE.kind: _before,
    AFTER.kind: _after,
}
"""By slot: the analysis that decides there now; None: there is none, or not yet."""


def _answered(turn: Turn, change: StatusChange, gate: Gate | None, slot: Slot) -> StatusChange:
    """The gate's run found or started, its verdict acted on."""
    status = change.status
    if gate is None:
        return dataclasses.replace(change, status=slot.put(status, None))
    base = _base_name(turn, gate)
    ref = slot.get(status)
    if ref is not None and (not runs.is_attempt(ref.name, base) or ref.name in turn.seen.run_names_taken):
        ref = None
    run = _named(turn, ref.name) if ref else None
    if _is_due_again(status, ref) or (run is None and not _is_final(ref)):
        if pause.is_inconclusive(status):
            return change
        return _started(turn, change, gate, slot, base=base, again=ref if run is None else None)
    return _verdict(turn, change, slot, run) if run is not None else change


def _is_due_again(status: RolloutStatus, ref: AnalysisRunRef | None) -> bool:
    """A person who resumes after a verdict that proved nothing asks for a new one."""
    return ref is None or (pause.is_resumed(status) and ref.status == Phase.INCONCLUSIVE)


def _is_final(ref: AnalysisRunRef | None) -> bool:
    return ref is not None and ref.status in COMPLETED_PHASES


def _started(
    turn: Turn, change: StatusChange, gate: Gate, slot: Slot, *, base: str, again: AnalysisRunRef | None
) -> StatusChange:
    """A new attempt; or, when the status names a run that cannot be found, the same one `again`."""
    unclear = templates.unreadable(gate.analysis, turn.seen.templates)
    if unclear is not None:
        note = Note(reason="AnalysisTemplateUnreadable", message=unclear.why, type=WARNING, is_event=False)
        return dataclasses.replace(change, notes=(*change.notes, note), requeue_at=turn.now + RECHECK)
    seen = turn.seen
    next_name = runs.next_name(base, _runs(turn), taken=seen.run_names_taken, step_hash=turn.step_hash)
    name = again.name if again else next_name
    manifest = runs.manifest(turn, change.status, gate.analysis, name=name, labels=gate.labels)
    status = slot.put(change.status, AnalysisRunRef(name=name, status=Phase.PENDING))
    create: Action = CreateAnalysisRun(name=name, manifest=manifest)
    note = Note(reason="AnalysisRunCreated", message=f"Started {slot.kind} analysis {name}", of=name, is_event=False)
    return dataclasses.replace(change, status=status, actions=(*change.actions, create), notes=(*change.notes, note))


def _verdict(turn: Turn, change: StatusChange, slot: Slot, run: AnalysisRun) -> StatusChange:
    before = slot.get(change.status)
    phase, said = _proven_phase(run)
    ref = AnalysisRunRef(name=run.meta.name, status=phase, message=said)
    change = dataclasses.replace(
        change, status=slot.put(change.status, ref), notes=(*change.notes, *_told(slot, before, ref, uid=run.meta.uid))
    )
    if phase == Phase.INCONCLUSIVE:
        held = pause.paused(change.status, PauseReason.INCONCLUSIVE_ANALYSIS_RUN, now=turn.now)
        return dataclasses.replace(change, status=held)
    if phase in (Phase.FAILED, Phase.ERROR):
        why = f"{slot.words} error/failed" + (f": {run.status.message}" if run.status.message else "")
        given_up = abort.aborted(turn, change.status, why=why)
        return dataclasses.replace(change, status=given_up.status, notes=(*change.notes, *given_up.notes))
    return change


def _proven_phase(run: AnalysisRun) -> tuple[Phase, str]:
    """A run's phase and message; one that was ended before it measured enough proves nothing, whatever it says."""
    phase = run.status.phase or Phase.PENDING
    lacking = measured.unmeasured(run) if phase == Phase.SUCCESSFUL else ()
    if not lacking:
        return phase, run.status.message
    return Phase.INCONCLUSIVE, f"ended before it had measured {', '.join(lacking)}"


def _told(slot: Slot, before: AnalysisRunRef | None, ref: AnalysisRunRef, *, uid: str) -> tuple[Note, ...]:
    old = before.status if before and before.name == ref.name else ""
    if old == ref.status:
        return ()
    message = (
        f"{slot.kind} Analysis Run '{ref.name}' Status New: '{ref.status}' Previous: '{old or 'NoPreviousStatus'}'"
    )
    kind = WARNING if ref.status in (Phase.FAILED, Phase.ERROR) else "Normal"
    return (Note(reason=f"AnalysisRun{ref.status}", message=message, type=kind, key=f"{uid}/{ref.status}"),)


def _unread(turn: Turn, status: RolloutStatus, seen: Unreadable) -> StatusChange:
    note = Note(reason="AnalysisRunsUnreadable", message=seen.why, type=WARNING, is_event=False)
    return Change(status=status, notes=(note,), requeue_at=turn.now + RECHECK)


def _ended(turn: Turn, status: RolloutStatus) -> StatusChange:
    return _ended_others(turn, Change(status=slots.vacated(turn, status)))


def _ended_others(turn: Turn, change: StatusChange) -> StatusChange:
    """Runs that no gate looks at measure nothing any more."""
    named = {ref.name for ref in slots.refs(change.status)}
    stray = [
        run
        for run in _runs(turn)
        if run.meta.name not in named
        and run.status.phase not in COMPLETED_PHASES
        and not run.spec.terminate
        and run.meta.deletion_timestamp is None
    ]
    ends: tuple[Action, ...] = tuple(TerminateAnalysisRun(name=run.meta.name) for run in stray)
    return dataclasses.replace(change, actions=(*change.actions, *ends))


def _runs(turn: Turn) -> tuple[AnalysisRun, ...]:
    seen = turn.seen.analysis_runs
    return () if isinstance(seen, Unreadable) else seen


def _named(turn: Turn, name: str) -> AnalysisRun | None:
    return next((run for run in _runs(turn) if run.meta.name == name), None)


def _base_name(turn: Turn, gate: Gate) -> str:
    return f"{turn.rollout.meta.name}-{turn.pod_hash}-{turn.revision}{gate.suffix}"
