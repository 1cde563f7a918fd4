"""How a turn begins, whatever the strategy: a default is written out, people are heard, a new version starts.

What a version then goes through is its strategy's list of phases.
"""

from __future__ import annotations

import dataclasses

from rollouts.api.rollout import DEFAULT_REPLICAS
from rollouts.api.status import CanaryStatus, RolloutStatus
from rollouts.core import abort, duration, pause, plugin_step, rollback, verbs
from rollouts.core.actions import PatchRollout
from rollouts.core.plan import Change, Note
from rollouts.core.turn import Turn

StatusChange = Change[RolloutStatus]


def write_default(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Autoscalers read spec.replicas, so the default is written out."""
    if turn.rollout.spec.replicas is not None:
        return Change(status=status)
    patch = {"spec": {"replicas": DEFAULT_REPLICAS}}
    action = PatchRollout(patch=patch, seen_version=turn.rollout.meta.resource_version)
    return Change(status=status, actions=(action,), is_final=True)


def heed(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Verbs are about what the status shows: those that come with a new template or new steps wait for it to begin."""
    return Change(status=status) if turn.is_beginning(status) else verbs.heed(turn, status)


def begin(turn: Turn, status: RolloutStatus) -> StatusChange:
    """A new template or new steps start from the beginning; what people or analyses said of the old ones is void.

    Steps that merely hash differently than before (another version of this controller, or another controller) are not
    new: an aborted version must not come back because of an upgrade. An abort that was asked for and not yet carried
    out is about the version, so it outlasts a change of the steps.

    A blue-green return to a version that is still up is promoted in full: it has proven itself, and is one switch away.
    """
    is_new_template = status.current_pod_hash != turn.pod_hash
    if not turn.is_beginning(status) or _is_respelt(turn, status):
        return Change(status=_within(turn, dataclasses.replace(status, current_step_hash=turn.step_hash)))
    clean = dataclasses.replace(
        pause.cleared(status),
        current_pod_hash=turn.pod_hash,
        current_step_hash=turn.step_hash,
        current_step_index=0 if turn.steps else None,
        abort=status.abort and status.aborted_at is None and not is_new_template,
        aborted_at=None,
        promote_full=rollback.is_within_delay(turn, status),
        canary=CanaryStatus(
            stable_ping_pong=status.canary.stable_ping_pong,
            weights=status.canary.weights,
            step_plugin_statuses=plugin_step.superseded(turn, status),
        ),
        blue_green=abort.begun(status.blue_green),
        duration=duration.started(turn, status),
    )
    skipping = _skips(turn, status)
    if skipping is None:
        return Change(status=clean, is_final=True)
    note = Note(reason="SkipSteps", message=skipping, key=f"{turn.pod_hash}/{turn.revision}")
    return Change(status=dataclasses.replace(clean, current_step_index=len(turn.steps)), notes=(note,), is_final=True)


def _is_respelt(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the spec is the one acted on last, so that only the way its steps are hashed can have changed."""
    is_same_spec = status.observed_generation == str(turn.rollout.meta.generation or 0)
    return is_same_spec and status.current_pod_hash == turn.pod_hash and status.current_step_hash != ""


def _skips(turn: Turn, status: RolloutStatus) -> str | None:
    """Why no step has to be done again: the version asked for has proven itself before."""
    if not turn.steps:
        return None
    if turn.pod_hash == status.stable_rs:
        return "Rollback to stable ReplicaSets"
    if turn.new is not None and turn.new.wanted > 0 and rollback.is_within_window(turn, status):
        return "Rollback to active ReplicaSets within RollbackWindow"
    return None


def _within(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """An index that people patched in is brought into range."""
    index = status.current_step_index
    if not turn.steps:
        return status if index is None else dataclasses.replace(status, current_step_index=None)
    inside = min(max(index or 0, 0), len(turn.steps))
    return status if index == inside else dataclasses.replace(status, current_step_index=inside)
