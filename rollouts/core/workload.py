"""The Deployment that a Rollout took its template from: when its pods may go, so that the Rollout's take their place.

Both are reached through the same Services until those are pointed at a version, and a Service is pointed only at a
version whose pods are all available (services.py). So this is order.py's theory with the Deployment as the version that
leaves: of its pods only as many go as pods of the Rollout are available in their stead, and together there are never
fewer than there were, or than are wanted, whichever is less.

It happens once, for the first revision. When the Deployment has no pods left that is noted on the ReplicaSet, and from
then on the Deployment is its owner's again: who goes back to it scales it up, and nothing here takes its pods away.
Whether there is such a Deployment, and its template, is the snapshot's business.
"""

from __future__ import annotations

from rollouts.api.status import RolloutPhase, RolloutStatus
from rollouts.core import naming, order, scale
from rollouts.core.actions import PatchReplicaSet, ScaleWorkload
from rollouts.core.observed import ReplicaSet, Workload
from rollouts.core.plan import Change, Note
from rollouts.core.turn import Turn

DEPLOYMENT = "Deployment"
ON_SUCCESS, PROGRESSIVELY = "onsuccess", "progressively"
FIRST_REVISION = 1


def retire(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Take away those of the Deployment's pods that are not needed any more; note when none are left."""
    new, seen = turn.new, turn.seen.workload
    if new is None or seen is None or not _is_retiring(turn, new, seen) or scale.is_held(turn, status):
        return Change(status=status)
    if seen.wanted == 0:
        patch = {"metadata": {"annotations": {naming.WORKLOAD_RETIRED: "true"}}}
        mark = PatchReplicaSet(name=new.name, patch=patch, seen_version=new.resource_version)
        return Change(status=status, actions=(mark,), is_final=True)
    size = _size(turn, new, seen)
    if size >= seen.wanted:
        return Change(status=status)
    message = f"Scaled down {seen.kind} {seen.name} from {seen.wanted} to {size}"
    note = Note(reason="ScalingWorkload", message=message, key=f"{seen.name}/{seen.generation}/{size}", of=seen.name)
    action = ScaleWorkload(name=seen.name, replicas=size, seen_version=seen.resource_version)
    return Change(status=status, actions=(action,), notes=(note,))


def _is_retiring(turn: Turn, new: ReplicaSet, seen: Workload) -> bool:
    is_meant = seen.kind == DEPLOYMENT and _mode(turn) in (ON_SUCCESS, PROGRESSIVELY)
    return is_meant and turn.revision == FIRST_REVISION and naming.WORKLOAD_RETIRED not in new.annotations


def _mode(turn: Turn) -> str:
    reference = turn.rollout.spec.workload_ref
    return "" if reference is None else reference.scale_down


def _size(turn: Turn, new: ReplicaSet, seen: Workload) -> int:
    """The pods that the Deployment is to have. One that is larger than the Rollout waits until that is whole; a Rollout
    that wants no pods takes nobody's place."""
    available = order.steady(new)
    is_whole = 0 < turn.desired <= available
    if _mode(turn) == ON_SUCCESS:
        return 0 if is_whole and turn.rollout.status.phase == RolloutPhase.HEALTHY else seen.wanted
    if is_whole:
        return 0
    return seen.wanted if seen.wanted > turn.desired else turn.desired - available
