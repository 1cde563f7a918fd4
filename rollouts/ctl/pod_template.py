"""Changing the pod template of a Rollout, wherever it is: in the Rollout, or in the workload it refers to.

Only reading and writing: which template is wanted is for `set image` and `undo` to say.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from rollouts.core import injected, naming
from rollouts.ctl.connection import CommandError
from rollouts.ctl.family import Json, workload_kind
from rollouts.kube.kinds import POD_TEMPLATES, ROLLOUTS, WORKLOADS

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def holder_path(rollout: Json) -> str:
    """Path of the object whose pod template the Rollout uses. Raises CommandError for a kind that is not known."""
    meta = rollout["metadata"]
    reference = rollout.get("spec", {}).get("workloadRef")
    if not reference:
        return ROLLOUTS.path(meta["namespace"], meta["name"])
    kind = workload_kind(rollout)
    if kind is None:
        known = ", ".join(f"{each.api_version} {each.name}" for each in WORKLOADS)
        raise CommandError(f"spec.workloadRef must name one of {known}, not {_shown(reference)}")
    return kind.path(meta["namespace"], str(reference.get("name", "")))


def template_path(rollout: Json) -> str:
    """JSON pointer of the pod template within its holder; a PodTemplate has it at the top."""
    reference = rollout.get("spec", {}).get("workloadRef") or {}
    return "/template" if reference.get("kind") == POD_TEMPLATES.name else "/spec/template"


def _shown(reference: Json) -> str:
    return f"{reference.get('apiVersion')} {reference.get('kind')} {reference.get('name')!r}"


def at(holder: Json, pointer: str) -> Mapping[str, Any]:
    """The template in its holder; empty when there is none."""
    found: Any = holder
    for part in pointer.strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def replaced(holder: Json, template: Json) -> dict[str, Any]:
    """The holder, a PodTemplate or any other, with another template."""
    if holder.get("kind") == POD_TEMPLATES.name:
        return {**holder, "template": template}
    return {**holder, "spec": {**holder["spec"], "template": template}}


def with_images(template: Json, images: Mapping[str, str]) -> dict[str, Any]:
    """The template with new images by container name; `*` means every container. Raises CommandError."""
    changed = copy.deepcopy(dict(template))
    spec = changed.get("spec") or {}
    every = [container for kind in CONTAINERS for container in spec.get(kind) or ()]
    names = [str(container.get("name")) for container in every]
    unknown = next((name for name in images if name != "*" and name not in names), None)
    if unknown is not None:
        raise CommandError(f"there is no container {unknown!r}; there is {', '.join(names) or 'none'}")
    for container in every:
        image = images.get(str(container.get("name")), images.get("*"))
        if image is not None:
            container["image"] = image
    return changed


def authored(replica_set: Json) -> dict[str, Any]:
    """A ReplicaSet's template as its author wrote it: less all that the controller put into it."""
    plain = injected.authored(at(replica_set, "/spec/template"), replica_set["metadata"].get("annotations") or {})
    labels = plain.get("metadata", {}).get("labels") or {}
    labels.pop(naming.POD_HASH_LABEL, None)
    return plain
