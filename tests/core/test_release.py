"""When a Service is given back, and what of it is written."""

from __future__ import annotations

import dataclasses

import pytest

from rollouts.core import naming
from rollouts.core.actions import PatchService
from rollouts.core.observed import HeldService, Holder, Service
from rollouts.core.release import NOTHING, release

HELD = Service(
    name="web",
    resource_version="7",
    selector={"app": "web", naming.POD_HASH_LABEL: "abc"},
    annotations={naming.MANAGED_BY: "shop"},
)
GIVEN_BACK = PatchService(
    name="web",
    patch={
        "metadata": {"annotations": {naming.MANAGED_BY: None}},
        "spec": {"selector": {naming.POD_HASH_LABEL: None}},
    },
    seen_version="7",
)


def a_holder(*services: str, instance_id: str = "", is_acted_on: bool = True) -> Holder:
    """A Rollout that names these Services."""
    return Holder(services=frozenset(services), instance_id=instance_id, is_acted_on=is_acted_on)


@pytest.mark.parametrize("holder", [None, a_holder(), a_holder("other")])
def test_a_service_that_its_holder_does_not_name_is_given_back(holder: Holder | None) -> None:
    """The holder is gone, or names others: annotation and version go, in the Service as it was seen."""
    plan = release(HeldService(service=HELD, holder=holder))
    assert plan.actions == (GIVEN_BACK,)
    assert [note.of for note in plan.notes] == ["web"]


def test_a_service_that_its_holder_names_is_kept() -> None:
    """Whatever else there is."""
    assert release(HeldService(service=HELD, holder=a_holder("web", "other"))) == NOTHING


def test_a_service_of_another_controller_is_left_to_it() -> None:
    """In both directions; but a Rollout that is gone has no controller."""
    theirs = HeldService(service=HELD, holder=a_holder(instance_id="theirs"), instance_id="ours")
    assert release(theirs) == NOTHING
    assert release(dataclasses.replace(theirs, holder=a_holder())) == NOTHING
    assert release(dataclasses.replace(theirs, holder=None)).actions == (GIVEN_BACK,)


def test_a_spec_that_is_not_acted_on_takes_no_service_away() -> None:
    """It is wrong, or nobody has looked at it yet: what the one before had stays where it leads."""
    assert release(HeldService(service=HELD, holder=a_holder(is_acted_on=False))) == NOTHING


def test_a_service_that_nobody_holds_is_not_touched() -> None:
    """Even if its selector names a version: somebody else wrote that."""
    free = dataclasses.replace(HELD, annotations={})
    assert release(HeldService(service=free, holder=None)) == NOTHING


def test_a_service_that_leads_to_no_version_loses_the_name_alone() -> None:
    """A Service without a selector gets none."""
    plain = dataclasses.replace(HELD, selector={})
    (action,) = release(HeldService(service=plain, holder=None)).actions
    assert isinstance(action, PatchService)
    assert action.patch == {"metadata": {"annotations": {naming.MANAGED_BY: None}}}
