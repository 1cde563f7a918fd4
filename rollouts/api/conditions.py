"""Status conditions: one record type, and the types and reasons that clients know by name.

How a condition list changes (what is a no-op, what moves to the end) is behaviour and lives in the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from rollouts.api.fields import Doc

TRUE = "True"
FALSE = "False"
UNKNOWN = "Unknown"

PROGRESSING = "Progressing"
PAUSED = "Paused"
AVAILABLE = "Available"
HEALTHY = "Healthy"
COMPLETED = "Completed"
INVALID_SPEC = "InvalidSpec"
REPLICA_FAILURE = "ReplicaFailure"
READY = "Ready"

NEW_REPLICA_SET_CREATED = "NewReplicaSetCreated"
FOUND_NEW_REPLICA_SET = "FoundNewReplicaSet"
REPLICA_SET_UPDATED = "ReplicaSetUpdated"
REPLICA_SET_NOT_AVAILABLE = "ReplicaSetNotAvailable"
NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
REPLICA_SET_CREATE_ERROR = "ReplicaSetCreateError"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
DEADLINE_SUSPENDED = "DeadlineSuspended"
ROLLOUT_PAUSED = "RolloutPaused"
ROLLOUT_RESUMED = "RolloutResumed"
ROLLOUT_RETRY = "RolloutRetry"
ROLLOUT_ABORTED = "RolloutAborted"
ROLLOUT_HEALTHY = "RolloutHealthy"
ROLLOUT_COMPLETED = "RolloutCompleted"
AVAILABLE_REASON = "AvailableReason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One observation about an object, in the form all Kubernetes tools read."""

    type: Annotated[str, Doc("What is observed.", required=True)] = ""
    status: Annotated[str, Doc("True, False or Unknown.", required=True)] = UNKNOWN
    last_update_time: Annotated[datetime | None, Doc("When the condition was last set.")] = None
    last_transition_time: Annotated[datetime | None, Doc("When the status last changed.")] = None
    reason: Annotated[str, Doc("Machine-readable cause, one word.")] = ""
    message: Annotated[str, Doc("The same for people.")] = ""
