"""What is wrong with a Rollout, in the words and the order that clients know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rollouts.api.parse import parse_rollout
from rollouts.api.validate import invalid_spec_message, validate

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]},
}
NGINX = {"nginx": {"stableIngress": "web"}}
SERVICES = {"canaryService": "canary", "stableService": "stable"}


def texts(canary: Mapping[str, Any] | None = None, **spec: Any) -> list[str]:
    """The texts of everything wrong with a Rollout that is fine but for what is given."""
    full = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": TEMPLATE,
        "strategy": {"canary": {} if canary is None else canary},
        **spec,
    }
    present = {key: value for key, value in full.items() if value is not None}
    raw = {"metadata": {"name": "web"}, "spec": present}
    return [finding.text for finding in validate(parse_rollout(raw))]


def a_step(step: Any, **canary: Any) -> Callable[[], list[str]]:
    return lambda: texts({"steps": [step], **canary})


def test_a_sound_rollout_has_no_findings() -> None:
    steps = [{"setWeight": 20}, {"pause": {}}, {"analysis": {"templates": [{"templateName": "a"}]}}, {"setWeight": 100}]
    assert texts({"steps": steps}) == []
    assert texts(strategy={"blueGreen": {"activeService": "a", "previewService": "b"}}) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        ({"selector": None}, "spec.selector: Required value: Rollout has missing field '.spec.selector'"),
        ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (
            {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "spec.selector.matchExpressions[0].values: Required value: must be specified when "
            "`operator` is 'In' or 'NotIn'",
        ),
        (
            {"workloadRef": {"name": "d"}},
            "spec.template: Internal error: template must be empty for workload reference rollout",
        ),
        ({"minReadySeconds": -1}, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"revisionHistoryLimit": -2},
            "spec.revisionHistoryLimit: Invalid value: -2: must be greater than or equal to 0",
        ),
        (
            {"minReadySeconds": 600},
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            {"strategy": {}},
            "spec.strategy.strategy: Required value: Rollout has missing field "
            "'.spec.strategy.canary or .spec.strategy.blueGreen'",
        ),
        (
            {"strategy": {"canary": {}, "blueGreen": {"activeService": "a"}}},
            'spec.strategy.strategy: Invalid value: "blueGreen: true canary: true": '
            "Multiple Strategies can not be listed",
        ),
        (
            {"strategy": {"blueGreen": {"activeService": "a", "previewService": "a"}}},
            'spec.strategy.activeService: Invalid value: "a": This rollout uses the same service for the active and '
            "preview services, but two different services are required.",
        ),
        (
            {"strategy": {"blueGreen": {"activeService": "a", "scaleDownDelayRevisionLimit": 11}}},
            "spec.strategy.scaleDownDelayRevisionLimit: Invalid value: 11: This rollout's revision history limit can "
            "not be smaller than the rollout's scale down limit",
        ),
    ],
)
def test_rules_of_the_spec(spec: dict[str, Any], expected: str) -> None:
    assert texts(**spec)[:1] == [expected]


@pytest.mark.parametrize(
    ("canary", "expected"),
    [
        (
            {"maxSurge": 0, "maxUnavailable": "0%"},
            "spec.strategy.maxSurge: Invalid value: 0: MaxSurge and MaxUnavailable both can not be zero",
        ),
        (
            {"canaryService": "a", "stableService": "a"},
            'spec.strategy.stableService: Invalid value: "a": This rollout uses the same service for the stable and '
            "canary services, but two different services are required.",
        ),
        (
            {"trafficRouting": NGINX, "canaryService": "a"},
            'spec.strategy.stableService: Invalid value: "": Canary service and Stable service must to be set to use '
            "Traffic Routing",
        ),
        (
            {"scaleDownDelaySeconds": 5},
            "spec.strategy.scaleDownDelaySeconds: Invalid value: 5: Canary scaleDownDelaySeconds can only be used with "
            "traffic routing",
        ),
        (
            {"dynamicStableScale": True},
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale can only be used with "
            "traffic routing",
        ),
        (
            {"trafficRouting": {"istio": {"destinationRule": {"name": "d"}}, "maxTrafficWeight": 1000}},
            "spec.strategy.trafficRouting.maxTrafficWeight: Invalid value: 1000: Canary maxTrafficWeight in traffic "
            "routing only supported in Nginx and Plugins",
        ),
        (
            {"pingPong": {"pingService": "a", "pongService": "a"}},
            'spec.strategy.pingPong.pingService: Invalid value: "a": This rollout uses the same service for the ping '
            "and pong services, but two different services are required.",
        ),
        (
            {**SERVICES, "trafficRouting": NGINX, "pingPong": {"pingService": "a", "pongService": "b"}},
            "spec.strategy.trafficRouting.alb: Invalid value: null: Ping-pong feature works with the ALB, Istio, and "
            "plugin-based traffic routers only",
        ),
        (
            {"antiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 101}}},
            "spec.strategy.antiAffinity.weight: Invalid value: 101: AntiAffinity weight must be between 1-100",
        ),
        (
            {"antiAffinity": {}},
            'spec.strategy.antiAffinity: Invalid value: "none": AntiAffinity must have exactly one strategy listed',
        ),
    ],
)
def test_rules_of_the_canary(canary: dict[str, Any], expected: str) -> None:
    assert texts(canary) == [expected]


SHAPE = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"
MISSED = "StringMatch value missed, match value must have one of the following: exact, regex, prefix"
ROUTE = {"name": "r", "match": [{"headerName": "h", "headerValue": {"exact": "x"}}]}
BARE_ROUTE = {"name": "r", "match": [{"headerName": "h", "headerValue": {}}]}
ISTIO = {"istio": {"destinationRule": {"name": "d"}}, "managedRoutes": [{"name": "r"}]}


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        (a_step({}), f"spec.strategy.steps[0]: Invalid value: []: {SHAPE}"),
        (
            a_step({"setWeight": 1, "pause": {}}),
            f'spec.strategy.steps[0]: Invalid value: ["setWeight","pause"]: {SHAPE}',
        ),
        (
            a_step({"setWeight": 101}),
            "spec.strategy.steps[0].setWeight: Invalid value: 101: SetWeight needs to be between 0 and 100",
        ),
        (
            a_step({"pause": {"duration": "soon"}}),
            "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0",
        ),
        (
            a_step({"setCanaryScale": {"replicas": 1}}),
            "spec.strategy.trafficRouting: Required value: SetCanaryScale requires TrafficRouting to be set",
        ),
        (
            a_step({"setHeaderRoute": {"name": "r"}}),
            'spec.strategy.steps[0].setHeaderRoute: Invalid value: {"name":"r"}: SetHeaderRoute requires '
            "TrafficRouting, supports Istio and ALB and Apisix",
        ),
        (
            a_step({"setHeaderRoute": BARE_ROUTE}, trafficRouting=ISTIO),
            f"spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {{}}: {MISSED}",
        ),
        (
            a_step({"setHeaderRoute": {**ROUTE, "name": "q"}}, trafficRouting=ISTIO),
            'spec.strategy.steps[0].setHeaderRoute: Invalid value: "q": Steps define a route that does not exist in '
            "spec.strategy.canary.trafficRouting.managedRoutes",
        ),
        (
            a_step({"setMirrorRoute": {"name": "r"}}),
            'spec.strategy.steps[0].setMirrorRoute: Invalid value: {"name":"r"}: SetMirrorRoute requires '
            "TrafficRouting, supports Istio and Plugins",
        ),
        (
            a_step({"experiment": {"templates": [{"name": "a", "specRef": "canary", "weight": 5}]}}),
            "spec.strategy.steps[0].experiment.templates[0].weight: Invalid value: 5: Experiment template weight "
            "cannot be set unless TrafficRouting is enabled",
        ),
        (
            a_step(
                {"analysis": {"args": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.colour"}}}]}}
            ),
            'spec.strategy.steps[0].analyses: Invalid value: [{"name":"a","valueFrom":{"fieldRef":{"fieldPath":'
            '"metadata.colour"}}}]: Analyses arguments must refer to valid object metadata supported by downwardAPI',
        ),
    ],
)
def test_rules_of_steps(findings: Callable[[], list[str]], expected: str) -> None:
    assert findings() == [expected]


def test_a_step_may_also_size_the_canary_and_set_routes() -> None:
    """All members are held to their rules, but only one may be what the step waits for."""
    both = {"setHeaderRoute": ROUTE, "setCanaryScale": {"replicas": 1}}
    assert texts({"steps": [both, {"pause": {}, **both}], "trafficRouting": ISTIO}) == []
    assert [text.split(":")[0] for text in texts({"steps": [both]})] == [
        "spec.strategy.trafficRouting",
        "spec.strategy.steps[0].setHeaderRoute",
    ]
    assert SHAPE in texts({"steps": [{"setWeight": 1, "plugin": {"name": "gate"}}]})[0]


def test_managed_routes_are_needed_for_routes() -> None:
    routing = {"istio": {"destinationRule": {"name": "d"}}}
    assert texts({"steps": [{"setHeaderRoute": ROUTE}], "trafficRouting": routing}) == [
        "spec.strategy.trafficRouting.managedRoutes: Required value: Rollout has missing field "
        "'spec.strategy.canary.trafficRouting.managedRoutes'"
    ]


def test_alb_takes_exact_header_values_only() -> None:
    step = {"setHeaderRoute": {"name": "r", "match": [{"headerName": "h", "headerValue": {"prefix": "x"}}]}}
    routing = {"alb": {"ingress": "i"}, "managedRoutes": [{"name": "r"}]}
    assert texts({"steps": [step], "trafficRouting": routing, **SERVICES}) == [
        'spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {"prefix":"x"}: '
        "SetHeaderRoute match value invalid. ALB supports 'exact' value only"
    ]


def with_pod(**pod: Any) -> dict[str, Any]:
    return {**TEMPLATE, "spec": {**TEMPLATE["spec"], **pod}}


def with_container(**container: Any) -> dict[str, Any]:
    return with_pod(containers=[{**TEMPLATE["spec"]["containers"][0], **container}])


HERE = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            {"metadata": {"labels": {"app": "x"}}, "spec": TEMPLATE["spec"]},
            'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
        ),
        (with_pod(containers=[]), "spec.template.spec.containers: Required value"),
        (with_container(name=""), f"{HERE}.name: Required value"),
        (with_container(image=""), f"{HERE}.image: Required value"),
        (
            with_container(ports=[{"containerPort": 70000}]),
            f"{HERE}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            with_container(ports=[{"containerPort": 80, "protocol": "ICMP"}]),
            f'{HERE}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            with_container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            f'{HERE}.volumeMounts[0].name: Not found: "v"',
        ),
        (
            with_container(resources={"requests": {"cpu": 2}, "limits": {"cpu": "1"}}),
            f'{HERE}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            with_container(readinessProbe={"periodSeconds": 1}),
            f"{HERE}.readinessProbe: Required value: must specify a handler type",
        ),
        (
            with_pod(restartPolicy="Never"),
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (
            with_pod(activeDeadlineSeconds=5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
        ),
        (
            with_pod(ephemeralContainers=[{"name": "e", "image": "e"}]),
            "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template",
        ),
        (
            with_pod(volumes=[{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]),
            "spec.template.spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        ),
        (
            with_pod(initContainers=[{"name": "web", "image": "x"}]),
            'spec.template.spec.initContainers[0].name: Duplicate value: "web"',
        ),
    ],
)
def test_rules_of_the_pod_template(template: dict[str, Any], expected: str) -> None:
    assert texts(template=template) == [expected]


def test_a_privileged_container_is_no_finding() -> None:
    """Whether a cluster allows it is admission's business."""
    assert texts(template=with_container(securityContext={"privileged": True})) == []


