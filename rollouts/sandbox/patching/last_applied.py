"""How an object moves from client-side to server-side apply: by the annotation in which kubectl keeps what it applied.

When kubectl itself starts to apply server-side, the fields of that annotation are its own already, so they are no
conflict, and the annotation is kept up to date for a kubectl that still applies client-side. Only the manager named
`kubectl` is treated so; another name opts out.
"""

from __future__ import annotations

import json
from typing import Any

from rollouts.sandbox.patching.fields import EMPTY, FieldSet
from rollouts.sandbox.patching.managed import Writer
from rollouts.sandbox.patching.structure import field_set
from rollouts.sandbox.schema.model import Json, Schema

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"
ANNOTATION_BYTES_MAX = 262_144  # of all annotations together; what does not fit is not kept


def claims(live: Json | None, schema: Schema, *, by: Writer) -> FieldSet:
    """The fields that kubectl applied client-side, which it may take over without a conflict."""
    text = _annotations(live).get(ANNOTATION) if by.manager == MANAGER else None
    if not text:
        return EMPTY
    try:
        applied = json.loads(text)
    except ValueError:  # an annotation that somebody broke claims nothing
        return EMPTY
    return field_set(applied, schema) if isinstance(applied, dict) else EMPTY


def renewed(merged: Json, stated: Json, *, by: Writer) -> Json:
    """The object with its annotation, if it has one, brought to what kubectl states now."""
    annotations = _annotations(merged)
    if by.manager != MANAGER or by.subresource or ANNOTATION not in annotations:
        return merged
    metadata = {key: value for key, value in (stated.get("metadata") or {}).items() if key != "managedFields"}
    if ANNOTATION in (metadata.get("annotations") or {}):
        metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if key != ANNOTATION}
    text = json.dumps({**stated, "metadata": metadata}, sort_keys=True, separators=(",", ":")) + "\n"
    kept = {**annotations, ANNOTATION: text}
    if sum(len(key) + len(value) for key, value in kept.items()) > ANNOTATION_BYTES_MAX:
        del kept[ANNOTATION]
    return {**merged, "metadata": {**merged["metadata"], "annotations": kept}}


def _annotations(obj: Json | None) -> dict[str, Any]:
    return ((obj or {}).get("metadata") or {}).get("annotations") or {}
