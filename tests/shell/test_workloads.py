"""Pod templates that come from a workload: in memory only, never guessed, never written back."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api.status import RolloutStatus
from rollouts.core import actions
from rollouts.core.decide import decide
from rollouts.core.observed import Workload
from rollouts.core.plan import Plan
from rollouts.kube.errors import ApiError, Conflict, NotFound, Unreachable
from rollouts.kube.kinds import DEPLOYMENTS, POD_TEMPLATES, REPLICA_SETS, Key, Kind
from rollouts.runtime.cache import Json
from rollouts.runtime.clock import utc_now
from rollouts.runtime.snapshot import Read
from rollouts.runtime.turns import UNWATCHED_WORKLOAD_PERIOD, RolloutTurns
from rollouts.runtime.workloads import checked
from tests.shell.objects import a_deployment, a_referring_rollout, a_rollout, an_object, entry
from tests.shell.pictures import WEB, a_cache, seen_of, snapshots_of

TEMPLATE = a_deployment()["spec"]["template"]
SELECTOR = {"matchLabels": {"app": "web"}}


def a_pod_template(name: str = "web") -> dict[str, Any]:
    """A PodTemplate of the app `web`."""
    return an_object(POD_TEMPLATES, name, template=TEMPLATE)


def a_plain_replica_set(name: str = "web") -> dict[str, Any]:
    """A ReplicaSet that is no version of any Rollout."""
    spec = {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}
    return an_object(REPLICA_SETS, name, spec=spec, status={"readyReplicas": 1})


def test_template_and_selector_come_from_a_deployment() -> None:
    """What is decided on is whole; the first version is made from the Deployment's template."""
    deployment = a_deployment(status={"readyReplicas": 2})
    seen = seen_of(a_referring_rollout(), deployment)
    assert seen.problems == ()
    assert seen.rollout.spec.template == TEMPLATE
    assert seen.rollout.spec.selector == SELECTOR
    version = deployment["metadata"]["resourceVersion"]
    assert seen.workload == Workload(
        kind="Deployment", name="web", resource_version=version, generation=1, wanted=3, ready=2
    )
    (created,) = [each for each in decide(seen, now=utc_now()).actions if isinstance(each, actions.CreateReplicaSet)]
    assert created.manifest["spec"]["template"]["spec"] == TEMPLATE["spec"]


def test_nothing_that_is_written_to_the_rollout_holds_the_template() -> None:
    """Its own spec stays what its author wrote."""
    plan = decide(seen_of(a_referring_rollout(), a_deployment()), now=utc_now())
    patches = [each.patch for each in plan.actions if isinstance(each, actions.PatchRollout)]
    assert patches and all(list(patch) == ["metadata"] for patch in patches)


def test_a_selector_of_its_own_is_kept() -> None:
    """It must match the workload's template all the same."""
    rollout = a_referring_rollout()
    rollout["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    seen = seen_of(rollout, a_deployment())
    assert seen.rollout.spec.selector == {"matchLabels": {"app": "other"}}
    assert [finding.message for finding in seen.problems] == ["`selector` does not match template `labels`"]


def test_a_replica_set_is_read_for_the_turn() -> None:
    """Only versions are watched; what was read counts."""
    read = Read(workload=entry(a_plain_replica_set()))
    seen = seen_of(a_referring_rollout(kind=REPLICA_SETS), read=read)
    assert seen.problems == ()
    assert seen.rollout.spec.template == TEMPLATE
    assert seen.workload is not None and (seen.workload.wanted, seen.workload.ready) == (2, 1)


def test_a_pod_template_brings_no_selector() -> None:
    """The Rollout has one of its own, or is told so."""
    rollout = a_referring_rollout(kind=POD_TEMPLATES)
    (finding,) = seen_of(rollout, a_pod_template()).problems
    assert finding.text == "spec.selector: Required value: Rollout has missing field '.spec.selector'"
    rollout["spec"]["selector"] = SELECTOR
    seen = seen_of(rollout, a_pod_template())
    assert seen.problems == () and seen.rollout.spec.template == TEMPLATE
    assert seen.workload is not None and seen.workload.wanted == 0


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            'spec.workloadRef.name: Invalid value: "web": deployments.apps "web" not found',
        ),
        (
            {"apiVersion": "v1", "kind": "PodTemplate", "name": "web"},
            'spec.workloadRef.name: Invalid value: "web": podtemplates "web" not found',
        ),
        (
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"},
            'spec.workloadRef.kind: Invalid value: "StatefulSet": workload of type apps/StatefulSet is not supported',
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            "spec.workloadRef.name: Required value: the workload must be named",
        ),
    ],
)
def test_a_workload_that_is_not_there_makes_the_spec_invalid(reference: dict[str, str], text: str) -> None:
    """With its path; nothing is made, and nothing is taken away."""
    rollout = a_referring_rollout()
    rollout["spec"]["workloadRef"] = reference
    plan = decide(seen_of(rollout), now=utc_now())
    assert plan.actions == ()
    assert plan.status.message == f'InvalidSpec: The Rollout "web" is invalid: {text}'


def test_a_template_beside_a_reference_is_refused() -> None:
    """Which of both is meant nobody could tell."""
    rollout = a_referring_rollout()
    rollout["spec"]["template"] = {"metadata": {"labels": {"app": "web"}}}
    (finding,) = seen_of(rollout, a_deployment()).problems
    assert finding.text == "spec.template: Internal error: template must be empty for workload reference rollout"


