"""Whether a Rollout's spec makes sense: the rules between its fields, in the order clients know.

`validate` finds everything; the controller shows the first finding as InvalidSpec, lint shows them all. Rules that need
other objects (Services, templates) are not here: they take what was read from the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from rollouts.api import validate_canary, validate_labels, validate_metadata, validate_template
from rollouts.api.codec import Problem
from rollouts.api.findings import Finding, Place, at, malformed
from rollouts.api.parse import Parsed
from rollouts.api.rollout import (
    DEFAULT_PROGRESS_DEADLINE_SECONDS,
    DEFAULT_REVISION_HISTORY_LIMIT,
    AntiAffinity,
    BlueGreenStrategy,
    CanaryStrategy,
    Rollout,
    RolloutSpec,
)

SPEC = at("spec")
NOT_NEGATIVE = "must be greater than or equal to 0"
_STRATEGIES = ("blueGreen", "canary")


def validate(parsed: Parsed[Rollout], *, resolved_template: Mapping[str, Any] | None = None) -> tuple[Finding, ...]:
    """Everything wrong with a Rollout by itself, the one to show first in front.

    With a workloadRef the pod template comes from elsewhere: it is checked only when given as `resolved_template`.
    """
    rollout, unread = parsed.value, {problem.path for problem in parsed.problems}
    broken = list(_spec(rollout, resolved_template, unread))
    known = {finding.path for finding in broken}
    unreadable = (problem for problem in parsed.problems if _is_news(problem, known))
    return tuple([*broken, *map(malformed, unreadable)])


def invalid_spec_message(rollout_name: str, finding: Finding) -> str:
    """The message of the InvalidSpec condition."""
    return f'The Rollout "{rollout_name}" is invalid: {finding.text}'


def _is_news(problem: Problem, known: set[str]) -> bool:
    """Whether the rules have not said it already; a broken status or metadata is not the user's spec."""
    return problem.path not in known and (problem.path == "spec" or problem.path.startswith("spec."))


def _spec(rollout: Rollout, resolved: Mapping[str, Any] | None, unread: set[str]) -> Iterator[Finding]:
    spec = rollout.spec
    yield from _not_negative(spec.replicas, SPEC / "replicas")
    if spec.workload_ref is None and f"{SPEC.path}.selector" not in unread:
        yield from _selector(spec)
    yield from _template(spec, resolved, unread)
    yield from _not_negative(spec.min_ready_seconds, SPEC / "minReadySeconds")
    yield from _not_negative(spec.revision_history_limit, SPEC / "revisionHistoryLimit")
    yield from _progress_deadline(spec)
    yield from _strategy(rollout, unread)
    template = spec.template if spec.workload_ref is None else resolved
    yield from validate_metadata.metadata(spec, template, SPEC / "strategy")


def _not_negative(value: int | None, place: Place) -> Iterator[Finding]:
    if value is not None and value < 0:
        yield place.invalid(value, NOT_NEGATIVE)


def _selector(spec: RolloutSpec) -> Iterator[Finding]:
    place = SPEC / "selector"
    if spec.selector is None:
        yield place.required("Rollout has missing field '.spec.selector'")
        return
    yield from validate_labels.selector(spec.selector, place)
    if not spec.selector.get("matchLabels") and not spec.selector.get("matchExpressions"):
        yield place.invalid(spec.selector, "empty selector is invalid for deployment")


def _template(spec: RolloutSpec, resolved: Mapping[str, Any] | None, unread: set[str]) -> Iterator[Finding]:
    place = SPEC / "template"
    if spec.workload_ref is not None:
        if not _is_empty_template(spec.template):
            yield place.internal("template must be empty for workload reference rollout")
        if resolved is None:
            return
    elif place.path in unread:
        return
    template = resolved if spec.workload_ref is not None else spec.template
    if spec.selector is not None and not validate_labels.is_selector(spec.selector):
        yield (SPEC / "selector").invalid(spec.selector, "invalid label selector")
        return
    yield from validate_template.template(template or {}, spec.selector or {}, place)


def _is_empty_template(template: Mapping[str, Any] | None) -> bool:
    metadata = (template or {}).get("metadata")
    if not isinstance(metadata, Mapping):
        return True
    return not metadata.get("labels") and not metadata.get("annotations")


def _progress_deadline(spec: RolloutSpec) -> Iterator[Finding]:
    place = SPEC / "progressDeadlineSeconds"
    yield from _not_negative(spec.progress_deadline_seconds, place)
    deadline = spec.progress_deadline_seconds
    seconds = DEFAULT_PROGRESS_DEADLINE_SECONDS if deadline is None else deadline
    if seconds <= (spec.min_ready_seconds or 0):
        yield place.invalid(seconds, "must be greater than minReadySeconds")


def _strategy(rollout: Rollout, unread: set[str]) -> Iterator[Finding]:
    spec = rollout.spec
    place = SPEC / "strategy"
    match spec.strategy:
        case None:
            if not any(path.startswith("spec.strategy.") for path in unread):
                yield _no_strategy(rollout, Place("spec.strategy.strategy", "spec.strategy"))
        case CanaryStrategy():
            yield from validate_canary.canary(rollout, spec.strategy, place.really_at("canary"))
            yield from _anti_affinity(spec.strategy.anti_affinity, place.really_at("canary") / "antiAffinity")
        case BlueGreenStrategy():
            yield from _blue_green(spec, spec.strategy, place.really_at("blueGreen"))
        case _:
            assert_never(spec.strategy)


def _no_strategy(rollout: Rollout, place: Place) -> Finding:
    raw = rollout.raw.get("spec")
    strategy = raw.get("strategy") if isinstance(raw, Mapping) else None
    named = [name for name in _STRATEGIES if isinstance(strategy, Mapping) and strategy.get(name) is not None]
    if len(named) > 1:
        return place.invalid("blueGreen: true canary: true", "Multiple Strategies can not be listed")
    return place.required("Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'")


def _blue_green(spec: RolloutSpec, strategy: BlueGreenStrategy, place: Place) -> Iterator[Finding]:
    if strategy.active_service == strategy.preview_service:
        yield (place / "activeService").invalid(
            strategy.active_service,
            validate_canary.same_services("active", "preview"),
        )
    limit, history = strategy.scale_down_delay_revision_limit, spec.revision_history_limit
    if limit is not None and limit > (DEFAULT_REVISION_HISTORY_LIMIT if history is None else history):
        yield (place / "scaleDownDelayRevisionLimit").invalid(
            limit, "This rollout's revision history limit can not be smaller than the rollout's scale down limit"
        )
    yield from _anti_affinity(strategy.anti_affinity, place / "antiAffinity")


def _anti_affinity(rule: AntiAffinity | None, place: Place) -> Iterator[Finding]:
    if rule is None:
        return
    preferred = rule.preferred_during_scheduling_ignored_during_execution
    required = rule.required_during_scheduling_ignored_during_execution
    if (preferred is None) == (required is None):
        both = "both" if preferred is not None else "none"
        yield place.invalid(both, "AntiAffinity must have exactly one strategy listed")
    if preferred is not None and not 1 <= preferred.weight <= 100:
        really = place / "preferredDuringSchedulingIgnoredDuringExecution" / "weight"
        where = Place((place / "weight").field, really.path)
        yield where.invalid(preferred.weight, "AntiAffinity weight must be between 1-100")
