"""Ingress-NGINX: the canary Ingress that stands beside a stable one, word by word."""

from __future__ import annotations

import copy
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api.codec import Problem
from rollouts.ports import (
    Destination,
    Manifest,
    ObjectRef,
    Objects,
    Subject,
    TrafficIntent,
    TrafficRouter,
    TrafficSeen,
    Unknown,
)
from rollouts.routers.nginx import NAME_MAX, Config, Nginx, canary_name
from tests.plugins.ingresses import Json, a_path, a_rule, a_subject, an_ingress, ingresses, ref_of

PREFIX = "nginx.ingress.kubernetes.io"
ROUTER: TrafficRouter[Config] = Nginx()
SECTION: Json = {"stableIngress": "shop"}
CANARY = "web-shop-canary"


def a_config(section: Json | None = None, subject: Subject | None = None) -> Config:
    """A sound section, read."""
    config = ROUTER.parse(section or SECTION, subject or a_subject())
    assert isinstance(config, Config), config
    return config


def refused(section: Json, subject: Subject | None = None) -> list[Problem]:
    """What is wrong with a section."""
    problems = ROUTER.parse(section, subject or a_subject())
    assert isinstance(problems, tuple)
    return list(problems)


def a_shop(**metadata: Any) -> Json:
    """An Ingress that leads to stable at `/` and to another Service at `/api`."""
    found = an_ingress("shop", a_rule(a_path("web-stable"), a_path("api", "/api")), a_rule(a_path("api"), host="api"))
    found["metadata"] |= metadata
    return found


def objects_of(*manifests: Manifest) -> dict[ObjectRef, Manifest | Unknown]:
    """What a snapshot would hold."""
    return {ref_of(manifest): manifest for manifest in manifests}


def rendered(weight: int, *manifests: Manifest, config: Config | None = None) -> Manifest:
    """The canary Ingress at a weight, beside these objects."""
    config = config or a_config()
    (found,) = ROUTER.render(config, an_intent(config.subject, weight), objects_of(*manifests))
    return found


def an_intent(subject: Subject, weight: int) -> TrafficIntent:
    """This weight for the canary."""
    return TrafficIntent(
        canary=Destination(service=subject.canary_service, pod_hash="new", weight=weight),
        stable=Destination(service=subject.stable_service, pod_hash="old", weight=subject.weight_max - weight),
        weight_max=subject.weight_max,
    )


def annotated(weight: str | None = "5", total: str | None = None, canary: str | None = "true") -> Manifest:
    """The canary Ingress with these annotations of ours."""
    found: Json = copy.deepcopy(dict(rendered(5, a_shop())))
    values = {"canary": canary, "canary-weight": weight, "canary-weight-total": total}
    found["metadata"]["annotations"] = {
        f"{PREFIX}/{name}": value for name, value in values.items() if value is not None
    }
    return found


def seen(*manifests: Manifest, config: Config | None = None) -> TrafficSeen | Unknown:
    """What is in force."""
    return ROUTER.observe(config or a_config(), objects_of(*manifests))


# The canary Ingress


def test_a_canary_ingress_repeats_the_rules_that_lead_to_stable() -> None:
    """Those paths lead to the canary, other paths of the rule stay, other rules do not; the Rollout controls it."""
    assert rendered(20, a_shop()) == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": CANARY,
            "namespace": "shop",
            "ownerReferences": [a_subject().owner],
            "annotations": {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "20"},
        },
        "spec": {"rules": [a_rule(a_path("web-canary"), a_path("api", "/api"))]},
    }


def test_class_and_tls_are_copied() -> None:
    """Whichever way the class is named; a change of either is followed, an end of it too."""
    shop = a_shop(annotations={"kubernetes.io/ingress.class": "nginx", "example.com/mine": "1"})
    shop["spec"] |= {"ingressClassName": "nginx", "tls": [{"hosts": ["a"], "secretName": "s"}]}
    canary = rendered(0, shop)
    assert canary["metadata"]["annotations"]["kubernetes.io/ingress.class"] == "nginx"
    assert "example.com/mine" not in canary["metadata"]["annotations"]
    assert {name: canary["spec"][name] for name in ("ingressClassName", "tls")} == {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["a"], "secretName": "s"}],
    }
    bare = rendered(0, a_shop(), canary)
    assert bare["spec"].keys() == {"rules"}
    assert bare["metadata"]["annotations"].keys() == {f"{PREFIX}/canary", f"{PREFIX}/canary-weight"}


