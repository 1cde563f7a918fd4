"""The counts of a canary with routers against a dumb twin that follows the contract's rules word by word."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.core import counts
from rollouts.core.replicas import Counts
from tests.builders import Json, canary, pause
from tests.core.turns import V1, V2, a_replica_set, a_turn

MAXIMA = st.sampled_from([100, 10, 1000, 10**8])


@st.composite
def steps(draw: st.DrawFn, most: int) -> list[Json]:
    """Weights, and scales of their own, up to `most`."""
    some = st.integers(0, most)
    kinds = st.one_of(
        some.map(lambda weight: {"setWeight": weight}),
        some.map(lambda weight: {"setCanaryScale": {"weight": weight}}),
        st.integers(0, 60).map(lambda replicas: {"setCanaryScale": {"replicas": replicas}}),
        st.just({"setCanaryScale": {"matchTrafficWeight": True}}),
        st.just(pause()),
    )
    return draw(st.lists(kinds, min_size=1, max_size=5))


@given(st.integers(0, 50), MAXIMA, st.data())
def test_counts_follow_the_published_rules(replicas: int, most: int, data: st.DataObject) -> None:
    """For every state of a routed update; a share is rounded up, and a floor counts where there is any pod."""
    way = data.draw(steps(most))
    options: Json = {"dynamicStableScale": data.draw(st.booleans())}
    for name, values in (("minPodsPerReplicaSet", [1, 3, 70]), ("abortScaleDownDelaySeconds", [0, 40])):
        value = data.draw(st.sampled_from([None, *values]))
        options |= {} if value is None else {name: value}
    status: Json = {
        "currentStepIndex": data.draw(st.integers(0, len(way))),
        "abort": data.draw(st.booleans()),
        "promoteFull": data.draw(st.booleans()),
        "stableRS": data.draw(st.sampled_from([V1, V1, V1, V2])),
    }
    routing = {"trafficRouting": {"plugins": {"some": {}}, "maxTrafficWeight": most}}
    sets = (a_replica_set("v1", replicas, age=60), a_replica_set("v2"))
    turn = a_turn(*sets, strategy=canary(*way, **routing, **options), replicas=replicas, status=status)
    assert counts.target_counts(turn, turn.rollout.status) == twin(replicas, most, way, options, status)


def twin(replicas: int, most: int, way: list[Json], options: Json, status: Json) -> Counts:
    """Target weight, then counts: each rule a line."""
    index, is_over = status["currentStepIndex"], status["promoteFull"] or status["stableRS"] == V2

    def least(count: int) -> int:
        return count and max(count, min(options.get("minPodsPerReplicaSet", 0), replicas))

    def share(weight: int) -> int:
        return least(math.ceil(Fraction(replicas * weight, most)))

    weight = _last(way[: index + 1], "setWeight", 0) if index < len(way) else most
    weight = most if is_over else 0 if status["abort"] else weight
    stable = share(most - weight) if options["dynamicStableScale"] else replicas
    is_declared = index < len(way) and not is_over
    is_declared = is_declared and (not status["abort"] or options.get("abortScaleDownDelaySeconds") == 0)
    scale = _last(way[: index + 1], "setCanaryScale", {}) if is_declared else {}
    if "replicas" in scale:
        return Counts(canary=scale["replicas"], stable=stable)
    return Counts(canary=share(scale.get("weight", weight)), stable=stable)


def _last(way: list[Json], kind: str, otherwise: Any) -> Any:
    return next((step[kind] for step in reversed(way) if kind in step), otherwise)
