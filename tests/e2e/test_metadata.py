"""What pods wear for the part their version plays, on a cluster with a controller that dies on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.apps import a_rollout, pause, weight
from tests.e2e.stage import NAME, Place, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("e2e-metadata")]

STEPS = (weight(50), pause())
METADATA: dict[str, Any] = {
    "canaryMetadata": {"labels": {"role": "canary"}, "annotations": {"watch": "closely"}},
    "stableMetadata": {"labels": {"role": "stable"}},
}


async def until_worn(place: Place, wanted: dict[str, str | None]) -> None:
    """Wait until the pods of each image wear this role, and those of no other image are there."""

    async def look() -> bool | None:
        worn: dict[str, set[str | None]] = {}
        for pod in await place.pod_objects():
            role = pod["metadata"]["labels"].get("role")
            worn.setdefault(pod["spec"]["containers"][0]["image"], set()).add(role)
        return worn == {image: {role} for image, role in wanted.items()} or None

    await until(f"pods to wear {wanted}", look)


async def test_pods_wear_the_part_of_their_version(place: Place) -> None:
    """From the first pod on; after a promotion, an edit, and the end of the controller in the middle of it."""
    await place.apply(a_rollout(*STEPS, **METADATA))
    await place.until_stable("web:1")
    await until_worn(place, {"web:1": "stable"})
    await place.apply(a_rollout(*STEPS, image="web:2", **METADATA))
    await place.until_at(1)
    await until_worn(place, {"web:1": "stable", "web:2": "canary"})
    before = {
        pod["metadata"]["uid"] for pod in await place.pod_objects() if pod["metadata"]["labels"]["role"] == "canary"
    }
    await place.annotate("promote", "full")
    await place.until_stable("web:2")
    await until_worn(place, {"web:2": "stable"})
    assert before <= {pod["metadata"]["uid"] for pod in await place.pod_objects()}, "a pod was made anew for its labels"
    assert not any("watch" in pod["metadata"].get("annotations", {}) for pod in await place.pod_objects())
    await place.patch({"spec": {"strategy": {"canary": dict.fromkeys(METADATA)}}})
    await place.stage.kill_controllers()
    await place.stage.controller()
    await until_worn(place, {"web:2": None})
    (current,) = [each for each in await place.replica_sets() if each["spec"]["replicas"]]
    assert not [key for key in current["metadata"]["annotations"] if "metadata" in key]


async def test_a_label_that_would_hide_pods_is_refused(place: Place) -> None:
    """With the field that says so; and what runs stays as it is."""
    await place.apply(a_rollout(*STEPS))
    await place.until_stable("web:1")
    hidden: dict[str, Any] = {"canaryMetadata": {"labels": {"app": "elsewhere"}}}
    await place.apply(a_rollout(*STEPS, image="web:2", **hidden))
    await place.wait_for("InvalidSpec")
    assert "canaryMetadata.labels" in await place.kubectl("get", "rollout", NAME, "-o", "jsonpath={.status.message}")
    await place.until_pods({"web:1": 4})
