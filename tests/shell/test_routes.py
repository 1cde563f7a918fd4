"""Routers in front of the copy of the cluster: what they see, what they complain of, and what they would write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from rollouts.api import parse
from rollouts.api.codec import Problem
from rollouts.api.traffic import used_sections
from rollouts.core.decide import decide
from rollouts.core.observed import Service, Unreadable
from rollouts.kube.errors import Conflict
from rollouts.kube.kinds import INGRESSES, SERVICES
from rollouts.ports import (
    Destination,
    Manifest,
    ObjectRef,
    Objects,
    Subject,
    Told,
    TrafficIntent,
    TrafficSeen,
    Unknown,
)
from rollouts.runtime.cache import Cache
from rollouts.runtime.clock import utc_now
from rollouts.runtime.routes import Roads, Routes
from tests.shell.objects import a_routed_rollout, a_service, an_ingress, entry, owned_by
from tests.shell.pictures import NGINX, picture_of, seen_of

WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"
SERVICE_PAIR = (a_service("web-canary", version="2"), a_service("web-stable", version="1"))


def an_intent(weight: int) -> TrafficIntent:
    """So much of a hundred for the canary."""
    return TrafficIntent(
        canary=Destination(service="web-canary", pod_hash="2", weight=weight),
        stable=Destination(service="web-stable", pod_hash="1", weight=100 - weight),
    )


def written(roads: Roads, weight: int) -> list[tuple[str, Manifest, str | None]]:
    """Names, bodies and versions of what puts a weight in force."""
    return [(write.name, write.body, write.seen_version) for write in roads.writes(an_intent(weight))]


def a_canary_ingress(weight: int, **annotations: str) -> dict[str, Any]:
    """The canary Ingress of the Rollout `web`, as it is at a weight."""
    _, roads = picture_of(a_routed_rollout(), *SERVICE_PAIR, an_ingress())
    ((name, manifest, _),) = written(roads, weight)
    meta = {**manifest["metadata"], "annotations": {**manifest["metadata"]["annotations"], **annotations}}
    server = {"uid": f"uid-{name}", "resourceVersion": "77", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {**manifest, "metadata": {**meta, **server}, "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}


def test_services_of_the_strategy_are_seen() -> None:
    """By name, with what a decision needs; what does not exist is missing."""
    stable = a_service("web-stable", version="1")
    stable["metadata"]["annotations"] = {"argo-rollouts.argoproj.io/managed-by-rollouts": "web", "other": "x"}
    seen = seen_of(a_routed_rollout(), stable, a_service("else"), an_ingress())
    assert seen.services == {
        "web-stable": Service(
            name="web-stable",
            resource_version=stable["metadata"]["resourceVersion"],
            selector={"app": "web", "rollouts-pod-template-hash": "1"},
            annotations={"argo-rollouts.argoproj.io/managed-by-rollouts": "web"},
        )
    }


def test_services_that_cannot_be_read_are_not_missing() -> None:
    """Each that is named is Unreadable, with the reason."""
    seen = seen_of(a_routed_rollout(), unreadable={SERVICES: "not permitted"})
    why = Unreadable(why="not permitted")
    assert seen.services == {"web-canary": why, "web-stable": why}


def test_weights_are_read_from_the_objects() -> None:
    """Before the canary's Ingress exists all traffic is stable's."""
    objects = (a_routed_rollout(), *SERVICE_PAIR, an_ingress())
    assert seen_of(*objects).routes == {"nginx": TrafficSeen(canary=0, stable=100)}
    assert seen_of(*objects, a_canary_ingress(20)).routes == {"nginx": TrafficSeen(canary=20, stable=80)}


def test_routes_that_cannot_be_read_are_unknown() -> None:
    """And no problem of the user's: nobody knows yet."""
    seen, roads = picture_of(a_routed_rollout(), *SERVICE_PAIR, unreadable={INGRESSES: "not permitted"})
    found = seen.routes["nginx"]
    assert isinstance(found, Unknown) and "not permitted" in found.why
    assert seen.route_problems == ()
    with pytest.raises(Conflict, match="not permitted"):
        written(roads, 20)