def test_a_default_backend_stays_with_stable() -> None:
    """A canary's default backend would take requests of every Ingress without a host."""
    shop = a_shop()
    shop["spec"]["defaultBackend"] = a_path("web-stable")["backend"]
    assert "defaultBackend" not in rendered(20, shop)["spec"]


def test_annotations_of_the_section() -> None:
    """Additional ones get the prefix unless they have it, canary ones are taken as they are and win; ours are ours."""
    section = {
        **SECTION,
        "annotationPrefix": "nginx.example.com",
        "additionalIngressAnnotations": {
            "canary-by-header": "X-Canary",
            "nginx.example.com/canary-by-cookie": "canary",
            "affinity": "none",
            "canary-weight": "77",
        },
        "canaryIngressAnnotations": {"nginx.example.com/affinity": "cookie", "team": "shop"},
    }
    assert rendered(5, a_shop(), config=a_config(section))["metadata"]["annotations"] == {
        "nginx.example.com/canary": "true",
        "nginx.example.com/canary-weight": "5",
        "nginx.example.com/canary-by-header": "X-Canary",
        "nginx.example.com/canary-by-cookie": "canary",
        "nginx.example.com/affinity": "cookie",
        "team": "shop",
    }


@pytest.mark.parametrize(
    ("weight_max", "weight", "written"),
    [
        (100, 5, ("5", None)),
        (1000, 5, ("5", "1000")),
        (10**8, 12345678, ("12345678", "100000000")),
        (10, 5, ("50", "100")),
        (7, 3, ("45", "105")),
        (1, 1, ("100", "100")),
    ],
)
def test_max_traffic_weight_is_the_total(weight_max: int, weight: int, written: tuple[str, str | None]) -> None:
    """Ingress-NGINX takes a total below 100 for 100, so a smaller maximum is multiplied."""
    canary = rendered(weight, a_shop(), config=a_config(subject=a_subject(weight_max=weight_max)))
    annotations = canary["metadata"]["annotations"]
    assert (annotations[f"{PREFIX}/canary-weight"], annotations.get(f"{PREFIX}/canary-weight-total")) == written


def test_a_total_that_is_no_longer_asked_for_is_removed() -> None:
    """Else the same weight would be a smaller share."""
    canary = rendered(5, a_shop(), annotated(total="1000"))
    assert f"{PREFIX}/canary-weight-total" not in canary["metadata"]["annotations"]


def test_several_ingresses_have_a_canary_each() -> None:
    """One named twice has one."""
    config = a_config({"stableIngresses": ["shop", "internal", "shop"]})
    shop, internal = a_shop(), an_ingress("internal", a_rule(a_path("web-stable")))
    manifests = ROUTER.render(config, an_intent(config.subject, 20), objects_of(shop, internal))
    assert [manifest["metadata"]["name"] for manifest in manifests] == [CANARY, "web-internal-canary"]
    assert seen(shop, internal, *manifests, config=config) == TrafficSeen(canary=20, stable=80)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(shop=ingresses("shop", services=("web-stable", "api")), weight=st.integers(0, 100))
def test_it_is_an_ingress_for_the_api_server(shop: Json, weight: int) -> None:
    """Every canary Ingress has the shape of its kind."""
    kubernetes_validate.validate(rendered(weight, shop), "1.35", strict=True)


# Names


@pytest.mark.parametrize(
    ("rollout", "stable", "name"),
    [
        ("web", "shop", "web-shop-canary"),
        ("web", "x" * 242, f"web-{'x' * 242}-canary"),
        ("web", "x" * 253, f"web-{'x' * 242}-canary"),
        ("web", "x" * 241 + "." + "y" * 11, f"web-{'x' * 241}-canary"),
    ],
)
def test_names_fit(rollout: str, stable: str, name: str) -> None:
    """The end of what is too long is cut, and no dot stands before the suffix."""
    assert canary_name(rollout, stable) == name
    assert len(name) <= NAME_MAX


