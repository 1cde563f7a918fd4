"""Names, labels and annotations that this controller writes or reads: the words other tools know it by.

Names are derived from what they name, so that making something twice finds the first one. Nothing here decides.
"""

from __future__ import annotations

from rollouts.api.meta import POD_HASH_LABEL as POD_HASH_LABEL

INSTANCE_LABEL = "argo-rollouts.argoproj.io/controller-instance-id"

REVISION = "rollout.argoproj.io/revision"
REVISION_HISTORY = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS = "rollout.argoproj.io/desired-replicas"
SCALE_DOWN_DEADLINE = "scale-down-deadline"
PROMOTED = "rollouts.io/promoted"
"""On a ReplicaSet that was stable once: its version has proven itself, so a rollback to it may skip the steps."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

VERB_PREFIX = "rollouts.io/"

NOT_COPIED = frozenset(
    {LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, "notified.notifications.argoproj.io"}
)
"""Annotations of a Rollout that its ReplicaSets do not inherit; nor do they inherit verbs (see `is_inherited`)."""


def replica_set_name(rollout: str, pod_hash: str) -> str:
    """The ReplicaSet of one version of a Rollout."""
    return f"{rollout}-{pod_hash}"


def is_inherited(annotation: str) -> bool:
    """Whether a ReplicaSet carries this annotation of its Rollout."""
    return annotation not in NOT_COPIED and not annotation.startswith(VERB_PREFIX)
