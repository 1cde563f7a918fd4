"""What answers come to: the verdict of a measurement, of a metric, and of a run.

The algebra has three levels, each a total function that does not depend on the order of its inputs: a measurement is
judged by two conditions, a metric by its counters and limits, a run by the worst of its metrics. Metrics of a dry run
are judged alike and never count. When to measure belongs to measuring.py.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollouts.api.analysis import Measurement, MetricResult, Phase, RunSummary
from rollouts.core import expression
from rollouts.core.expression import ExpressionError
from rollouts.core.metrics import Gauge
from rollouts.core.observed import ReadingSeen
from rollouts.lib.redaction import redacted

MESSAGE_MAX = 1024  # characters; etcd object size
VALUE_TEXT_MAX = 4096

NO_DATA = "metric result is nil or empty: no data returned from the metric provider"
RUN_TERMINATED = "Run Terminated"

_BADNESS = (Phase.SUCCESSFUL, Phase.RUNNING, Phase.PENDING, Phase.INCONCLUSIVE, Phase.ERROR, Phase.FAILED)
_EMPTY_IS_MEANT = frozenset({"len", "default", "isNil", "count", "??", "nil"})
"""A condition that uses one of these says itself what an empty result means."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A phase, and why in words; the words are empty where the phase says it all."""

    phase: Phase
    why: str = ""


def worst(phases: Iterable[Phase]) -> Phase | None:
    """The worst of some phases; None when there are none."""
    return max(phases, key=_BADNESS.index, default=None)


# A measurement


def judged(gauge: Gauge, reading: ReadingSeen) -> Measurement:
    """The measurement that an answer makes. Secrets do not get into it, and no text grows without bound."""
    verdict = Verdict(Phase.ERROR, reading.error) if reading.error else judge_value(gauge, reading)
    return Measurement(
        phase=verdict.phase,
        message=_shown(verdict.why, reading, MESSAGE_MAX),
        started_at=_stored(reading.started_at),
        finished_at=_stored(reading.finished_at),
        value="" if reading.error else _shown(reading.text, reading, VALUE_TEXT_MAX),
        metadata=shown_metadata(reading.metadata, reading),
    )


def judge_value(gauge: Gauge, reading: ReadingSeen) -> Verdict:
    """What a value comes to under the metric's conditions."""
    try:
        success = _holds("successCondition", gauge.success_condition, reading)
        failure = _holds("failureCondition", gauge.failure_condition, reading)
        if success is None and failure is None:
            _require_data(reading.value)
    except ExpressionError as error:
        return Verdict(Phase.ERROR, str(error))
    return Verdict(verdict_of(success=success, failure=failure))


def verdict_of(*, success: bool | None, failure: bool | None) -> Phase:
    """The table of the two conditions; None: there is no such condition. Failure outweighs success."""
    if failure:
        return Phase.FAILED
    if success is None:
        return Phase.SUCCESSFUL
    if success:
        return Phase.SUCCESSFUL
    return Phase.FAILED if failure is None else Phase.INCONCLUSIVE


def shown_metadata(metadata: Any, reading: ReadingSeen) -> dict[str, str]:
    """A provider's notes as they may be stored."""
    return {key: _shown(text, reading, MESSAGE_MAX) for key, text in metadata.items()}


def _holds(what: str, condition: str, reading: ReadingSeen) -> bool | None:
    if not condition:
        return None
    try:
        answer = expression.evaluate(condition, result=reading.value, now=reading.finished_at)
        _require_meaning(answer, reading.value)
        return expression.require_bool(answer.value)
    except ExpressionError as error:
        why = NO_DATA if _is_empty(reading.value) else str(error)
        raise ExpressionError(f'could not evaluate {what} "{condition}": {why}') from None


def _require_meaning(answer: expression.Answer, result: Any) -> None:
    """What is no number, or no data, passes and fails nothing unless the condition says what it means."""
    if _is_empty(result) and not answer.names & _EMPTY_IS_MEANT:
        raise ExpressionError(NO_DATA)
    for special, function in (("NaN", "isNaN"), ("Inf", "isInf")):
        if special in answer.compared and function not in answer.names:
            raise ExpressionError(
                f"compared with {special}, and the condition does not say what it means: use {function}()"
            )


def _require_data(result: Any) -> None:
    if _is_empty(result):
        raise ExpressionError(NO_DATA)
    numbers = result if isinstance(result, list | tuple) else [result]
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise ExpressionError("metric result is NaN or Inf, and no condition says what it means")


def _is_empty(result: Any) -> bool:
    return result is None or (isinstance(result, list | tuple) and not result)


def _shown(text: str, reading: ReadingSeen, length_max: int) -> str:
    text = redacted(text, reading.secrets)
    return text if len(text) <= length_max else text[: length_max - 1] + "…"


