"""The laws about traffic, on random canaries with routing over all options."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from tests.builders import Json, a_rollout, an_analysis
from tests.laws.plays import ANSWERS, Play, begin, counts, happen

TROUBLE = st.lists(st.sampled_from(["", "", "lost", "crash"]), max_size=12)
LATE = st.lists(
    st.sampled_from([(), (), ("rollout",), ("replica_sets",), ("services",), ("routes",), ("services", "routes")]),
    max_size=12,
)
STEPS = st.one_of(
    st.integers(0, 100).map(lambda weight: {"setWeight": weight}),
    st.sampled_from(
        [
            {"pause": {}},
            {"pause": {"duration": 30}},
            {"setCanaryScale": {"replicas": 3}},
            {"setCanaryScale": {"weight": 50}},
            {"setCanaryScale": {"matchTrafficWeight": True}},
        ]
    ),
    st.just("thrice").map(lambda name: {"analysis": an_analysis(name)}),
)


PAIR = {"canaryService": "web-canary", "stableService": "web-stable"}
KINDS: list[tuple[tuple[str, ...], Json]] = [
    (("nginx",), PAIR),
    (("nginx", "smi"), PAIR),
    (("istio",), {"pingPong": {"pingService": "web-ping", "pongService": "web-pong"}}),
    (("plugins",), {}),
]


@st.composite
def strategies(draw: st.DrawFn) -> Json:
    """A canary with one or two routers."""
    routers, services = draw(st.sampled_from(KINDS))
    canary: Json = {
        **services,
        "trafficRouting": {name: {"some": {}} for name in routers},
        "steps": draw(st.lists(STEPS, max_size=5)),
    }
    if draw(st.booleans()):
        canary["dynamicStableScale"] = True
    elif draw(st.booleans()):
        canary["scaleDownDelaySeconds"] = draw(st.sampled_from([0, 10, 60]))
    for name, values in OPTIONS.items():
        if draw(st.booleans()):
            canary[name] = draw(st.sampled_from(values))
    if draw(st.integers(0, 3)) == 0:
        canary["analysis"] = an_analysis("endless")
    return {"canary": canary}


OPTIONS: dict[str, list[Any]] = {
    "scaleDownDelayRevisionLimit": [0, 1],
    "abortScaleDownDelaySeconds": [0, 5, 40],
    "minPodsPerReplicaSet": [1, 3],
    "maxUnavailable": [0, 1, "50%"],
    "replicaProgressThreshold": [{"type": "Percent", "value": 60}, {"type": "Pods", "value": 2}],
}


def begun(data: st.DataObject, answers: list[Any]) -> Play:
    """A play of a random Rollout, a moment before anything happens."""

    def answer(metric: str, now: datetime) -> Any:
        return answers[-1]

    spec: Json = {"progressDeadlineSeconds": 60, "progressDeadlineAbort": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        spec["rollbackWindow"] = {"revisions": 2}
    return begin(a_rollout(data.draw(strategies()), image="v1", replicas=data.draw(counts), **spec), answer)


@given(st.data())
def test_traffic_and_pods_keep_their_order(data: st.DataObject) -> None:
    """Laws 1 and 9 before every write, whatever happens and whatever is lost; and it always comes to rest."""
    answers: list[Any] = [[1.0]]
    play = begun(data, answers)
    play.wait(20)
    for _ in range(data.draw(st.integers(1, 8), label="events")):
        answers.append(data.draw(st.sampled_from(ANSWERS), label="answer"))
        happen(play, data.draw)
        play.troubles += data.draw(TROUBLE, label="troubles")
        play.laggards += data.draw(LATE, label="late")
        play.rest()
        play.wait(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))
    note(play.world.told())
