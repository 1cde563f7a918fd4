"""What clients read off a Rollout is right in every moment of every story, and in those of random plays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cel
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollouts.api import parse
from rollouts.api.analysis import Phase
from rollouts.ctl import summary
from tests.builders import Json
from tests.clients import readers
from tests.clients.phases import PHASES, a_world, every_phase
from tests.clients.readers import HASH, Said
from tests.laws import plays, test_bluegreen, test_routed
from tests.laws.switch_plays import SwitchPlay
from tests.scenarios import play
from tests.world import World

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = sorted((ROOT / "tests" / "scenarios").glob("*.yaml"))
FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@dataclass
class Readers:
    """Every client there is, at every object that is stored."""

    world: World
    seen: list[Said] = field(default_factory=list)
    """What the plugin said, each time it was something else."""

    def look(self) -> None:
        """At the Rollout as it is, once it has been answered at all."""
        rollout, world = self.world.rollout, self.world
        said, health = readers.plugin_status(rollout), readers.argocd_health(rollout)
        assert said.word in ("Healthy", "Progressing", "Paused", "Degraded")
        assert health.word == {"Paused": "Suspended"}.get(said.word, said.word) or _is_resuming(rollout)
        if said.word == "Healthy":
            self._is_healthy(rollout)
        if said.word in ("Healthy", "Degraded") and "InvalidSpec" not in said.message:
            self._is_about_the_template(rollout)
        self._is_agreed(rollout, said)
        readers.picture(rollout, world.replica_sets.values(), world.runs.values())
        for run in world.runs.values():
            assert readers.argocd_run_health(run).word
        if not self.seen or self.seen[-1] != said:
            self.seen.append(said)

    @staticmethod
    def _is_healthy(rollout: Json) -> None:
        status = rollout["status"]
        assert (status["phase"], status["observedGeneration"]) == ("Healthy", str(rollout["metadata"]["generation"]))
        assert status["stableRS"] == status["currentPodHash"]
        assert readers.computed(rollout).word == "Healthy", "a client that computes says so too"

    def _is_about_the_template(self, rollout: Json) -> None:
        """A verdict is never one about the template before."""
        version = rollout["status"]["currentPodHash"]
        named = [raw for raw in self.world.replica_sets.values() if raw["metadata"]["labels"][HASH] == version]
        holder = next(iter(self.world.workloads.values()), rollout)
        assert not named or _image(named[0]["spec"]) == _image(holder["spec"])

    @staticmethod
    def _is_agreed(rollout: Json, said: Said) -> None:
        """Of our conditions exactly one is true, and all that read them come to what the phase says."""
        status = rollout["status"]
        true = {each["type"] for each in status["conditions"] if each["status"] == "True"}
        assert len(true & {"Ready", "Reconciling", "Stalled"}) == 1
        word = {"Healthy": "Current", "Degraded": "Failed"}.get(status["phase"], "InProgress")
        assert readers.kstatus(_as_number(rollout)) in (word, "InProgress")
        assert (readers.kstatus(_as_number(rollout)) == "Current") <= (said.word == "Healthy")
        if "observedGeneration" not in status:
            return  # ours waits for one
        ours = summary.said(parse.parse_rollout(rollout).value)
        assert (ours.phase, ours.message) == (said.word, said.message), "our own command says the same"


def watched(world: World) -> Readers:
    """A world in which every client looks after every turn, and after every change from outside."""
    clients, before = Readers(world), world.after_turn

    def after_turn(world: World) -> None:
        before(world)
        if world.status:
            clients.look()

    world.after_turn = after_turn
    return clients


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_story_reads_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After every turn of every story that is told of this controller."""
    worlds: list[Readers] = []

    def staged(*args: Any, **options: Any) -> World:
        worlds.append(watched(World(*args, **options)))
        return worlds[-1].world

    monkeypatch.setattr(play, "World", staged)
    play.play(path)
    assert worlds[0].seen


def _canary(data: st.DataObject, answers: list[Any]) -> tuple[World, Callable[[], None], Callable[[int], None]]:
    random = plays.begin(data.draw(plays.rollouts()), lambda *_: answers[-1])
    return random.world, lambda: plays.happen(random, data.draw), random.wait


def _routed(data: st.DataObject, answers: list[Any]) -> tuple[World, Callable[[], None], Callable[[int], None]]:
    random = test_routed.begun(data, answers)
    return random.world, lambda: plays.happen(random, data.draw), random.wait


def _blue_green(data: st.DataObject, answers: list[Any]) -> tuple[World, Callable[[], None], Callable[[int], None]]:
    random = SwitchPlay(data.draw(test_bluegreen.rollouts()), answers)
    return random.world, lambda: test_bluegreen.happen(random, data.draw), random.wait


KINDS = {"canary": _canary, "routed": _routed, "blue-green": _blue_green}


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.data())
def test_every_play_reads_well(kind: str, data: st.DataObject) -> None:
    """Whatever happens to whatever Rollout, each client has an answer to every status, and the right one."""
    answers: list[Any] = [[1.0]]
    world, happen, wait = KINDS[kind](data, answers)
    clients = watched(world)
    wait(20)
    for _ in range(data.draw(st.integers(1, 6), label="events")):
        answers.append(data.draw(st.sampled_from(plays.ANSWERS), label="answer"))
        happen()
        if world.status:
            clients.look()
        wait(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))


