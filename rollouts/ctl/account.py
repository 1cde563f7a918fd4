"""Why a Rollout stands where it stands: what it waits for, on what evidence, what comes next, what would abort it.

The first sentence is the controller's own: the message of its Ready condition, or, where that speaks of an earlier spec
(or another controller wrote the status), what the core decides when it is played on the live objects. Everything else
is read off the same objects and rules. Pure: a family and a moment in, sentences out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollouts.api import conditions as c
from rollouts.api import parse
from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun
from rollouts.api.rollout import DEFAULT_PROGRESS_DEADLINE_SECONDS, ExperimentStep, PluginStep, Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import conditions
from rollouts.core.actions import Action, EvictPod, RunStepPlugin, SetTraffic
from rollouts.core.observed import Seen, Unreadable
from rollouts.core.plan import Plan
from rollouts.core.roads import Roads, Routers
from rollouts.ctl import ahead, leading, measurements, pods, seeing, summary, trial
from rollouts.ctl.amounts import brief, distance, retold
from rollouts.ctl.family import Family, hash_of, name_of
from rollouts.ctl.measurements import MetricSeen
from rollouts.ctl.seeing import Decided
from rollouts.ctl.summary import Said
from rollouts.kube.kinds import ANALYSIS_RUNS, PODS, REPLICA_SETS
from rollouts.lib import timestamps
from rollouts.ports import Unknown

REASONS_SHOWN_MAX = 3

_NESTED = re.compile(r" \(([^()]*)\)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What there is to say about one Rollout. Each text is a sentence or a clause; empty ones are not said."""

    said: Said
    waits: tuple[str, ...]
    evidence: tuple[str, ...]
    next: tuple[str, ...]
    aborts: tuple[str, ...]


def account(family: Family, routers: Routers, now: datetime) -> Account:
    """The account of this moment."""
    rollout = parse.parse_rollout(family.rollout).value
    decided = seeing.decided(family, routers, now=now)
    runs = _current_runs(family, rollout)
    waits = tuple(_waits(rollout, decided.plan))
    is_open = not summary.is_promoted(rollout) or not summary.is_observed(rollout)
    is_going = is_open and not rollout.status.abort
    coming = (*_measured_next(runs, now), *_ahead(decided, now)) if is_going else _leaving(decided)
    return Account(
        said=summary.said(rollout),
        waits=tuple(with_distance(text, now) for text in waits),
        evidence=(*_traffic(rollout, decided.seen), *_evidence(family, rollout, runs, told=" ".join(waits))),
        next=tuple(with_distance(text, now) for text in coming if text),
        aborts=(*_aborts(rollout, runs), "a person") if is_going else (),
    )


def with_distance(text: str, now: datetime) -> str:
    """A text with how far away each moment in it is."""
    told = retold(text, lambda moment: f"{timestamps.render(moment)} ({distance(moment, now)})")
    return _NESTED.sub(r", \1)", told)


def undone(family: Family, routers: Routers, now: datetime) -> str:
    """What the controller would do at once with the objects as they are; empty when it has nothing to do.

    Seen twice, some seconds apart, it means that no controller acts.
    """
    rollout = parse.parse_rollout(family.rollout).value
    decided = seeing.decided(family, routers, now=now)
    played = decided.plan
    if summary.is_observed(rollout) and _is_invalid(rollout.status) and not _is_invalid(played.status):
        return ""  # for what only the controller can see: which step plugins and routers it has
    named = (
        (rollout.status.current_pod_hash != played.status.current_pod_hash, "begin the update"),
        (rollout.status.current_step_index != played.status.current_step_index, "go on to another step"),
        (any(_is_write(action, decided.roads) for action in played.actions), _first_write(played)),
    )
    return next((what for holds, what in named if holds), "")


def _is_invalid(status: RolloutStatus) -> bool:
    return conditions.get(status.conditions, c.INVALID_SPEC) is not None


def _is_write(action: Action, roads: Roads) -> bool:
    """Whether carrying it out would change anything that it is known to change."""
    match action:
        case SetTraffic():
            rendered = roads.rendered(action.intent)
            return not isinstance(rendered, Unknown) and any(not roads.holds(each) for _, each in rendered)
        case (
            EvictPod() | RunStepPlugin()
        ):  # a budget may refuse the one; what the other answered is not to be seen here
            return False
        case _:
            return True


def _first_write(played: Plan[RolloutStatus]) -> str:
    said = next((note.message for note in played.notes if note.of), "")
    return f"write ({said})" if said else "write something"


def _waits(rollout: Rollout, played: Plan[RolloutStatus]) -> Iterator[str]:
    own, heard = conditions.get(played.status.conditions, c.READY), conditions.get(rollout.status.conditions, c.READY)
    words = own.message if own is not None else ""
    if not summary.is_observed(rollout):
        answered = rollout.status.observed_generation or "none"
        yield (
            f"The controller has not answered the present spec (generation {rollout.meta.generation}; it answered "
            f"{answered}): does it run, and does it watch this namespace?"
        )
        yield f"By its rules: {words}" if words else ""
        return
    yield heard.message if heard is not None and heard.message else words
    progressing = conditions.get(rollout.status.conditions, c.PROGRESSING)
    is_moving = summary.said(rollout).phase == "Progressing"
    if is_moving and progressing is not None and progressing.last_update_time is not None:
        yield f"The last progress was at {timestamps.render(progressing.last_update_time)}"


