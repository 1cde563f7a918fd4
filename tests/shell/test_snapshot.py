"""From the cache to what the core sees."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api.analysis import AnalysisTemplate, TemplateRef
from rollouts.core.decide import decide
from rollouts.core.observed import Unreadable
from rollouts.kube.errors import NotFound, Unreachable
from rollouts.kube.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, REPLICA_SETS, ROLLOUTS, Key, Kind
from rollouts.runtime.cache import Json
from rollouts.runtime.clock import utc_now
from rollouts.runtime.snapshot import pods_of
from rollouts.runtime.turns import RolloutTurns
from tests.shell.objects import a_replica_set, a_rollout, a_run, a_template, owned_by
from tests.shell.pictures import WEB, a_cache, seen_of, snapshots_of


def test_own_replica_sets_and_matching_orphans_are_seen_oldest_first() -> None:
    """Those of others and orphans that do not match are not."""
    stranger = a_replica_set("web-3")
    stranger["metadata"]["labels"] = {"app": "other"}
    old = {"creationTimestamp": "2025-01-01T00:00:00Z"}
    seen = seen_of(
        a_rollout(),
        a_replica_set("web-1", metadata=owned_by("web")),
        a_replica_set("web-2", metadata=old),
        stranger,
        a_replica_set("api-1", metadata=owned_by("api")),
    )
    assert [(each.name, each.is_owned, each.is_selected) for each in seen.replica_sets] == [
        ("web-2", False, True),
        ("web-1", True, True),
    ]


def test_names_that_others_hold_are_seen() -> None:
    """A ReplicaSet we would name so, which is not ours."""
    seen = seen_of(a_rollout(), a_replica_set("web-1", metadata=owned_by("web", uid="an earlier web")))
    assert seen.replica_sets == ()
    assert list(seen.names_taken) == ["web-1"]


def test_a_spec_without_selector_adopts_nothing() -> None:
    """An empty selector would match every orphan in the namespace."""
    rollout = a_rollout()
    del rollout["spec"]["selector"]
    seen = seen_of(rollout, a_replica_set("web-1"))
    assert seen.replica_sets == ()
    assert seen.problems


def test_runs_that_cannot_be_read_are_not_absent() -> None:
    """Unreadable, with the reason."""
    seen = seen_of(a_rollout(), unreadable={ANALYSIS_RUNS: "not permitted"})
    assert seen.analysis_runs == Unreadable(why="not permitted")


def test_own_runs_are_seen() -> None:
    """And nobody else's."""
    seen = seen_of(a_rollout(), a_run("a", metadata=owned_by("web")), a_run("b", metadata=owned_by("api")))
    assert not isinstance(seen.analysis_runs, Unreadable)
    assert [run.meta.name for run in seen.analysis_runs] == ["a"]


def rollout_using(name: str) -> dict[str, Any]:
    """A Rollout whose analysis step names a template."""
    rollout = a_rollout()
    rollout["spec"]["strategy"]["canary"]["steps"] = [{"analysis": {"templates": [{"templateName": name}]}}]
    return rollout


def test_templates_are_seen_through_templates() -> None:
    """What does not exist is missing; circles end."""
    seen = seen_of(
        rollout_using("a"),
        a_template("a", templates=[{"templateName": "b"}, {"templateName": "none"}]),
        a_template("b", templates=[{"templateName": "a"}]),
    )
    assert sorted(ref.template_name for ref in seen.templates) == ["a", "b"]
    assert all(isinstance(template, AnalysisTemplate) for template in seen.templates.values())


def test_templates_that_cannot_be_read_are_not_missing() -> None:
    """Neither when the kind is unreadable, nor when the template's own spec is."""
    ref = TemplateRef(template_name="a", cluster_scope=False)
    seen = seen_of(rollout_using("a"), unreadable={ANALYSIS_TEMPLATES: "not permitted"})
    assert seen.templates[ref] == Unreadable(why="not permitted")
    broken = seen_of(rollout_using("a"), a_template("a", metrics="none"))
    found = broken.templates[ref]
    assert isinstance(found, Unreadable) and "spec.metrics" in found.why