# What is wrong


@pytest.mark.parametrize(
    ("section", "which"),
    [
        ({}, "Neither"),
        ({"stableIngress": "", "stableIngresses": []}, "Neither"),
        ({"stableIngress": "a", "stableIngresses": ["b"]}, "Both"),
    ],
)
def test_one_way_of_naming_ingresses(section: Json, which: str) -> None:
    """In the words that clients know."""
    text = f"Either StableIngress or StableIngresses must be configured. {which} are configured."
    assert refused(section) == [Problem("", text)]


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ({"stableIngress": 5}, "stableIngress"),
        ({"stableIngress": None, "stableIngresses": ["a", 5]}, "stableIngresses[1]"),
        ({"stableIngress": None, "stableIngresses": [""]}, "stableIngresses[0]"),
        ({"additionalIngressAnnotations": {"a": 5}}, "additionalIngressAnnotations.a"),
        ({"additionalIngressAnnotations": {"a b": "c"}}, "additionalIngressAnnotations"),
        ({"canaryIngressAnnotations": {"a/b/c": "d"}}, "canaryIngressAnnotations"),
        ({"canaryIngressAnnotations": []}, "canaryIngressAnnotations"),
        ({"annotationPrefix": "not a name"}, "annotationPrefix"),
    ],
)
def test_problems_name_the_member(member: Json, path: str) -> None:
    """What cannot be read or written stands at its place."""
    assert [problem.path for problem in refused({**SECTION, **member})] == [path]


def test_the_total_is_for_the_rollout_to_say() -> None:
    """An annotation that contradicts maxTrafficWeight would change what every weight means."""
    section = {**SECTION, "additionalIngressAnnotations": {"canary-weight-total": "1000"}}
    (problem,) = refused(section)
    assert "maxTrafficWeight" in problem.message
    assert a_config(section, a_subject(weight_max=1000))


def test_two_ingresses_cannot_share_a_canary() -> None:
    """As names that are cut to the same length would."""
    (problem,) = refused({"stableIngresses": ["x" * 250, "x" * 251]})
    assert problem.path == "stableIngresses[1]"
    assert "is already that of ingress" in problem.message


def found_wrong(*manifests: Manifest, config: Config | None = None) -> list[Problem]:
    """What is wrong with users' objects."""
    return list(ROUTER.problems(config or a_config(), objects_of(*manifests)))


def test_a_missing_ingress_is_a_problem() -> None:
    """At the member that names it."""
    assert found_wrong() == [Problem("stableIngress", 'ingress.networking.k8s.io "shop" not found')]
    several = a_config({"stableIngresses": ["shop", "internal"]})
    (problem,) = found_wrong(a_shop(), config=several)
    assert problem.path == "stableIngresses[1]"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"rules": []},
        {"rules": [{"host": "a"}]},
        {"rules": [a_rule(a_path("api"))]},
        {"defaultBackend": a_path("web-stable")["backend"]},
    ],
)
def test_an_ingress_without_a_rule_to_split_is_a_problem(spec: Json) -> None:
    """A default backend is no rule."""
    text = "ingress `shop` has no rules using service web-stable backend"
    assert found_wrong({**a_shop(), "spec": spec}) == [Problem("stableIngress", text)]


@pytest.mark.parametrize(
    "owners",
    [
        None,
        [],
        [a_subject("api").owner],
        [{**a_subject().owner, "controller": False}],
        [{**a_subject().owner, "uid": "of-a-namesake"}],
    ],
)
def test_a_canary_ingress_of_somebody_else_is_a_problem(owners: list[Json] | None) -> None:
    """It is neither changed nor taken over."""
    canary = copy.deepcopy(dict(annotated()))
    canary["metadata"]["ownerReferences"] = owners
    text = f"canary ingress `{CANARY}` controlled by different object"
    assert found_wrong(a_shop(), canary) == [Problem("stableIngress", text)]


