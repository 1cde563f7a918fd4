"""Names, labels and annotations that this controller writes or reads: the words other tools know it by.

Names are derived from what they name, so that making something twice finds the first one. Nothing here decides.
"""

from __future__ import annotations

from typing import Any

from rollouts.api.meta import API_VERSION, ObjectMeta
from rollouts.api.meta import POD_HASH_LABEL as POD_HASH_LABEL

INSTANCE_LABEL = "argo-rollouts.argoproj.io/controller-instance-id"

REVISION = "rollout.argoproj.io/revision"
REVISION_HISTORY = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS = "rollout.argoproj.io/desired-replicas"
SCALE_DOWN_DEADLINE = "scale-down-deadline"
MANAGED_BY = "argo-rollouts.argoproj.io/managed-by-rollouts"
"""On a Service: the Rollout that points it at a version."""
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
"""On a Rollout: the generation of the workload whose pod template it uses."""
EPHEMERAL_METADATA = "rollout.argoproj.io/ephemeral-metadata"
"""On a ReplicaSet: the labels and annotations that were put into its pod template, as JSON."""
COVERED_METADATA = "rollouts.io/covered-metadata"
"""On a ReplicaSet: the template's own values of those, where it has any; they come back when ours go."""
METADATA_PENDING = "rollouts.io/metadata-pending"
"""On a ReplicaSet: the keys in which its pods may still differ from its template, as JSON."""
WORKLOAD_RETIRED = "rollouts.io/workload-retired"
"""On a ReplicaSet: the Deployment it came from was left without pods. From then on that is its owner's again."""
PROMOTED = "rollouts.io/promoted"
"""On a ReplicaSet that was stable once: its version has proven itself, so a rollback to it may skip the steps."""
STEPS_MADE_FOR = "rollouts.io/steps"
"""On what a step runs (an AnalysisRun, an Experiment): the hash of the steps it was made for. Under other steps another
one is made."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

VERB_PREFIX = "rollouts.io/"

NOT_COPIED = frozenset(
    {
        LAST_APPLIED,
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        EPHEMERAL_METADATA,
        WORKLOAD_GENERATION,
        "notified.notifications.argoproj.io",
    }
)
"""Annotations of a Rollout that its ReplicaSets do not inherit; nor do they inherit verbs (see `is_inherited`)."""


def owner_reference(rollout: ObjectMeta) -> dict[str, Any]:
    """The reference that makes a Rollout the controller of an object."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "name": rollout.name,
        "uid": rollout.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def replica_set_name(rollout: str, pod_hash: str) -> str:
    """The ReplicaSet of one version of a Rollout."""
    return f"{rollout}-{pod_hash}"


def is_inherited(annotation: str) -> bool:
    """Whether a ReplicaSet carries this annotation of its Rollout."""
    return annotation not in NOT_COPIED and not annotation.startswith(VERB_PREFIX)
