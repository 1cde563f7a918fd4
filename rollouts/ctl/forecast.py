"""What a rehearsal comes to: one row for each step, the totals, and what its author may not expect. Pure.

Times are seconds from the moment the new version is wanted, and the earliest possible: pods come up as fast as was
assumed, analyses pass, and people take no time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollouts.api.analysis import AnalysisTemplate, TemplateRef
from rollouts.api.rollout import (
    DEFAULT_MAX_SURGE,
    DEFAULT_MAX_UNAVAILABLE,
    DEFAULT_PROGRESS_DEADLINE_SECONDS,
    AnalysisStep,
    CanaryStrategy,
    Pause,
    Rollout,
    RolloutAnalysis,
    SetWeight,
)
from rollouts.core import replicas, templates
from rollouts.core.observed import Unreadable
from rollouts.core.steps import describe
from rollouts.ctl import summary
from rollouts.ctl.amounts import exact
from rollouts.ctl.rehearsal import Moment

Known = Mapping[TemplateRef, AnalysisTemplate | Unreadable]

SHARE_OFF_MIN = 1.0  # percent; less than that is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step: when it begins, how long it lasts, and the pods at its end. `number` 0: what comes after the steps."""

    number: int
    what: str
    at: int
    lasts: int
    new: int
    old: int
    is_person_needed: bool

    @property
    def share(self) -> float:
        """The new version's share of the pods, in percent."""
        return 100.0 * self.new / (self.new + self.old) if self.new + self.old else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The whole way. `stuck` says what it waits for where it does not come to its end."""

    rows: tuple[Row, ...]
    seconds: int
    pods_max: int
    available_min: int
    stuck: str
    background: int
    """Seconds for which only a background analysis holds the end up."""

    @property
    def is_person_needed(self) -> bool:
        """Whether a person has to end a pause on the way."""
        return any(row.is_person_needed for row in self.rows)


def forecast(rollout: Rollout, moments: Sequence[Moment]) -> Forecast:
    """The rows of a play that has come to rest."""
    last = moments[-1]
    held = [later.at - each.at for each, later in itertools.pairwise(moments) if _is_background(each)]
    return Forecast(
        rows=tuple(_rows(rollout, moments)),
        seconds=last.at,
        pods_max=max(each.total for each in moments),
        available_min=min(each.new + each.old for each in moments),
        stuck="" if last.status.phase == "Healthy" else last.words,
        background=sum(held),
    )


def warnings(rollout: Rollout, result: Forecast, known: Known, *, available_after: int) -> Iterator[str]:
    """What the author of the manifest should know before it is applied."""
    strategy = rollout.spec.strategy
    if isinstance(strategy, CanaryStrategy):
        yield from _shares(rollout, strategy)
        yield from _pauses(strategy)
        yield from _missing(strategy, known)
    yield from _deadline(rollout, available_after)
    if rollout.spec.paused:
        yield "spec.paused is true: no step is taken until a person resumes it"
    if result.background:
        yield f"the background analysis alone delays the promotion by {exact(result.background)}"


def _rows(rollout: Rollout, moments: Sequence[Moment]) -> Iterator[Row]:
    steps = summary.steps_of(rollout)
    begun = next((at for at, each in enumerate(moments) if not is_at_rest(each)), 0)
    groups: dict[int, list[Moment]] = {}
    for each in moments[begun:]:
        index = each.status.current_step_index
        groups.setdefault(len(steps) if index is None else min(index, len(steps)), []).append(each)
    firsts = {index: group[0] for index, group in groups.items()}
    for index, group in groups.items():
        end = min(
            (first for later, first in firsts.items() if later > index), key=lambda each: each.at, default=group[-1]
        )
        yield Row(
            number=index + 1 if index < len(steps) else 0,
            what=describe(steps[index]) if index < len(steps) else "promotion" if steps else "rolling update",
            at=group[0].at,
            lasts=end.at - group[0].at,
            new=end.new,
            old=end.old,
            is_person_needed=any(each.is_person_needed for each in group),
        )


def is_at_rest(moment: Moment) -> bool:
    """Whether nothing is under way: the version the status speaks of is the stable one."""
    return moment.status.stable_rs == moment.status.current_pod_hash


def _is_background(moment: Moment) -> bool:
    return "background analysis" in moment.words and "all steps are done" in moment.words


def _shares(rollout: Rollout, strategy: CanaryStrategy) -> Iterator[str]:
    """Weights that so few pods cannot make; with a router the weight does not depend on pods."""
    if strategy.traffic_routing is not None:
        return
    bounds = replicas.bounds(
        desired=summary.desired(rollout),
        max_surge=strategy.max_surge or DEFAULT_MAX_SURGE,
        max_unavailable=strategy.max_unavailable or DEFAULT_MAX_UNAVAILABLE,
    )
    for number, step in enumerate(strategy.steps, start=1):
        if not isinstance(step, SetWeight):
            continue
        counts = replicas.split(bounds, weight=step.weight, weight_max=100)
        total = counts.canary + counts.stable
        share = 100.0 * counts.canary / total if total else float(step.weight)
        if abs(share - step.weight) >= SHARE_OFF_MIN:
            pods = f"{counts.canary} of {total} pods, {share:.0f} %"
            yield f"step {number} (setWeight: {step.weight}): the nearest share with so few pods is {pods}"


def _pauses(strategy: CanaryStrategy) -> Iterator[str]:
    for number, step in enumerate(strategy.steps, start=1):
        if isinstance(step, Pause) and step.duration is None:
            yield f"step {number} (pause) has no duration: it waits until a person promotes or resumes it"


def _missing(strategy: CanaryStrategy, known: Known) -> Iterator[str]:
    for ref in sorted(missing(strategy, known), key=lambda ref: ref.template_name):
        kind = "ClusterAnalysisTemplate" if ref.cluster_scope else "AnalysisTemplate"
        yield f"{kind} {ref.template_name} is not in the files: it is taken to pass at its first measurement"


def missing(strategy: CanaryStrategy, known: Known) -> frozenset[TemplateRef]:
    """The templates an analysis of the strategy uses, and that are not known."""
    return frozenset(ref for each in analyses(strategy) for ref in templates.collected(each, known) if ref not in known)


def analyses(strategy: CanaryStrategy) -> Iterable[RolloutAnalysis]:
    """Every analysis of a strategy, the background one first."""
    background = (strategy.analysis,) if strategy.analysis is not None else ()
    return (*background, *(step.analysis for step in strategy.steps if isinstance(step, AnalysisStep)))


def _deadline(rollout: Rollout, available_after: int) -> Iterator[str]:
    seconds = rollout.spec.progress_deadline_seconds
    seconds = DEFAULT_PROGRESS_DEADLINE_SECONDS if seconds is None else seconds
    if seconds <= available_after:
        effect = "abort the update" if rollout.spec.progress_deadline_abort else "count as Degraded"
        yield (
            f"progressDeadlineSeconds ({seconds}) is no longer than a pod takes to be available ({available_after}s): "
            f"every step that adds pods would {effect}"
        )
