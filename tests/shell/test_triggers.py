"""From an event to the keys it concerns."""

from __future__ import annotations

import pytest

from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    POD_TEMPLATES,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Key,
    Kind,
)
from rollouts.routers.nginx import Nginx
from rollouts.runtime.cache import Cache
from rollouts.runtime.routes import Routes
from rollouts.runtime.triggers import Trigger, Triggers
from tests.shell.objects import (
    a_deployment,
    a_referring_rollout,
    a_replica_set,
    a_rollout,
    a_routed_rollout,
    a_run,
    a_service,
    a_template,
    an_ingress,
    an_object,
    entry,
    kind_of,
    owned_by,
)

WEB = Trigger(ROLLOUTS, Key("default", "web"))


class World:
    """A cache and its triggers."""

    def __init__(self) -> None:
        self.cache = Cache()
        routes = Routes({"nginx": Nginx()}, self.cache, unreadable=lambda kind: None)
        self.triggers = Triggers(self.cache, routes.reads)

    def put(self, stored: dict[str, object]) -> set[Trigger]:
        """Whom it concerns that the object is so now."""
        change = self.cache.put(entry(stored))
        assert change is not None, kind_of(stored)
        return self.triggers.of(change)

    def drop(self, kind: Kind, name: str) -> set[Trigger]:
        """Whom it concerns that the object is gone."""
        change = self.cache.drop(kind, Key("default", name))
        assert change is not None
        return self.triggers.of(change)


def using(*templates: str) -> dict[str, object]:
    """A Rollout whose analysis step names templates."""
    rollout = a_rollout()
    analysis = {"templates": [{"templateName": name} for name in templates]}
    rollout["spec"]["strategy"]["canary"]["steps"] = [{"analysis": analysis}]
    return rollout


def test_a_rollout_concerns_itself() -> None:
    """Also when it is gone."""
    world = World()
    assert world.put(a_rollout()) == {WEB}
    assert world.drop(ROLLOUTS, "web") == {WEB}


def test_a_replica_set_concerns_its_owner() -> None:
    """Made, changed or deleted."""
    world = World()
    assert world.put(a_replica_set("web-1", metadata=owned_by("web"))) == {WEB}
    assert world.drop(REPLICA_SETS, "web-1") == {WEB}


def test_a_change_of_owner_concerns_both() -> None:
    """The one who lost it may have to make another."""
    world = World()
    world.put(a_replica_set("web-1", metadata=owned_by("web")))
    other = world.put(a_replica_set("web-1", metadata=owned_by("api")))
    assert other == {WEB, Trigger(ROLLOUTS, Key("default", "api"))}


def test_replica_sets_of_others_concern_nobody() -> None:
    """A Deployment of the same name is somebody else."""
    world = World()
    deployments = Kind(group="apps", version="v1", name="Deployment", plural="deployments")
    assert world.put(a_replica_set("web-1", metadata=owned_by("web", kind=deployments))) == set()


def test_an_orphan_concerns_the_rollout_it_is_named_after() -> None:
    """It may be adopted."""
    world = World()
    assert world.put(a_replica_set("web-1")) == set()
    world.put(a_rollout())
    assert world.put(a_replica_set("web-1")) == {WEB}


def test_a_run_concerns_itself_and_its_owner() -> None:
    """The owner's gate waits for it."""
    world = World()
    assert world.put(a_run("check", metadata=owned_by("web"))) == {
        Trigger(ANALYSIS_RUNS, Key("default", "check")),
        WEB,
    }


def test_a_failed_run_makes_its_owner_urgent() -> None:
    """It is about to abort."""
    world = World()
    concerned = world.put(a_run("check", metadata=owned_by("web"), status={"phase": "Failed"}))
    assert Trigger(ROLLOUTS, Key("default", "web"), is_urgent=True) in concerned


def test_an_abort_is_urgent() -> None:
    """By kubectl plugin, or by annotation; not any more once it is carried out."""
    world = World()
    urgent = {Trigger(ROLLOUTS, Key("default", "web"), is_urgent=True)}
    assert world.put(a_rollout(status={"abort": True})) == urgent
    assert world.put(a_rollout(status={"abort": True, "abortedAt": "2026-01-01T00:00:00Z"})) == {WEB}
    assert world.put(a_rollout(metadata={"annotations": {"rollouts.io/abort": "now"}})) == urgent


def test_a_template_concerns_the_rollouts_that_name_it() -> None:
    """Before and after it exists, and no longer than they name it."""
    world = World()
    world.put(using("errors"))
    assert world.put(a_template("errors")) == {WEB}
    assert world.drop(ANALYSIS_TEMPLATES, "errors") == {WEB}
    world.put(using("latency"))
    assert world.put(a_template("errors")) == set()
    assert world.put(a_template("latency")) == {WEB}


