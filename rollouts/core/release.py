"""Giving a Service back: when the Rollout that pointed it at a version names it no more.

A Service that was pointed carries the Rollout's name in an annotation and a version in its selector. Both go once that
Rollout is gone, or has another strategy or other Services: the Service leads to all pods its author selects again, and
another Rollout may have it. Nothing is scaled and nothing else of it is touched. A Rollout whose spec is not acted on,
because it is wrong or takes traffic away from under a canary, keeps what it had until that is corrected. One of another
controller is left to that one, but who is gone is gone for all. Pointing Services does not belong here (services.py).
"""

from __future__ import annotations

from typing import Any

from rollouts.core import naming
from rollouts.core.actions import PatchService
from rollouts.core.observed import HeldService, Holder
from rollouts.core.plan import Note, Plan

NOTHING: Plan[None] = Plan(actions=(), status=None, requeue_at=None, notes=())


def release(seen: HeldService) -> Plan[None]:
    """Take the holder's marks off a Service that it does not name."""
    service, holder = seen.service, seen.holder
    name = service.annotations.get(naming.MANAGED_BY)
    if not name or (holder is not None and _is_kept(seen, holder)):
        return NOTHING
    patch: dict[str, Any] = {"metadata": {"annotations": {naming.MANAGED_BY: None}}}
    if naming.POD_HASH_LABEL in service.selector:
        patch["spec"] = {"selector": {naming.POD_HASH_LABEL: None}}
    action = PatchService(name=service.name, patch=patch, seen_version=service.resource_version)
    why = "does not name it any more" if holder is not None else "does not exist any more"
    message = f"Rollout '{name}' {why}: Service '{service.name}' leads to all pods it selects"
    return Plan(
        actions=(action,),
        status=None,
        requeue_at=None,
        notes=(Note(reason="ServiceReleased", message=message, of=service.name),),
    )


def _is_kept(seen: HeldService, holder: Holder) -> bool:
    is_ours = holder.instance_id == seen.instance_id
    return not is_ours or not holder.is_acted_on or seen.service.name in holder.services