def test_the_generation_that_is_answered_is_said() -> None:
    """On the Rollout and in its status: clients compare the two. Without a reference the status says nothing."""
    rollout, deployment = a_referring_rollout(), a_deployment(metadata={"generation": 7})
    plan = decide(seen_of(rollout, deployment), now=utc_now())
    said = _annotations(plan)
    assert said["rollout.argoproj.io/workload-generation"] == "7"
    assert plan.status.workload_observed_generation == "7"
    rollout["metadata"]["annotations"] = said
    assert _annotations(decide(seen_of(rollout, deployment), now=utc_now())) == {}
    alone = a_rollout(status={"workloadObservedGeneration": "7"})
    assert decide(seen_of(alone), now=utc_now()).status.workload_observed_generation == ""


def _annotations(plan: Plan[RolloutStatus]) -> dict[str, str]:
    """What a plan writes on the Rollout."""
    patches = [each.patch for each in plan.actions if isinstance(each, actions.PatchRollout)]
    return {key: value for patch in patches for key, value in patch["metadata"]["annotations"].items()}


def test_pods_that_come_and_go_parse_nothing_again() -> None:
    """A workload's status changes often; what is parsed hangs on its generation."""
    rollout = entry(a_referring_rollout())
    before = checked(rollout, entry(a_deployment()))
    assert checked(rollout, entry(a_deployment(status={"readyReplicas": 1}))) is before
    after = checked(rollout, entry(a_deployment(image="app:2", metadata={"generation": 2})))
    assert after is not before and after[0].spec.template != before[0].spec.template
    assert checked(rollout, None) is not after


def turns(
    *objects: dict[str, Any],
    workload: dict[str, Any] | ApiError,
    unreadable: dict[Kind, str] | None = None,
    meanwhile: dict[str, Any] | None = None,
) -> RolloutTurns:
    """Turns of the Rollout `web`, with the answer to a read of its workload, and what a watch tells meanwhile."""
    cache = a_cache(*objects)

    async def read_workload(kind: Kind, key: Key) -> Json:
        if meanwhile is not None:
            cache.put(entry(meanwhile))
        if isinstance(workload, ApiError):
            raise workload
        return workload

    async def no_pods(namespace: str, selector: str) -> list[Json]:
        return []

    return RolloutTurns(
        cache,
        snapshots_of(cache, unreadable),
        decide=lambda seen, now: decide(seen, now=now),
        wants_pods=lambda rollout, versions: False,
        list_pods=no_pods,
        read_workload=read_workload,
    )


async def test_an_unwatched_workload_is_looked_at_again() -> None:
    """No event tells of its changes, so there is an appointment."""
    turn = await turns(a_referring_rollout(kind=REPLICA_SETS), workload=a_plain_replica_set()).take(WEB, utc_now)
    assert turn is not None and turn.plan.requeue_at is not None
    assert turn.plan.requeue_at <= utc_now() + UNWATCHED_WORKLOAD_PERIOD
    assert any(isinstance(each, actions.CreateReplicaSet) for each in turn.plan.actions)


async def test_a_workload_of_an_earlier_spec_is_not_decided_on() -> None:
    """What the Rollout names now was not read, which is not the same as missing."""
    later = a_referring_rollout(kind=REPLICA_SETS, workload="other")
    later["metadata"] |= {"generation": 2, "resourceVersion": "1000000"}
    rollout = a_referring_rollout(kind=REPLICA_SETS)
    with pytest.raises(Conflict, match="changed while"):
        await turns(rollout, workload=a_plain_replica_set(), meanwhile=later).take(WEB, utc_now)
    after = await turns(rollout, workload=a_plain_replica_set(), meanwhile=rollout).take(WEB, utc_now)
    assert after is not None


async def test_a_workload_that_is_gone_is_an_answer() -> None:
    """Unlike one that could not be read."""
    rollout = a_referring_rollout(kind=REPLICA_SETS)
    turn = await turns(rollout, workload=NotFound("no")).take(WEB, utc_now)
    assert turn is not None and 'replicasets.apps "web" not found' in turn.after["message"]


@pytest.mark.parametrize("kind", [REPLICA_SETS, DEPLOYMENTS])
async def test_a_workload_that_cannot_be_read_is_waited_for(kind: Kind) -> None:
    """It is not missing: nothing is decided, and the Rollout says why."""
    unreadable = {DEPLOYMENTS: "the server is away"}
    taking = turns(a_referring_rollout(kind=kind), workload=Unreachable("the server is away"), unreadable=unreadable)
    turn = await taking.take(WEB, utc_now)
    assert turn is not None and turn.plan.actions == () and turn.plan.requeue_at is not None
    said = {each["type"]: (each["status"], each["reason"]) for each in turn.after["conditions"]}
    assert said == dict.fromkeys(("Ready", "Reconciling", "Stalled"), ("Unknown", "WorkloadUnreadable"))
    assert "the server is away" in turn.after["conditions"][0]["message"]


async def test_rollouts_with_a_template_of_their_own_do_not_wait_for_workloads() -> None:
    """That Deployments are out of sight concerns those that need them."""
    unreadable = {DEPLOYMENTS: "not permitted", POD_TEMPLATES: "not permitted"}
    turn = await turns(a_rollout(), workload=NotFound("no"), unreadable=unreadable).take(WEB, utc_now)
    assert turn is not None and turn.plan.actions
