"""The ReplicaSets of a Deployment: which has its template, which revision each is, what a new one looks like. Pure."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable

from rollouts.sandbox.controllers.rolling import Bounds
from rollouts.sandbox.kinds import DEPLOYMENTS, Json, owned_by

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_OWN = (REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration")
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, nothing that reads as another letter
_HASH_LENGTH = 10


def template_hash(template: Json, collisions: int = 0) -> str:
    """A name for a template that equal templates share; `collisions` gives another name."""
    text = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_HASH_LENGTH])


def bare(template: Json) -> Json:
    """A template without the label that its Deployment adds."""
    plain = copy.deepcopy(template)
    metadata = plain.get("metadata") or {}
    metadata.pop("creationTimestamp", None)
    labels = metadata.get("labels") or {}
    labels.pop(HASH_LABEL, None)
    return plain


def current(deployment: Json, sets: Iterable[Json]) -> Json | None:
    """The oldest ReplicaSet with the Deployment's template."""
    template = bare(deployment["spec"]["template"])
    same = [owned for owned in sets if bare(owned["spec"]["template"]) == template]
    return min(same, key=age_key, default=None)


def age_key(obj: Json) -> tuple[str, str]:
    """Sorts older objects first."""
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]


def annotation(obj: Json, name: str) -> str | None:
    """One annotation of an object."""
    value: str | None = (obj["metadata"].get("annotations") or {}).get(name)
    return value


def revision_of(obj: Json) -> int:
    """The revision annotation as a number; 0 when there is none or it is not one."""
    text = annotation(obj, REVISION) or "0"
    return int(text) if text.isdigit() else 0


def next_revision(old: Iterable[Json]) -> int:
    """One more than the highest revision of the other ReplicaSets."""
    return max((revision_of(owned) for owned in old), default=0) + 1


def sized(desired: int, limits: Bounds) -> dict[str, str]:
    """The annotations that say for which desired count a ReplicaSet was sized."""
    return {DESIRED: str(desired), MAXIMUM: str(desired + limits.surge)}


def inherited(deployment: Json) -> dict[str, str]:
    """The Deployment's annotations that its ReplicaSets carry too."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name not in _OWN}


def new_replica_set(deployment: Json, *, revision: int, replicas: int, limits: Bounds) -> Json:
    """The ReplicaSet for the Deployment's present template."""
    spec = deployment["spec"]
    name = template_hash(spec["template"], int((deployment.get("status") or {}).get("collisionCount") or 0))
    template = copy.deepcopy(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = name
    selector = copy.deepcopy(spec["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = name
    annotations = inherited(deployment) | sized(int(spec.get("replicas", 1)), limits) | {REVISION: str(revision)}
    return {
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{name}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "annotations": annotations,
            "ownerReferences": [owned_by(deployment, DEPLOYMENTS)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": int(spec.get("minReadySeconds", 0)),
            "selector": selector,
            "template": template,
        },
    }


def to_clean_up(deployment: Json, old: Iterable[Json]) -> list[Json]:
    """Old ReplicaSets beyond the history limit: scaled down, lowest revision first."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [owned for owned in old if _is_idle(owned)]
    surplus = len(idle) - int(limit)
    return sorted(idle, key=lambda owned: (revision_of(owned), age_key(owned)))[: max(surplus, 0)]


def _is_idle(owned: Json) -> bool:
    status = owned.get("status") or {}
    return (
        int(owned["spec"].get("replicas", 1)) == 0
        and not status.get("replicas")
        and int(status.get("observedGeneration", 0)) >= int(owned["metadata"].get("generation", 0))
        and not owned["metadata"].get("deletionTimestamp")
    )
