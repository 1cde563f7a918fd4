"""Experiments between the core and the API server: seen or not seen, started, ended and deleted as was meant."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.core import actions
from rollouts.core.observed import Unreadable
from rollouts.kube.applier import Applier, Found, Gone, Nothing, Stored
from rollouts.kube.client import AlwaysOpen, Writer
from rollouts.kube.kinds import EXPERIMENTS, ROLLOUTS, Key
from rollouts.runtime.cache import Cache, Change
from rollouts.runtime.triggers import Trigger, Triggers
from tests.shell.clusters import LOOSE_CRDS, a_cluster, read
from tests.shell.objects import a_replica_set, a_rollout, an_object, entry, owned_by
from tests.shell.pictures import seen_of

NS = "default"
STEP = {"experiment": {"templates": [{"name": "new", "specRef": "canary"}]}}


def an_experiment(name: str, **metadata: Any) -> dict[str, Any]:
    return an_object(EXPERIMENTS, name, metadata=metadata, spec={"templates": []})


def an_experimenting_rollout() -> dict[str, Any]:
    rollout = a_rollout()
    rollout["spec"]["strategy"] = {"canary": {"steps": [{"setWeight": 50}, STEP]}}
    return rollout


def test_experiments_of_a_rollout_are_its_own() -> None:
    """Oldest first; those of others are not among them."""
    late, early = {"creationTimestamp": "2026-01-02T00:00:00Z"}, {"creationTimestamp": "2026-01-01T00:00:00Z"}
    seen = seen_of(
        an_experimenting_rollout(),
        an_experiment("b", **owned_by("web"), **early),
        an_experiment("a", **owned_by("web"), **late),
        an_experiment("c", **owned_by("other")),
        an_experiment("d"),
    )
    assert not isinstance(seen.experiments, Unreadable)
    assert [each.meta.name for each in seen.experiments] == ["b", "a"]


def test_experiments_that_cannot_be_read_are_not_absent() -> None:
    """Unreadable, with the reason."""
    seen = seen_of(an_experimenting_rollout(), unreadable={EXPERIMENTS: "not permitted"})
    assert seen.experiments == Unreadable(why="not permitted")


def test_a_name_that_somebody_else_holds_is_known() -> None:
    """Every name that the next experiment of a step could get: first and later attempts, at places with experiments."""
    version = a_replica_set("web-1", metadata={**owned_by("web"), "annotations": {"rollout.argoproj.io/revision": "2"}})
    names = ("web-1-2-1", "web-1-2-1-3", "web-1-2-0-1", "unrelated")
    mine = an_experiment("web-1-2-1-1", **owned_by("web"))
    seen = seen_of(an_experimenting_rollout(), version, mine, *(an_experiment(name) for name in names))
    assert seen.experiment_names_taken == {"web-1-2-1", "web-1-2-1-3"}


@pytest.mark.parametrize(("phase", "is_urgent"), [("Running", False), ("Successful", False), ("Failed", True)])
def test_an_experiment_leads_to_its_rollout(phase: str, is_urgent: bool) -> None:  # noqa: FBT001 - a table's column
    """Its failure overtakes, since it takes pods away."""
    stored = {**an_experiment("x", **owned_by("web")), "status": {"phase": phase}}
    triggers = Triggers(Cache(), lambda each: ())
    found = triggers.of(Change(None, entry(stored)))
    assert found == {Trigger(ROLLOUTS, Key(NS, "web"), is_urgent=is_urgent)}


async def test_an_experiment_is_started_ended_and_deleted() -> None:
    """Started twice it is found, ended by its spec, deleted by its uid; one that is gone needs neither."""
    async with a_cluster(*LOOSE_CRDS) as (_, client):
        applier = Applier(Writer(client, AlwaysOpen()))
        manifest = an_experiment("x")
        manifest["metadata"] = {"name": "x", "namespace": NS}
        create = actions.CreateExperiment(name="x", manifest=manifest)
        first = await applier.create_experiment(NS, create)
        assert isinstance(first, Stored) and isinstance(await applier.create_experiment(NS, create), Found)
        await applier.terminate_experiment(NS, actions.TerminateExperiment(name="x"))
        assert (await read(client, EXPERIMENTS, "x"))["spec"]["terminate"] is True
        assert isinstance(await applier.terminate_experiment(NS, actions.TerminateExperiment(name="gone")), Nothing)
        await applier.delete_experiment(NS, actions.DeleteExperiment(name="x", uid="another"))
        uid = (await read(client, EXPERIMENTS, "x"))["metadata"]["uid"]
        for _ in range(2):
            assert isinstance(await applier.delete_experiment(NS, actions.DeleteExperiment(name="x", uid=uid)), Gone)