def _stored(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


# A metric


def counted(result: MetricResult, measurement: Measurement) -> MetricResult:
    """The metric's counters with one more measurement, which replaces the last one if that was not finished."""
    earlier = result.measurements
    if earlier and not earlier[-1].phase.is_completed:
        earlier = earlier[:-1]
    result = dataclasses.replace(result, measurements=(*earlier, measurement))
    match measurement.phase:
        case Phase.SUCCESSFUL:
            return dataclasses.replace(
                result,
                successful=result.successful + 1,
                count=result.count + 1,
                consecutive_success=result.consecutive_success + 1,
                consecutive_error=0,
            )
        case Phase.FAILED:
            return dataclasses.replace(_interrupted(result), failed=result.failed + 1)
        case Phase.INCONCLUSIVE:
            return dataclasses.replace(_interrupted(result), inconclusive=result.inconclusive + 1)
        case Phase.ERROR:
            return dataclasses.replace(
                result,
                error=result.error + 1,
                consecutive_error=result.consecutive_error + 1,
                consecutive_success=0,
            )
    raise AssertionError(f"a judged measurement is finished, not {measurement.phase}")


def _interrupted(result: MetricResult) -> MetricResult:
    return dataclasses.replace(result, count=result.count + 1, consecutive_error=0, consecutive_success=0)


def metric_verdict(gauge: Gauge, result: MetricResult | None, *, is_terminating: bool) -> Verdict:
    """What a metric's counters come to. A metric that is decided stays decided."""
    if result is not None and result.phase.is_completed:
        explained = (breach(gauge, result), _completed(gauge, result))
        return next((verdict for verdict in explained if verdict.phase == result.phase), Verdict(result.phase))
    if result is None or not result.measurements:
        return Verdict(Phase.SUCCESSFUL if is_terminating else Phase.PENDING)
    verdict = breach(gauge, result)
    if verdict.phase.is_completed:
        return verdict
    verdict = _completed(gauge, result)
    if is_terminating and not verdict.phase.is_completed:
        return Verdict(Phase.SUCCESSFUL)
    return verdict


def breach(gauge: Gauge, result: MetricResult) -> Verdict:
    """The limit that is exceeded; of several, errors outweigh inconclusive ones, and those outweigh failures."""
    if result.consecutive_error > gauge.consecutive_error_limit:
        why = (
            f"consecutiveErrors ({result.consecutive_error}) > consecutiveErrorLimit ({gauge.consecutive_error_limit})"
        )
        return Verdict(Phase.ERROR, why)
    if result.inconclusive > gauge.inconclusive_limit:
        why = f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({gauge.inconclusive_limit})"
        return Verdict(Phase.INCONCLUSIVE, why)
    if result.failed > gauge.failure_limit and not gauge.tolerates_any_failure:
        return Verdict(Phase.FAILED, f"failed ({result.failed}) > failureLimit ({gauge.failure_limit})")
    return Verdict(Phase.RUNNING)


def _completed(gauge: Gauge, result: MetricResult) -> Verdict:
    """What a metric within its limits has come to."""
    wanted = gauge.consecutive_success_limit
    if 0 < wanted <= result.consecutive_success:
        return Verdict(Phase.SUCCESSFUL)
    if gauge.count is None or result.count < gauge.count:
        return Verdict(Phase.RUNNING)
    if wanted == 0:
        return Verdict(Phase.SUCCESSFUL)
    why = f"consecutiveSuccess ({result.consecutive_success}) < consecutiveSuccessLimit ({wanted})"
    return Verdict(Phase.FAILED if gauge.tolerates_any_failure else Phase.INCONCLUSIVE, why)


def has_minimum(gauge: Gauge, result: MetricResult | None) -> bool:
    """Whether a metric has the measurements a pass needs: all it counts, or a good one where nobody counts."""
    if result is None:
        return False
    wanted = gauge.consecutive_success_limit
    is_measured = result.successful > 0 if gauge.count is None else result.count >= gauge.count
    return 0 < wanted <= result.consecutive_success or is_measured


# A run


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One metric as the run sees it: its verdict, and the message of its last measurement."""

    name: str
    is_dry_run: bool
    is_measured: bool
    verdict: Verdict
    last_message: str = ""


def ends_siblings(metrics: Iterable[Judged]) -> bool:
    """Whether a metric that counts has already decided the run, so that nothing more need be measured."""
    bad = (Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE)
    return any(metric.verdict.phase in bad and not metric.is_dry_run for metric in metrics)


def run_verdict(metrics: Sequence[Judged], *, is_terminated: bool) -> Verdict:
    """The worst of the metrics that count, once all are decided; dry-run metrics are waited for and never count."""
    if not all(metric.verdict.phase.is_completed for metric in metrics):
        return Verdict(Phase.RUNNING)
    counting = [metric for metric in metrics if not metric.is_dry_run]
    phase = worst(metric.verdict.phase for metric in counting) or Phase.SUCCESSFUL
    blamed = next((metric for metric in counting if metric.verdict.phase == phase and phase != Phase.SUCCESSFUL), None)
    message = assessed(f'Metric "{blamed.name}" assessed', blamed) if blamed else ""
    return Verdict(phase, message or (RUN_TERMINATED if is_terminated else ""))


def assessed(opening: str, metric: Judged) -> str:
    """A metric's verdict in words: `opening` Failed due to failed (1) > failureLimit (0): "Error Message: m"."""
    if not metric.verdict.why:
        return ""
    cause = f': "Error Message: {metric.last_message}"' if metric.last_message else ""
    return f"{opening} {metric.verdict.phase} due to {metric.verdict.why}{cause}"


def summary(metrics: Iterable[Judged]) -> RunSummary:
    """Metrics by verdict; those undecided, or ended before they were ever measured, are only in `count`."""
    metrics = list(metrics)
    phases = [metric.verdict.phase for metric in metrics if metric.is_measured]
    return RunSummary(
        count=len(metrics),
        successful=phases.count(Phase.SUCCESSFUL),
        failed=phases.count(Phase.FAILED),
        inconclusive=phases.count(Phase.INCONCLUSIVE),
        error=phases.count(Phase.ERROR),
    )
