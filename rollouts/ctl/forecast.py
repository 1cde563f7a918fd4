"""What a rehearsal comes to: one row for each step or stage, and the totals. Pure.

Times are seconds from the moment the new version is wanted, and the earliest possible: pods come up as fast as was
assumed, analyses pass, and people take no time. What its author may not expect is in cautions.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollouts.api.rollout import Rollout
from rollouts.core.cutover import Stage
from rollouts.core.steps import describe
from rollouts.ctl import summary
from rollouts.ctl.rehearsal import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step or stage: when it begins, how long it lasts, how things are at its end. `number` 0: it is no step."""

    number: int
    what: str
    at: int
    lasts: int
    new: int
    old: int
    weight: int | None
    """The weight that routers gave the new version; None where pods alone split the traffic."""
    is_led: bool
    """Whether the active Service leads to the new version."""
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
    """Until it is Healthy."""
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
    begun = next((number for number, each in enumerate(moments) if not is_at_rest(each)), 0)
    healthy = (each for each in moments[begun:] if is_at_rest(each) and each.status.phase == "Healthy")
    held = [later.at - each.at for each, later in itertools.pairwise(moments) if _is_background(each)]
    return Forecast(
        rows=tuple(_rows(rollout, moments[begun:])),
        seconds=next(healthy, last).at,
        pods_max=max(each.total for each in moments),
        available_min=min(each.new + each.old for each in moments),
        stuck="" if last.status.phase == "Healthy" else last.words,
        background=sum(held),
    )


def is_at_rest(moment: Moment) -> bool:
    """Whether nothing is under way: the version the status speaks of is the stable one."""
    return moment.status.stable_rs == moment.status.current_pod_hash


def _rows(rollout: Rollout, moments: Sequence[Moment]) -> Iterator[Row]:
    grouped = itertools.groupby(moments, key=lambda each: _part(rollout, each))
    groups = [(part, list(group)) for part, group in grouped]
    ends = [*(group[0] for _, group in groups), moments[-1]][1:]
    for (part, group), end in zip(groups, ends, strict=True):
        lasts = end.at - group[0].at
        if part is not None or lasts:
            yield _row(rollout, part, group, end)


def _part(rollout: Rollout, moment: Moment) -> int | Stage | None:
    """The step or stage that a moment belongs to; None: all that is left is that earlier versions leave."""
    if is_at_rest(moment):
        return None
    if moment.stage is not None:
        return moment.stage
    steps, index = summary.steps_of(rollout), moment.status.current_step_index
    return len(steps) if index is None else min(index, len(steps))


def _row(rollout: Rollout, part: int | Stage | None, group: Sequence[Moment], end: Moment) -> Row:
    steps = summary.steps_of(rollout)
    is_step = not isinstance(part, Stage) and part is not None and part < len(steps)
    weights, active = end.status.canary.weights, end.status.blue_green.active_selector
    return Row(
        number=part + 1 if is_step and isinstance(part, int) else 0,
        what=_what(rollout, part),
        at=group[0].at,
        lasts=end.at - group[0].at,
        new=end.new,
        old=end.old,
        weight=None if weights is None else weights.stable.weight if part is None else weights.canary.weight,
        is_led=active != "" and active == end.status.current_pod_hash,
        is_person_needed=any(each.is_person_needed for each in group),
    )


STAGES = {
    Stage.PREPARING: "new pods",
    Stage.PROVING: "pre-promotion analysis",
    Stage.HOLDING: "pause",
    Stage.SWITCHING: "switch",
    Stage.VERIFYING: "post-promotion analysis",
    Stage.DONE: "promotion",
}


def _what(rollout: Rollout, part: int | Stage | None) -> str:
    if part is None:
        return "scale-down delay"
    if isinstance(part, Stage):
        return STAGES[part]
    steps = summary.steps_of(rollout)
    if part < len(steps):
        return describe(steps[part])
    return "promotion" if steps else "rolling update"


def _is_background(moment: Moment) -> bool:
    return "background analysis" in moment.words and "all steps are done" in moment.words
