"""Rules of the labels and annotations that pods wear for their version's part (canaryMetadata and its kin).

They go into the template of a ReplicaSet, so what the API server would refuse there is found before any pod is made;
and they must not take a pod out of the Rollout's sight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api.findings import Finding, Place
from rollouts.api.meta import POD_HASH_LABEL, MetadataPatch
from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy, RolloutSpec
from rollouts.api.validate_labels import is_selector, key_problem, labels
from rollouts.lib import selectors

_RESERVED = "is the label that tells versions apart; only the controller sets it"
_UNSELECTED = "`selector` does not match template `labels` with these"


def metadata(spec: RolloutSpec, template: Mapping[str, Any] | None, place: Place) -> Iterator[Finding]:
    """Everything wrong with the metadata that the strategy at `place` gives to pods of this raw template."""
    match spec.strategy:
        case CanaryStrategy() as canary:
            here = place.really_at("canary")
            patches = {"canaryMetadata": canary.canary_metadata, "stableMetadata": canary.stable_metadata}
        case BlueGreenStrategy() as blue_green:
            here = place.really_at("blueGreen")
            patches = {"previewMetadata": blue_green.preview_metadata, "activeMetadata": blue_green.active_metadata}
        case None:
            return
    for name, patch in patches.items():
        if patch is not None:
            yield from _patch(patch, spec.selector, _labels(template), here / name)


def _patch(
    patch: MetadataPatch, selector: Mapping[str, Any] | None, own: Mapping[str, str], place: Place
) -> Iterator[Finding]:
    yield from labels(patch.labels, place / "labels")
    for key in patch.annotations:
        problem = key_problem(key.lower())
        if problem:
            yield (place / "annotations").invalid(key, problem)
    if POD_HASH_LABEL in patch.labels:
        yield (place / "labels").invalid(POD_HASH_LABEL, _RESERVED)
    if selector is None or not is_selector(selector) or not selectors.matches(selector, own):
        return  # which is found elsewhere
    if not selectors.matches(selector, {**own, **patch.labels}):
        yield (place / "labels").invalid(dict(patch.labels), _UNSELECTED)


def _labels(template: Mapping[str, Any] | None) -> Mapping[str, str]:
    metadata = (template or {}).get("metadata")
    found = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return {key: each for key, each in found.items() if isinstance(each, str)} if isinstance(found, Mapping) else {}
