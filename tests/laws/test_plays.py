"""Every law on every turn of many random plays. A failing play is printed with the values that make it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.plays import ANSWERS, TROUBLES, begin, happen, rollouts

TROUBLE = st.lists(st.sampled_from(TROUBLES), max_size=12)
LATE = st.lists(st.sampled_from([(), (), ("rollout",), ("replica_sets",), ("runs",), ("pods",)]), max_size=12)


@given(st.data())
def test_laws_hold_in_every_play(data: st.DataObject) -> None:
    """Capacity, proof, pauses, aborts and truth, whatever happens and whatever is lost; and it always comes to rest."""
    answers: list[Any] = [[1.0]]

    def answer(metric: str, now: datetime) -> Any:
        return answers[-1]

    play = begin(data.draw(rollouts(), label="rollout"), answer)
    play.wait(20)
    for _ in range(data.draw(st.integers(1, 8), label="events")):
        answers.append(data.draw(st.sampled_from(ANSWERS), label="answer"))
        happen(play, data.draw)
        play.troubles += data.draw(TROUBLE, label="troubles")
        play.laggards += data.draw(LATE, label="late")
        play.rest()
        play.wait(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))


@given(st.data())
def test_nothing_wedges(data: st.DataObject) -> None:
    """From any state, a good version, a person who resumes, and time lead to that version serving everything."""
    answers: list[Any] = [data.draw(st.sampled_from(ANSWERS), label="answer")]
    play = begin(data.draw(rollouts(), label="rollout"), lambda metric, now: answers[-1])
    play.wait(20)
    for _ in range(data.draw(st.integers(1, 5), label="events")):
        happen(play, data.draw)
        play.troubles += data.draw(TROUBLE, label="troubles")
        play.wait(data.draw(st.sampled_from([0, 10, 45]), label="seconds"))
    answers.append([1.0])
    play.troubles.clear()
    play.world.edit({"spec": {"paused": False}})
    play.world.set_image("last")
    for _ in range(len(play.world.rollout["spec"]["strategy"]["canary"]["steps"]) + 1):
        play.wait(120)
        play.pauses.forget()
        play.world.patch_status({"pauseConditions": None})
    play.wait(300)
    assert play.world.status["phase"] == "Healthy", play.world.status
    assert play.world.status.get("restartedAt") == play.world.rollout["spec"].get("restartAt")
    wanted = play.world.rollout["spec"]["replicas"]
    assert play.world.sizes()["last"] == wanted


@given(st.data())
def test_rest_means_no_writes(data: st.DataObject) -> None:
    """Law 22: at rest a turn writes nothing, not even after a restart of the controller."""
    play = begin(data.draw(rollouts(), label="rollout"), lambda metric, now: [1.0])
    play.wait(20)
    for _ in range(data.draw(st.integers(0, 4), label="events")):
        happen(play, data.draw)
        play.wait(10)
    writes = play.world.writes
    play.world.forget_memory()
    play.world.turn()
    assert play.world.writes == writes


@given(st.data())
def test_a_change_of_replicas_moves_nothing_else(data: st.DataObject) -> None:
    """Laws 6 and 7: at an open pause, scaling changes no revision, step, weight, verdict or pause."""
    steps = [{"setWeight": data.draw(st.integers(0, 100))}, {"pause": {}}, {"setWeight": 80}]
    rollout = data.draw(rollouts())
    rollout["spec"]["strategy"]["canary"] = {"steps": steps}
    play = begin(rollout, lambda metric, now: [1.0])
    play.wait(20)
    play.world.set_image("v2")
    play.wait(20)
    kept = ("currentPodHash", "stableRS", "currentStepIndex", "pauseConditions", "abort", "promoteFull", "verbs")
    before = {key: play.world.status.get(key) for key in kept}
    for _ in range(3):
        play.world.edit({"spec": {"replicas": data.draw(st.integers(0, 30))}})
        play.wait(data.draw(st.sampled_from([0, 3, 20])))
    assert {key: play.world.status.get(key) for key in kept} == before