def test_what_is_wrong_with_a_section_has_its_path() -> None:
    """As an internal contradiction, which is what clients know it as."""
    seen = seen_of(a_routed_rollout(stableIngresses=["a"]), *SERVICE_PAIR, an_ingress())
    assert [finding.text for finding in seen.route_problems] == [
        "spec.strategy.canary.trafficRouting.nginx: Internal error: "
        "Either StableIngress or StableIngresses must be configured. Both are configured."
    ]
    plan = decide(seen, now=utc_now())
    assert plan.actions == ()
    assert plan.status.message.endswith(seen.route_problems[0].text)


def test_what_is_wrong_with_a_value_of_a_section_shows_it() -> None:
    """No contradiction, but a value that nothing can be made of."""
    seen = seen_of(a_routed_rollout(annotationPrefix="a b"), *SERVICE_PAIR, an_ingress())
    (finding,) = seen.route_problems
    assert finding.text.startswith(
        'spec.strategy.canary.trafficRouting.nginx.annotationPrefix: Invalid value: "a b": annotation `a b/canary`'
    )


def test_what_is_wrong_with_an_object_shows_who_named_it() -> None:
    """Path and value are those of the section."""
    seen = seen_of(a_routed_rollout(), *SERVICE_PAIR, an_ingress(service="other"))
    assert [finding.text for finding in seen.route_problems] == [
        'spec.strategy.canary.trafficRouting.nginx.stableIngress: Invalid value: "web": '
        "ingress `web` has no rules using service web-stable backend"
    ]
    assert decide(seen, now=utc_now()).actions == ()


def test_a_spec_that_is_invalid_by_itself_says_so_first() -> None:
    """Only the first finding is shown."""
    rollout = a_routed_rollout(stableIngress="")
    rollout["spec"]["minReadySeconds"] = -1
    assert "minReadySeconds" in decide(seen_of(rollout), now=utc_now()).status.message


def test_a_router_without_code_is_refused_by_name() -> None:
    """A plugin by the name of the plugin; nothing is made meanwhile."""
    rollout = a_routed_rollout()
    routing = rollout["spec"]["strategy"]["canary"]["trafficRouting"]
    routing["plugins"] = {"example.com/mesh": {}}
    seen = seen_of(rollout, *SERVICE_PAIR, an_ingress())
    assert seen.routers_unserved == {"example.com/mesh"}
    plan = decide(seen, now=utc_now())
    assert plan.actions == ()
    where = "spec.strategy.canary.trafficRouting.plugins['example.com/mesh']"
    assert f"{where}: Forbidden: not carried out by this version" in plan.status.message


def test_routers_are_applied_in_the_order_of_the_field() -> None:
    """Istio first, plugins last, whatever the order in the manifest."""
    rollout = a_routed_rollout()
    canary = rollout["spec"]["strategy"]["canary"]
    canary["trafficRouting"] = {"plugins": {"z": {}, "a": {}}, "smi": {}, "alb": {}, "nginx": {}, "istio": {}}
    strategy = parse.parse_rollout(rollout).value.spec.strategy
    found = [section.router for section in used_sections(getattr(strategy, "traffic_routing", None))]
    assert found == ["istio", "nginx", "alb", "smi", "z", "a"]


def test_what_does_not_exist_is_created_with_its_owner() -> None:
    """The Rollout controls it, so it goes with the Rollout."""
    _, roads = picture_of(a_routed_rollout(), *SERVICE_PAIR, an_ingress())
    ((name, manifest, version),) = written(roads, 20)
    assert (name, version) == ("web-web-canary", None)
    assert manifest["metadata"]["annotations"][WEIGHT] == "20"
    (owner,) = manifest["metadata"]["ownerReferences"]
    assert owner["kind"] == "Rollout" and owner["name"] == "web" and owner["controller"] is True


def test_only_what_differs_is_written() -> None:
    """In the version that was seen; what others put there stays."""
    live = a_canary_ingress(20, theirs="kept")
    _, roads = picture_of(a_routed_rollout(), *SERVICE_PAIR, an_ingress(), live)
    assert written(roads, 20) == []
    assert written(roads, 40) == [("web-web-canary", {"metadata": {"annotations": {WEIGHT: "40"}}}, "77")]