@every_phase
def test_a_new_spec_brings_no_flicker(strategy: str, phase: str) -> None:
    """CI waits for the end of what it applied: from its write on until then nobody says Healthy or Degraded."""
    world = a_world(strategy, phase)
    clients = watched(world)
    world.set_image("v3")
    clients.look()
    assert clients.seen[-1] == Said("Progressing", "waiting for rollout spec update to be observed")
    world.run(200)
    world.edit({"spec": {"paused": None}})
    for _ in range(3):
        world.patch_status({"pauseConditions": None})
        world.run(200)
    words = [said.word for said in clients.seen]
    assert "Degraded" not in words
    assert words.count("Healthy") == 1
    assert words[-1] == "Healthy"


def test_a_workload_that_changed_is_not_healthy_yet() -> None:
    """The Deployment's new template is not answered before its generation is."""
    rollout = copy.deepcopy(a_world("canary", "healthy").rollout)
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    rollout["metadata"]["annotations"] |= {readers.WORKLOAD_GENERATION: "8"}
    rollout["status"]["workloadObservedGeneration"] = "7"
    assert readers.plugin_status(rollout).word == readers.argocd_health(rollout).word == "Progressing"
    rollout["status"]["workloadObservedGeneration"] = "8"
    assert readers.plugin_status(rollout).word == readers.argocd_health(rollout).word == "Healthy"


@every_phase
def test_versions_are_shown_by_their_parts(strategy: str, phase: str) -> None:
    """`get rollout` finds each version under its number and its part in the update."""
    world = a_world(strategy, phase)
    shown = readers.picture(world.rollout, world.replica_sets.values(), world.runs.values())
    tags = {branch.revision: branch.tags for branch in shown.versions}
    if phase in ("first deploy", "healthy"):
        assert set(tags) == {1}
    elif strategy == "blue-green":
        is_switched = phase in ("late", "finished")
        assert ("active" in tags[2]) == is_switched
        assert ("active" in tags[1]) != is_switched
        assert ("stable" in tags[2]) == (phase == "finished")
    else:
        is_done = phase == "finished"
        assert tags == ({1: (), 2: ("stable",)} if is_done else {1: ("stable",), 2: ("canary",)})
        steps, index = len(world.rollout["spec"]["strategy"]["canary"]["steps"]), world.status["currentStepIndex"]
        assert shown.step == f"{index}/{steps}"
        if phase in ("paused", "inconclusive", "paused by hand", "measured"):
            assert (shown.set_weight, shown.actual_weight) == (25, 25)


def _flux() -> Mapping[str, str]:
    """The expressions that the guide gives to users of Flux."""
    page = (ROOT / "docs" / "guide" / "steering.md").read_text()
    (block,) = [part.split("```")[0] for part in page.split("```yaml\n") if part.startswith("healthCheckExprs")]
    found: Mapping[str, str] = yaml.safe_load(block)["healthCheckExprs"][0]
    return found


def test_flux_comes_to_the_same() -> None:
    """With the expressions of the guide, in their order: in progress, failed, current."""
    expressions = _flux()
    for strategy, phase in PHASES:
        rollout = a_world(strategy, phase).rollout
        holds = {name: cel.evaluate(expressions[name], rollout) for name in ("inProgress", "failed", "current")}
        found = next((name for name, is_so in holds.items() if is_so), "inProgress")
        word = readers.plugin_status(rollout).word
        assert found == {"Healthy": "current", "Degraded": "failed"}.get(word, "inProgress")
        rollout["metadata"]["generation"] += 1
        assert cel.evaluate(expressions["inProgress"], rollout)


def test_kstatus_itself_cannot_read_any_rollout() -> None:
    """observedGeneration is a string by contract, as the guide says."""
    with pytest.raises(readers.Unreadable, match="expected int64"):
        readers.kstatus(a_world("canary", "healthy").rollout)


def test_all_three_conditions_are_there_from_the_first_write() -> None:
    """kstatus asks for all of them at once: present, whatever they say."""
    for strategy, phase in PHASES:
        kinds = [each["type"] for each in a_world(strategy, phase).status["conditions"]]
        assert all(kinds.count(kind) == 1 for kind in ("Ready", "Reconciling", "Stalled"))


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.INCONCLUSIVE])
def test_argocd_knows_every_phase_of_an_experiment_but_one(phase: Phase) -> None:
    """Of an inconclusive one it shows nothing, and no other word may ever be written."""
    assert readers.argocd_experiment_health({"status": {"phase": str(phase)}}).word


def test_argocd_knows_every_phase_of_a_run() -> None:
    """A run without a status is waited for; any other word would be an error."""
    words = {readers.argocd_run_health({"status": {"phase": str(phase)}}).word for phase in Phase}
    assert words == {"Progressing", "Healthy", "Degraded", "Unknown"}
    assert readers.argocd_run_health({}).word == "Progressing"


def _as_number(rollout: Json) -> Json:
    """The Rollout for a reader that takes its generation for a number."""
    observed = rollout["status"].get("observedGeneration", "")
    status = {**rollout["status"], "observedGeneration": int(observed) if observed.isdigit() else 0}
    return {**rollout, "status": status}


def _is_resuming(rollout: Json) -> bool:
    """The plugin sees that a pause was ended before the controller says so; Argo CD waits for the controller."""
    status = rollout["status"]
    return bool(status.get("controllerPause") and not status.get("pauseConditions"))


def _image(spec: Json) -> str:
    found: str = spec["template"]["spec"]["containers"][0]["image"]
    return found
