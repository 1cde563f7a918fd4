"""Objects for tests: only what a test is about has to be said.

Rollouts, templates and ReplicaSets are built as the JSON the API server holds, and parsed by the code under test.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rollouts.api.codec import Problem, decode
from rollouts.api.meta import API_VERSION, ObjectMeta
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.status import RolloutStatus

Json = dict[str, Any]

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def pause(duration: int | str | None = None) -> Json:
    """A pause step."""
    return {"pause": {} if duration is None else {"duration": duration}}


def analysis(*templates: str, **args: str) -> Json:
    """An inline analysis step over AnalysisTemplates of these names."""
    return {"analysis": an_analysis(*templates, **args)}


def an_analysis(*templates: str, **args: str) -> Json:
    """The analysis section of a step or of a background."""
    section: Json = {"templates": [{"templateName": name} for name in templates]}
    if args:
        section["args"] = [{"name": name, "value": value} for name, value in args.items()]
    return section


def canary(*steps: int | Json, **fields: Any) -> Json:
    """A canary strategy; a number stands for setWeight."""
    written = [{"setWeight": step} if isinstance(step, int) else step for step in steps]
    return {"canary": {**({"steps": written} if written else {}), **fields}}


def blue_green(**fields: Any) -> Json:
    """A blue-green strategy with both Services."""
    return {"blueGreen": {"activeService": "web-active", "previewService": "web-preview", **fields}}


def a_pod_template(image: str = "v1") -> Json:
    """A pod of one container."""
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


def a_rollout(strategy: Json | None = None, *, image: str = "v1", replicas: int | None = 10, **spec: Any) -> Json:
    """A Rollout named `web` in `shop`, as the API server holds it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "rollout-uid",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T12:00:00Z",
        },
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": "web"}},
            "template": a_pod_template(image),
            "strategy": canary() if strategy is None else strategy,
            **spec,
        },
    }


def a_deployment(*, image: str = "v1", replicas: int = 10) -> Json:
    """A Deployment named `web` in `shop`, as the API server holds it."""
    meta = {"name": "web", "namespace": "shop", "uid": "deployment-uid", "generation": 1, "resourceVersion": "1"}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": a_pod_template(image)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def referring(rollout: Json, *, scale_down: str = "") -> Json:
    """The Rollout without a template of its own: it takes that of the Deployment `web`."""
    spec = {key: value for key, value in rollout["spec"].items() if key not in ("template", "selector")}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec["workloadRef"] = {**reference, **({"scaleDown": scale_down} if scale_down else {})}
    return {**rollout, "spec": spec}


def a_metric(name: str = "success-rate", *, success: str = "result[0] >= 0.95", **fields: Any) -> Json:
    """A Prometheus metric."""
    provider = {"prometheus": {"address": "http://prometheus:9090", "query": f"query of {name}"}}
    return {"name": name, "successCondition": success, "provider": provider, **fields}


def a_template(name: str = "success-rate", *metrics: Json, **spec: Any) -> Json:
    """An AnalysisTemplate in `shop`."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AnalysisTemplate",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"metrics": list(metrics) or [a_metric(name)], **spec},
    }


def parsed_rollout(raw: Json) -> Rollout:
    """A Rollout from its JSON, which must be readable."""
    problems: list[Problem] = []
    rollout = Rollout(
        meta=decode(ObjectMeta, raw["metadata"], problems),
        spec=decode(RolloutSpec, raw["spec"], problems),
        status=RolloutStatus.from_json(raw.get("status", {})),
        raw=raw,
    )
    assert not problems, problems
    return rollout