def test_a_write_has_the_words_of_its_router() -> None:
    """A new canary Ingress, and one that changes."""
    objects = (a_routed_rollout(), *SERVICE_PAIR, an_ingress())
    (made,) = picture_of(*objects)[1].writes(an_intent(20))
    assert made.told == Told(
        reason="CreatingCanaryIngress", message="Creating canary ingress `web-web-canary` with weight `20`"
    )
    (changed,) = picture_of(*objects, a_canary_ingress(20))[1].writes(an_intent(40))
    assert changed.told == Told(
        reason="PatchingCanaryIngress", message="Updating Ingress `web-web-canary` to desiredWeight '40'"
    )


def test_a_member_that_is_no_longer_wanted_goes() -> None:
    """The stable Ingress lost its class."""
    stable = an_ingress()
    live = a_canary_ingress(20)
    del stable["spec"]["ingressClassName"]
    _, roads = picture_of(a_routed_rollout(), *SERVICE_PAIR, stable, live)
    assert written(roads, 20) == [("web-web-canary", {"spec": {"ingressClassName": None}}, "77")]


def test_an_ingress_of_somebody_else_is_left_alone() -> None:
    """That is a finding, and nothing is planned."""
    live = a_canary_ingress(20)
    live["metadata"] |= owned_by("another")
    seen = seen_of(a_routed_rollout(), *SERVICE_PAIR, an_ingress(), live)
    assert "controlled by different object" in decide(seen, now=utc_now()).status.message


@dataclass(frozen=True)
class Wanderer:
    """A router that looks where its section says, if it does not fail."""

    schema: ClassVar[Mapping[str, Any]] = {}
    fails: bool = False

    def parse(self, section: Mapping[str, Any], subject: Subject) -> ObjectRef:
        if self.fails:
            raise KeyError("a bug")
        kind = str(section.get("kind", "Ingress"))
        namespace = str(section.get("namespace", subject.namespace))
        return ObjectRef(api_version=INGRESSES.api_version, kind=kind, namespace=namespace, name="web")

    def reads(self, config: ObjectRef) -> tuple[ObjectRef, ...]:
        return (config,)

    def problems(self, config: ObjectRef, objects: Objects) -> tuple[Problem, ...]:
        return ()

    def observe(self, config: ObjectRef, objects: Objects) -> TrafficSeen | Unknown:
        found = objects.get(config)
        return found if isinstance(found, Unknown) else TrafficSeen(canary=0, stable=100)

    def render(self, config: ObjectRef, intent: TrafficIntent, objects: Objects) -> tuple[Manifest, ...]:
        return ()

    def tell(self, config: ObjectRef, intent: TrafficIntent, manifest: Manifest, live: Manifest | None) -> None:
        return None


def a_wandering_rollout(**section: str) -> dict[str, Any]:
    """A Rollout with a plugin that looks where it is told to."""
    rollout = a_routed_rollout()
    rollout["spec"]["strategy"]["canary"]["trafficRouting"] = {"plugins": {"wanderer": section}}
    return rollout


@pytest.mark.parametrize("section", [{"namespace": "other"}, {"kind": "Gateway"}])
def test_no_router_looks_further_than_it_may(section: dict[str, str]) -> None:
    """Not into other namespaces, and not at kinds that nobody watches: that is unknown, never absent."""
    seen = seen_of(a_wandering_rollout(**section), an_ingress(), routers={"wanderer": Wanderer()})
    assert isinstance(seen.routes["wanderer"], Unknown)


def test_a_routers_bug_hides_no_event_of_a_rollout() -> None:
    """What it reads is unknown then; the turn of this Rollout fails, where it is counted."""
    routers = {**NGINX, "wanderer": Wanderer(fails=True)}
    rollout = a_wandering_rollout()
    rollout["spec"]["strategy"]["canary"]["trafficRouting"]["nginx"] = {"stableIngress": "web"}

    routes = Routes(routers, Cache(), unreadable=lambda kind: None)
    assert {key.name for _, key in routes.reads(entry(rollout))} == {"web", "web-web-canary"}
    with pytest.raises(KeyError):
        seen_of(rollout, routers=routers)