def test_a_template_is_reached_through_templates() -> None:
    """A names B, B names C: C concerns whoever names A; circles end."""
    world = World()
    world.put(using("a"))
    world.put(a_template("a", templates=[{"templateName": "b"}]))
    world.put(a_template("b", templates=[{"templateName": "c"}, {"templateName": "a"}]))
    assert world.put(a_template("c")) == {WEB}


def test_a_template_that_many_name_concerns_all_of_them() -> None:
    """However many templates lie between: who is not told waits for ever."""
    world = World()
    world.put(using(*(f"user-{number}" for number in range(200))))
    for number in range(200):
        world.put(a_template(f"user-{number}", templates=[{"templateName": "shared"}]))
        rollout = {**using(f"user-{number}")}
        rollout["metadata"] = {**a_rollout(f"web-{number}")["metadata"]}
        world.put(rollout)
    assert len(world.put(a_template("shared"))) == 201


def test_a_cluster_template_is_not_its_namesake() -> None:
    """clusterScope decides which of the two is meant."""
    world = World()
    rollout = a_rollout()
    analysis = {"templates": [{"templateName": "errors", "clusterScope": True}]}
    rollout["spec"]["strategy"]["canary"]["analysis"] = analysis
    world.put(rollout)
    assert world.put(a_template("errors")) == set()


def test_a_service_concerns_the_rollouts_that_name_it() -> None:
    """Made, changed or deleted; other Services concern nobody."""
    world = World()
    world.put(a_routed_rollout())
    for name in ("web-canary", "web-stable"):
        assert world.put(a_service(name)) == {WEB}
    assert world.drop(SERVICES, "web-canary") == {WEB}
    assert world.put(a_service("web")) == set()


@pytest.mark.parametrize(
    "strategy",
    [
        {"canary": {"pingPong": {"pingService": "a", "pongService": "b"}}},
        {"blueGreen": {"activeService": "a", "previewService": "b"}},
    ],
)
def test_every_role_of_a_service_is_known(strategy: dict[str, object]) -> None:
    """Those that change places, and those of blue-green."""
    world = World()
    rollout = a_rollout()
    rollout["spec"]["strategy"] = strategy
    world.put(rollout)
    assert world.put(a_service("a")) == world.put(a_service("b")) == {WEB}


def test_an_ingress_concerns_the_rollouts_that_split_it() -> None:
    """The user's and the canary's beside it, and no longer than they are named."""
    world = World()
    world.put(a_routed_rollout())
    assert world.put(an_ingress()) == {WEB}
    assert world.put(an_ingress("web-web-canary")) == {WEB}
    world.put(a_routed_rollout(stableIngress="other"))
    assert world.put(an_ingress()) == set()
    assert world.put(an_ingress("other")) == {WEB}


def test_a_workload_concerns_the_rollouts_that_take_their_template_from_it() -> None:
    """Of its own kind only."""
    world = World()
    world.put(a_referring_rollout())
    assert world.put(a_deployment()) == {WEB}
    assert world.drop(DEPLOYMENTS, "web") == {WEB}
    assert world.put(an_object(POD_TEMPLATES, "web")) == set()


def test_a_malformed_rollout_names_what_can_be_read_of_it() -> None:
    """Whatever stands where names should be."""
    world = World()
    rollout = a_rollout()
    rollout["spec"] = {
        "workloadRef": ["web"],
        "strategy": {"canary": {"canaryService": 7, "stableService": "s", "pingPong": "x", "trafficRouting": "y"}},
    }
    assert world.put(rollout) == {WEB}
    assert world.put(a_service("s")) == {WEB}


def test_a_service_that_its_holder_does_not_name_is_looked_at_when_that_changes() -> None:
    """The Rollout has other Services now, acts on them, or is gone."""
    world = World()
    pointed = a_service("web-stable")
    pointed["metadata"]["annotations"] = {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"}
    stable = Trigger(SERVICES, Key("default", "web-stable"))
    world.put(a_routed_rollout())
    assert world.put(a_service("web-canary")) == {WEB}
    assert world.put(pointed) == {WEB, stable}
    assert world.put(a_rollout()) == {WEB, stable}
    assert world.put(a_rollout(status={"observedGeneration": "2"})) == {WEB, stable}
    assert world.put(a_routed_rollout()) == {WEB}
    assert world.drop(ROLLOUTS, "web") == {WEB, stable}
    assert world.drop(SERVICES, "web-stable") == {stable}
    assert world.drop(SERVICES, "web-canary") == set()