def test_templates_beyond_the_bound_are_not_missing() -> None:
    """They were not looked for."""
    names = [{"templateName": f"t-{number}"} for number in range(60)]
    seen = seen_of(rollout_using("a"), a_template("a", templates=names), *(a_template(f"t-{n}") for n in range(60)))
    assert len(seen.templates) == 61
    beyond = [each for each in seen.templates.values() if isinstance(each, Unreadable)]
    assert len(beyond) == 11 and "more than 50 templates" in beyond[0].why


def test_pods_that_have_ended_do_not_count() -> None:
    """A pod is available when its Ready condition is True."""
    ready = {"type": "Ready", "status": "True"}
    pods = pods_of(
        [
            {"metadata": {"name": "a", **owned_by("rs")}, "status": {"phase": "Running", "conditions": [ready]}},
            {"metadata": {"name": "b"}, "status": {"phase": "Pending"}},
            {"metadata": {"name": "c"}, "status": {"phase": "Failed"}},
        ]
    )
    assert [(pod.name, pod.is_available, pod.replica_set_uid) for pod in pods] == [
        ("a", True, "uid-rs"),
        ("b", False, ""),
    ]


async def test_nothing_is_decided_on_versions_that_are_out_of_sight() -> None:
    """A cluster that does not let us list ReplicaSets is not one without them: all would be a first deployment."""
    why = {REPLICA_SETS: "replicasets cannot be listed: forbidden"}
    turns = turns_while(why)
    turn = await turns.take(WEB, utc_now)
    assert turn is not None and turn.plan.actions == () and turn.plan.requeue_at is not None
    said = {each["type"]: (each["status"], each["message"]) for each in turn.after["conditions"]}
    words = "replicasets cannot be listed: forbidden; nothing is decided meanwhile"
    assert said == dict.fromkeys(("Ready", "Reconciling", "Stalled"), ("Unknown", words))
    why.clear()
    turn = await turns.take(WEB, utc_now)
    assert turn is not None and turn.plan.actions


async def test_rollouts_that_are_out_of_sight_get_no_turn() -> None:
    """What is known of them may be wrong, and their status is theirs."""
    why = {ROLLOUTS: "rollouts cannot be listed: forbidden"}
    turns = turns_while(why)
    with pytest.raises(Unreachable, match="cannot be listed"):
        await turns.take(WEB, utc_now)


@pytest.mark.parametrize(("status", "is_new"), [({}, True), ({"phase": "Healthy"}, False)])
async def test_a_rollout_that_comes_and_one_that_goes_are_told_of(status: Json, *, is_new: bool) -> None:
    """In the words that clients know; one that has a status has come before, whoever told of it."""
    turns = turns_while({}, status=status)
    turn = await turns.take(WEB, utc_now)
    assert turn is not None
    assert ("RolloutAddedToInformer" in [note.reason for note in turn.plan.notes]) == is_new
    (note,) = turns.gone(WEB, "uid")
    assert (note.reason, note.message) == ("RolloutDeleted", "Rollout web/default is deleted.")


def turns_while(unreadable: dict[Kind, str], **rollout: Any) -> RolloutTurns:
    """Turns of the Rollout `web`, while these kinds cannot be seen."""
    cache = a_cache(a_rollout(**rollout))
    return RolloutTurns(
        cache,
        snapshots_of(cache, unreadable),
        decide=lambda seen, now: decide(seen, now=now),
        wants_pods=lambda rollout, versions: False,
        list_pods=no_pods,
        read_workload=no_workload,
    )


async def no_workload(kind: Kind, key: Key) -> Json:
    raise NotFound("not found")


async def no_pods(namespace: str, selector: str) -> list[Json]:
    return []