def test_what_is_sound_has_no_problems() -> None:
    """Before the canary Ingress is made and after."""
    assert found_wrong(a_shop()) == []
    assert found_wrong(a_shop(), annotated()) == []


# What is in force


def test_without_a_canary_ingress_the_weight_is_0() -> None:
    """Nothing leads to the canary."""
    assert seen(a_shop()) == TrafficSeen(canary=0, stable=100)


@pytest.mark.parametrize(
    ("weight", "total", "canary", "stable"),
    [
        ("5", None, 5, 95),
        (None, None, 0, 100),
        ("120", None, 100, 0),
        ("50", "200", 25, 75),
        ("5", "10", 5, 95),
        ("0", "0", 0, 100),
        ("1", "1000", 0, 99),
        ("999", "1000", 99, 0),
    ],
)
def test_weights_mean_what_ingress_nginx_takes_them_for(
    weight: str | None, total: str | None, canary: int, stable: int
) -> None:
    """Of the total, which is 100 at least; what lies between two whole weights may reach either version."""
    between = {"": 100 - canary - stable} if canary + stable < 100 else {}
    assert seen(a_shop(), annotated(weight, total)) == TrafficSeen(canary=canary, stable=stable, others=between)


@pytest.mark.parametrize("text", ["", "abc", "-5", "5%", "1.5", " 5", "\u0665", "9" * 30])
@pytest.mark.parametrize("name", ["weight", "total"])
def test_what_is_no_weight_may_be_any(name: str, text: str) -> None:
    """It is never taken for 0, and the next write, an abort's as well, puts it right."""
    junk = annotated(**{name: text})
    assert seen(a_shop(), junk) == TrafficSeen(canary=0, stable=0, others={"": 100})
    assert seen(a_shop(), rendered(0, a_shop(), junk)) == TrafficSeen(canary=0, stable=100)


@pytest.mark.parametrize("canary", [None, "false", "True"])
def test_an_ingress_that_is_no_canary_may_take_anything(canary: str | None) -> None:
    """Two plain Ingresses with the same paths: nobody knows which wins, until it is a canary again."""
    found = annotated(canary=canary)
    assert seen(a_shop(), found) == TrafficSeen(canary=0, stable=0, others={"": 100})
    assert seen(a_shop(), rendered(0, a_shop(), found)) == TrafficSeen(canary=0, stable=100)


def test_a_path_without_a_canary_has_no_weight() -> None:
    """A path that was added to the stable Ingress since: the weight is in force on some paths, and not on others."""
    shop = a_shop()
    shop["spec"]["rules"].append(a_rule(a_path("web-stable"), host="new.example.com"))
    assert seen(shop, annotated()) == TrafficSeen(canary=0, stable=95, others={"": 5})
    assert seen(shop, rendered(5, shop, annotated())) == TrafficSeen(canary=5, stable=95)


def test_a_canary_ingress_that_leads_elsewhere_has_no_weight() -> None:
    """After canaryService was changed, what it sends reaches neither version for certain."""
    moved = a_config(subject=Subject(**{**fields(a_subject()), "canary_service": "other"}))
    assert seen(a_shop(), annotated(), config=moved) == TrafficSeen(canary=0, stable=95, others={"": 5})


def fields(subject: Subject) -> Json:
    """The members of a Subject."""
    return {name: getattr(subject, name) for name in Subject.__slots__}


def test_ingresses_that_disagree_leave_a_range() -> None:
    """From the least weight to the greatest, since nobody knows how traffic divides between them."""
    config = a_config({"stableIngresses": ["shop", "internal"]})
    internal = an_ingress("internal", a_rule(a_path("web-stable")))
    objects: Objects = objects_of(a_shop(), internal, annotated("30"))
    assert ROUTER.observe(config, objects) == TrafficSeen(canary=0, stable=70, others={"": 30})


def test_a_stable_ingress_that_is_gone_is_unknown() -> None:
    """It may come back at any moment, with all its traffic."""
    found = seen(annotated())
    assert found == Unknown(why="Ingress `shop` does not exist")
