"""Every option of every strategy, and rows of them in which each pair, or triple, of their values comes together.

A space names the values of each option; the first of them is that the user says nothing. `covering` makes the rows;
`missing` counts, by itself, what no row has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.builders import Json, a_rollout, an_analysis, referring

Row = dict[str, Any]
Space = Mapping[str, Sequence[Any]]
Choice = tuple[tuple[int, int], ...]
"""Some options, by their place in the space, each with the place of one of its values."""

SPEC: Space = {
    "replicas": (5, 0, 1, 2, 12),
    "progressDeadlineAbort": (None, True),
    "rollbackWindow": (None, {"revisions": 2}),
    "revisionHistoryLimit": (None, 0, 1),
    "workload": (None, "never", "progressively"),
}
WORN = {"labels": {"part": "new"}, "annotations": {"example.com/part": "new"}}
AFFINITY: Json = {"requiredDuringSchedulingIgnoredDuringExecution": {}}
LIMITS = (None, (0, 1), ("50%", 0), (3, "50%"))

ROUTED: Space = {
    **SPEC,
    "router": ("played", "ingress", "ingresses", "two", "ping-pong", "pinned"),
    "steps": ("weights", "none", "scaled", "matched", "paused", "proven", "managed"),
    "stable": (None, "dynamic", 0, 60),
    "scaleDownDelayRevisionLimit": (None, 0, 1),
    "abortScaleDownDelaySeconds": (None, 0, 40),
    "minPodsPerReplicaSet": (None, 1, 3),
    "weights": (None, 10, 1000),
    "limits": LIMITS,
    "replicaProgressThreshold": (None, {"type": "Percent", "value": 60}, {"type": "Pods", "value": 2}),
    "analysis": (None, an_analysis("endless")),
    "canaryMetadata": (None, WORN),
    "antiAffinity": (None, AFFINITY),
    "late": (None, "late", "lying"),
}
PLAIN: Space = {
    **SPEC,
    "services": (None, "both", "canary"),
    "steps": ("weights", "none", "paused", "proven"),
    "limits": LIMITS,
    "replicaProgressThreshold": (None, {"type": "Percent", "value": 60}),
    "analysis": (None, an_analysis("endless")),
    "canaryMetadata": (None, WORN),
    "antiAffinity": (None, AFFINITY),
}
BLUE_GREEN: Space = {
    **{name: values for name, values in SPEC.items() if name != "revisionHistoryLimit"},
    "previewService": ("web-preview", None),
    "autoPromotionEnabled": (None, False),
    "autoPromotionSeconds": (None, 20),
    "previewReplicaCount": (None, 0, 1, 3),
    "scaleDownDelaySeconds": (None, 0, 60),
    "scaleDownDelayRevisionLimit": (None, 0, 1),
    "abortScaleDownDelaySeconds": (None, 0, 40),
    "maxUnavailable": (None, 0, "50%"),
    "prePromotionAnalysis": (None, an_analysis("once")),
    "postPromotionAnalysis": (None, an_analysis("thrice")),
    "previewMetadata": (None, WORN),
    "antiAffinity": (None, AFFINITY),
}
SPACES: Mapping[str, Space] = {"routed": ROUTED, "plain": PLAIN, "blue-green": BLUE_GREEN}

MANAGING = ("ping-pong", "pinned")
"""Routers with managed routes: of those that exist, Istio and plugins."""
MEASURED = ("played", "ingress", "ingresses", "pinned")
"""Routers with a maximum of their own: Ingress-NGINX and plugins."""


def is_possible(row: Mapping[str, Any]) -> bool:
    """Whether validation lets these values, and the played world, go together."""
    router = row.get("router")
    is_managed = row.get("steps") != "managed" or router in (None, *MANAGING)
    is_measured = row.get("weights") is None or router in (None, *MEASURED)
    is_real = row.get("late") is None or router not in ("ingress", "ingresses")
    return is_managed and is_measured and is_real


def choices(space: Space, strength: int) -> Iterator[Choice]:
    """Every possible combination of values of so many options."""
    for places in itertools.combinations(range(len(space)), strength):
        for values in itertools.product(*(range(len(_values(space, place))) for place in places)):
            choice = tuple(zip(places, values, strict=True))
            if is_possible(_row(space, choice)):
                yield choice


def covering(space: Space, strength: int) -> list[Row]:
    """Rows that have every combination: each begins with one that is left, and takes values that come with most."""
    left = dict.fromkeys(choices(space, strength))
    rows = []
    while left:
        fixed = dict(next(iter(left)))
        for place in sorted(set(range(len(space))) - fixed.keys(), key=lambda place: -len(_values(space, place))):
            fixed[place] = _best(space, fixed, place, left, strength)
        for choice in itertools.combinations(sorted(fixed.items()), strength):
            left.pop(choice, None)
        rows.append(_row(space, fixed.items()))
    return rows


def missing(space: Space, rows: Sequence[Row], strength: int) -> int:
    """How many combinations no row has."""
    names = list(space)
    found = {
        tuple((place, names[place], repr(row[names[place]])) for place in places)
        for row in rows
        for places in itertools.combinations(range(len(names)), strength)
    }
    wanted = (
        tuple((place, names[place], repr(space[names[place]][value])) for place, value in choice)
        for choice in choices(space, strength)
    )
    return sum(1 for each in wanted if each not in found)


def _best(space: Space, fixed: Mapping[int, int], place: int, left: Mapping[Choice, None], strength: int) -> int:
    """The possible value of an option with which most of what is left comes together."""
    others = [tuple(sorted(each)) for each in itertools.combinations(fixed.items(), strength - 1)]

    def gain(value: int) -> int:
        return sum(1 for each in others if tuple(sorted((*each, (place, value)))) in left)

    values = range(len(_values(space, place)))
    return max((v for v in values if is_possible(_row(space, (*fixed.items(), (place, v))))), key=gain)


def _values(space: Space, place: int) -> Sequence[Any]:
    return space[list(space)[place]]


def _row(space: Space, choice: Any) -> Row:
    names = list(space)
    return {names[place]: space[names[place]][value] for place, value in choice}


def rollout(row: Row) -> Json:
    """The Rollout that has the options of a row."""
    strategy = _blue_green(row) if "previewService" in row else _canary(row)
    spec = {name: row.get(name) for name in ("progressDeadlineAbort", "rollbackWindow", "revisionHistoryLimit")}
    said = {name: value for name, value in spec.items() if value is not None}
    made = a_rollout(strategy, image="v1", replicas=row["replicas"], progressDeadlineSeconds=60, **said)
    return made if row["workload"] is None else referring(made, scale_down=row["workload"])


def _blue_green(row: Row) -> Json:
    options = {name: row[name] for name in BLUE_GREEN if name not in SPEC and row[name] is not None}
    return {"blueGreen": {"activeService": "web-active", **options}}


KEPT = (
    "scaleDownDelayRevisionLimit",
    "abortScaleDownDelaySeconds",
    "minPodsPerReplicaSet",
    "replicaProgressThreshold",
    "analysis",
    "canaryMetadata",
    "antiAffinity",
)
PAIR = {"canaryService": "web-canary", "stableService": "web-stable"}
SERVICES: Mapping[Any, Json] = {
    None: {},
    "both": PAIR,
    "canary": {"canaryService": "web-canary"},
    "ping-pong": {"pingPong": {"pingService": "web-ping", "pongService": "web-pong"}},
    "pinned": {},
}
ROUTERS: Mapping[str, Json] = {
    "played": {"nginx": {"some": {}}},
    "ingress": {"nginx": {"stableIngress": "web"}},
    "ingresses": {"nginx": {"stableIngresses": ["web", "shop"]}},
    "two": {"nginx": {"some": {}}, "smi": {"some": {}}},
    "ping-pong": {"istio": {"some": {}}},
    "pinned": {"plugins": {"some": {}}},
}


def _canary(row: Row) -> Json:
    canary = {name: row[name] for name in KEPT if row.get(name) is not None}
    canary["steps"] = _steps(row["steps"], row.get("weights") or 100)
    if row["limits"] is not None:
        canary["maxSurge"], canary["maxUnavailable"] = row["limits"]
    if row.get("stable") == "dynamic":
        canary["dynamicStableScale"] = True
    elif row.get("stable") is not None:
        canary["scaleDownDelaySeconds"] = row["stable"]
    router = row.get("router")
    canary |= SERVICES.get(router or row["services"], PAIR)
    if router is not None:
        canary["trafficRouting"] = dict(ROUTERS[router])
        if row["weights"] is not None:
            canary["trafficRouting"]["maxTrafficWeight"] = row["weights"]
        if row["steps"] == "managed":
            canary["trafficRouting"]["managedRoutes"] = [{"name": "header"}]
    return {"canary": canary}


def _steps(kind: str, weight_max: int) -> list[Json]:
    def weight(percent: int) -> Json:
        return {"setWeight": percent * weight_max // 100}

    header = {"name": "header", "match": [{"headerName": "x", "headerValue": {"exact": "y"}}]}
    steps: Mapping[str, list[Json]] = {
        "weights": [weight(20), weight(60), weight(40)],
        "none": [],
        "scaled": [{"setCanaryScale": {"replicas": 3}}, weight(30), {"setCanaryScale": {"weight": 50}}, weight(80)],
        "matched": [{"setCanaryScale": {"weight": 50}}, weight(10), {"setCanaryScale": {"matchTrafficWeight": True}}],
        "paused": [weight(50), {"pause": {}}, weight(100), {"pause": {"duration": 30}}],
        "proven": [weight(0), {"analysis": an_analysis("once")}, weight(70), {"analysis": an_analysis("thrice")}],
        "managed": [{"setHeaderRoute": header}, weight(30), {"pause": {"duration": 10}}, weight(60)],
    }
    return steps[kind]