def _pods_in_the_way(family: Family) -> Iterator[str]:
    """Pods that are not ready, by what they say."""
    for replica_set in family.of(REPLICA_SETS, family.rollout):
        states = [pods.seen(pod) for pod in family.of(PODS, replica_set)]
        waiting = Counter(state.reason for state in states if not state.is_ready and state.reason != "Terminating")
        if waiting:
            reasons = ", ".join(f"{count} {reason}" for reason, count in waiting.most_common(REASONS_SHOWN_MAX))
            yield f"{waiting.total()} of {len(states)} pods of {name_of(replica_set)} are not ready: {reasons}"


def _current_runs(family: Family, rollout: Rollout) -> tuple[AnalysisRun, ...]:
    """The runs that have a say: those the status names, and the last one of the version when it was aborted.

    None has while the status speaks of an earlier spec.
    """
    if not summary.is_observed(rollout):
        return ()
    runs = [parse.parse_analysis_run(each).value for each in family.of(ANALYSIS_RUNS, family.rollout)]
    status = rollout.status
    if status.abort:
        mine = [run for run in runs if hash_of(run.raw) == status.current_pod_hash]
        return tuple(run for run in mine if run.status.phase in ("Failed", "Error"))[-1:]
    refs = (
        status.canary.current_step_analysis_run_status,
        status.canary.current_background_analysis_run_status,
        status.blue_green.pre_promotion_analysis_run_status,
        status.blue_green.post_promotion_analysis_run_status,
    )
    names = {ref.name for ref in refs if ref is not None}
    return tuple(run for run in runs if run.meta.name in names)


def _traffic(rollout: Rollout, seen: Seen | None) -> Iterator[str]:
    """Where traffic goes; not worth a word where all is well."""
    if seen is not None and summary.said(rollout).phase != "Healthy":
        yield from leading.told(seen)


def _evidence(family: Family, rollout: Rollout, runs: Sequence[AnalysisRun], *, told: str) -> Iterator[str]:
    """What pods, runs and an experiment say; a message is left out when it is part of what was told."""
    yield from _pods_in_the_way(family)
    yield from _measured(runs, told=told)
    yield from trial.told(family, rollout, said=told)
    yield from _unread(family)


def _measured(runs: Sequence[AnalysisRun], *, told: str) -> Iterator[str]:
    for run in runs:
        message = f": {run.status.message}" if run.status.message and run.status.message not in told else ""
        yield f"analysis {run.meta.name} is {run.status.phase or 'not measured yet'}{message}"
        for metric in measurements.seen(run):
            yield f"  {_told(metric)}"


def _told(metric: MetricSeen) -> str:
    """One metric in a line: how far, what was measured, the rule, what failed."""
    values = f": {' '.join(metric.values)}" if metric.values else ""
    counts = [
        f"{count} {word}"
        for count, word in (
            (metric.result.failed, "failed"),
            (metric.result.inconclusive, "inconclusive"),
            (metric.result.error, "could not be measured"),
        )
        if count
    ]
    parts = [f"{metric.name}, {metric.progress}{values}", metric.rule, ", ".join(counts)]
    parts.append("dry run: it does not count" if metric.result.dry_run else "")
    return "; ".join(part for part in parts if part)


def _unread(family: Family) -> Iterator[str]:
    for plural, why in family.unread.items():
        yield f"{plural} could not be read: {why}"
    if isinstance(family.workload, Unreadable):
        yield f"the workload of spec.workloadRef could not be read: {family.workload.why}"


def _measured_next(runs: Sequence[AnalysisRun], now: datetime) -> Iterator[str]:
    for run in runs:
        for metric in measurements.seen(run):
            if metric.next_at is not None:
                moment = timestamps.render(metric.next_at)
                yield f"{metric.name} is measured next {f'at {moment}' if metric.next_at > now else 'now'}"


def _ahead(decided: Decided, now: datetime) -> Iterator[str]:
    """What comes by itself, in its order."""
    if decided.seen is not None:
        yield ahead.following(decided.seen, now=now)
    yield from _leaving(decided)
    again = decided.plan.requeue_at
    if again is not None and again > now:
        yield f"without a change the controller looks again at {timestamps.render(again)}"


def _leaving(decided: Decided) -> Iterator[str]:
    return iter(()) if decided.seen is None else ahead.leaving(decided.seen)


def _aborts(rollout: Rollout, runs: Sequence[AnalysisRun]) -> Iterator[str]:
    for run in runs:
        if run.status.phase in COMPLETED_PHASES:
            continue
        for metric in measurements.seen(run):
            yield from _limits(metric)
    index, steps = rollout.status.current_step_index, summary.steps_of(rollout)
    match steps[index] if index is not None and index < len(steps) else None:
        case ExperimentStep():
            yield "a failure of the experiment"
        case PluginStep(name=name):
            yield f"a failure that plugin {name} reports"
        case _:
            pass
    if rollout.spec.progress_deadline_abort:
        seconds = rollout.spec.progress_deadline_seconds
        seconds = DEFAULT_PROGRESS_DEADLINE_SECONDS if seconds is None else seconds
        yield f"{brief(seconds)} without progress of its pods (progressDeadlineAbort)"


def _limits(metric: MetricSeen) -> Iterator[str]:
    gauge, left = metric.gauge, metric.failures_left
    if gauge is None or gauge.is_dry_run:
        return
    if left is not None:
        yield f"{left} more failed measurement{'' if left == 1 else 's'} of {metric.name}"
    errors = gauge.consecutive_error_limit - metric.result.consecutive_error + 1
    if metric.result.consecutive_error:
        yield f"{errors} more error{'' if errors == 1 else 's'} in a row of {metric.name}"