def test_all_findings_come_in_a_stable_order() -> None:
    """The first one is what the condition shows; lint shows the rest."""
    found = texts({"steps": [{"setWeight": 200}], "maxSurge": 0, "maxUnavailable": 0}, replicas=-1)
    assert [text.split(":")[0] for text in found] == [
        "spec.replicas",
        "spec.strategy.maxSurge",
        "spec.strategy.steps[0].setWeight",
    ]


def test_what_cannot_be_read_is_wrong_too() -> None:
    """An unreadable field never passes for an absent one."""
    assert texts(replicas="three") == ["spec.replicas: Malformed value: must be an integer, not 'three'"]
    assert texts(selector="app=web")[0].startswith("spec.selector: Malformed value")
    assert texts({"steps": "none"}) == ["spec.strategy.canary.steps: Malformed value: must be a list, not 'none'"]


def test_a_resolved_template_is_checked_in_place_of_the_own() -> None:
    raw = {"spec": {"workloadRef": {"name": "d"}, "strategy": {"canary": {}}}}
    assert validate(parse_rollout(raw)) == ()
    found = validate(parse_rollout(raw), resolved_template={"spec": {"containers": []}})
    assert [finding.text for finding in found] == ["spec.template.spec.containers: Required value"]


def test_the_path_is_where_it_really_is() -> None:
    """The text leaves the strategy's name out, as clients know it; the path does not."""
    raw = {
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": TEMPLATE,
            "strategy": {"canary": {"steps": [{"setWeight": 101}]}},
        }
    }
    (finding,) = validate(parse_rollout(raw))
    assert finding.path == "spec.strategy.canary.steps[0].setWeight"
    assert invalid_spec_message("web", finding) == (
        'The Rollout "web" is invalid: spec.strategy.steps[0].setWeight: Invalid value: 101: '
        "SetWeight needs to be between 0 and 100"
    )
