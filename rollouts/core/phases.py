"""What a turn begins and ends with, whatever the strategy. What lies between is the strategy's own list.

`BEGINNING`: people are heard, ReplicaSets told apart, a new version begun, and what is void cleaned up. `TIDYING`: what
follows from the sizes and steps of the turn and decides nothing any more. `CLOSING` describes the outcome.
"""

from __future__ import annotations

from rollouts.core import (
    abort,
    affinity,
    beginning,
    duration,
    experiment_step,
    gates,
    metadata,
    progress,
    promote,
    restart,
    revisions,
    tally,
    workload,
)
from rollouts.core import (
    status as report,
)

BEGINNING = (
    beginning.write_default,
    beginning.heed,
    revisions.adopt,
    revisions.ensure_new,
    revisions.sync,
    affinity.keep,
    promote.recall,
    beginning.begin,
    promote.settle,
    progress.settle_deadline,
    abort.settle,
)
TIDYING = (
    workload.retire,
    restart.restart,
    metadata.wear,
    revisions.forget,
    gates.forget,
    experiment_step.forget,
)
CLOSING = (
    tally.count,
    report.paused,
    progress.progressing,
    report.verdicts,
    duration.measure,
    report.phase,
    report.standard,
)
