"""What `plan` foretells is what the same rules do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rollouts.api import parse
from rollouts.cli import main
from rollouts.ctl import assumed, forecast, plan
from rollouts.ctl.connection import CommandError
from tests.builders import (
    Json,
    a_deployment,
    a_metric,
    a_rollout,
    a_template,
    an_analysis,
    analysis,
    blue_green,
    canary,
    pause,
    referring,
)
from tests.ctl.families import ROUTERS, a_road, drawn, routed
from tests.world import World

MEASURED = a_template("success-rate", a_metric(interval="20s", count=5))


def planned(rollout: Json, *templates: Json, ready_after: int = 10) -> str:
    """The plan as it is printed."""
    return drawn(plan.plan(rollout, templates, ROUTERS, way=plan.Way(ready_after=ready_after)))


def rows(rollout: Json, *templates: Json, ready_after: int = 10) -> forecast.Forecast:
    """The forecast alone."""
    cast, _ = assumed.cast(rollout, templates, ROUTERS)
    play = plan.rehearsed(cast, ROUTERS, available_after=ready_after)
    return forecast.forecast(parse.parse_rollout(rollout).value, play.update)


def test_plan_of_a_canary(golden: Callable[[str], None]) -> None:
    """Steps, times, pods and shares, and what its author should mind."""
    steps = canary(15, pause(), analysis("success-rate"), 60, pause("5m"))
    golden(planned(a_rollout(steps, replicas=5), MEASURED))


def test_plan_of_a_routed_canary(golden: Callable[[str], None]) -> None:
    """Weights as the real router holds them, pods beside them, and what was made up for the play."""
    steps = ({"setCanaryScale": {"replicas": 1}}, 5, pause("5m"), 40, {"setCanaryScale": {"matchTrafficWeight": True}})
    golden(planned(a_rollout(routed(*steps, pause()), replicas=10), *a_road()[:1]))


def test_plan_of_blue_green_with_a_deployment(golden: Callable[[str], None]) -> None:
    """A small preview, two analyses, a pause; and the way from the Deployment that holds the template."""
    strategy = blue_green(
        previewReplicaCount=1,
        autoPromotionSeconds=60,
        prePromotionAnalysis=an_analysis("smoke"),
        postPromotionAnalysis=an_analysis("success-rate"),
    )
    golden(
        planned(referring(a_rollout(strategy, replicas=4), scale_down="onsuccess"), a_deployment(replicas=4), MEASURED)
    )


def test_an_experiment_takes_its_time_and_its_pods() -> None:
    """What nobody can foretell is said."""
    versions = [{"name": "a", "specRef": "stable", "replicas": 2}, {"name": "b", "specRef": "canary", "replicas": 3}]
    experiment = {"duration": "5m", "templates": versions, "analyses": [{"name": "x", "templateName": "rate"}]}
    told = planned(a_rollout(canary({"experiment": experiment}, 50, {"plugin": {"name": "ours/check"}}), replicas=4))
    assert re.search(r"1 +experiment +0s +5m10s +0 +4 ", told)
    assert "At most 9 pods at once" in told
    assert "step 1 (experiment): its analyses are taken to pass" in told
    assert "step 3 (plugin: ours/check) is taken to be done at once" in told
    assert "AnalysisTemplate rate is not in the files" in told


def test_objects_of_the_files_are_played() -> None:
    """Nothing is made up where they are there, and what is wrong with them is what the controller would refuse."""
    service, other, ingress = a_road()
    told = planned(a_rollout(routed(20), replicas=2), service, other, ingress)
    assert "not in the files" not in told
    astray = {**other, "spec": {"selector": {"app": "shop"}}}
    with pytest.raises(CommandError, match=r'would refuse it: .*Service "web-stable" has unmatch label "app"'):
        planned(a_rollout(routed(20), replicas=2), service, astray, ingress)
    bare = {**ingress, "spec": {"rules": []}}
    with pytest.raises(CommandError, match="has no rules using service web-stable backend"):
        planned(a_rollout(routed(20), replicas=2), service, other, bare)


def test_a_workload_that_is_not_in_the_files_is_asked_for() -> None:
    """No template can be made up."""
    with pytest.raises(CommandError, match="Deployment web, which is not in the files: name the file that has it"):
        planned(referring(a_rollout(blue_green())))


def test_a_deployment_that_keeps_its_pods_is_warned_of() -> None:
    """scaleDown: never is the default of the API."""
    told = planned(referring(a_rollout(canary(50), replicas=4), scale_down="never"), a_deployment(replicas=4))
    assert "Deployment web keeps its 4 pods until somebody scales it down: see workloadRef.scaleDown" in told


def test_a_router_without_code_is_refused() -> None:
    """As the controller refuses it."""
    strategy = canary(50, trafficRouting={"smi": {}}, canaryService="web-canary", stableService="web-stable")
    with pytest.raises(CommandError, match=r"trafficRouting\.smi: .*not carried out"):
        planned(a_rollout(strategy))


@pytest.mark.parametrize(
    "strategy",
    [
        canary(25, analysis("success-rate"), 50, pause("90s")),
        routed(25, analysis("success-rate"), 50, pause("90s")),
        routed(10, pause("30s"), 60, dynamicStableScale=True),
        blue_green(autoPromotionSeconds=90, previewReplicaCount=2, prePromotionAnalysis=an_analysis("success-rate")),
        blue_green(postPromotionAnalysis=an_analysis("success-rate")),
    ],
    ids=["pods", "routed", "dynamic", "preview", "verified"],
)
def test_a_plan_keeps_the_time_of_a_played_update(strategy: Json) -> None:
    """To the second, in a cluster whose pods take as long; and never with more pods than it needs there."""
    world = World(a_rollout(strategy, image="v0", replicas=8), templates=[MEASURED])
    world.run(60)
    began, most = world.now, 0
    world.set_image("v1")
    while world.status.get("phase") != "Healthy" or world.is_edited():
        world.run(1)
        most = max(most, sum(world.sizes().values()))
    took = (world.now - began).total_seconds()
    result = rows(a_rollout(strategy, replicas=8), MEASURED, ready_after=5)
    assert (result.seconds, result.pods_max) == (took, most)


def test_pods_that_take_longer_than_the_deadline_are_warned_of() -> None:
    """minReadySeconds counts."""
    strategy = canary(50)
    rollout = a_rollout(
        strategy, replicas=2, minReadySeconds=30, progressDeadlineSeconds=35, progressDeadlineAbort=True
    )
    told = planned(rollout)
    assert "progressDeadlineSeconds (35) is no longer than a pod takes to be available (40s)" in told
    assert "It stands still at the end: " in told


def test_a_background_analysis_that_delays_the_end_is_warned_of() -> None:
    """By how much."""
    slow = a_template("slow", a_metric("slow", interval="1m", count=4, initialDelay="2m"))
    told = planned(a_rollout(canary(50, analysis=an_analysis("slow")), replicas=2), slow)
    assert "the background analysis alone delays the promotion by" in told


def test_a_template_that_is_not_in_the_files_is_taken_to_pass() -> None:
    """It may be in the cluster."""
    told = planned(a_rollout(canary(50, analysis("elsewhere", service="web")), replicas=2))
    assert "AnalysisTemplate elsewhere is not in the files" in told
    assert "Healthy after" in told


def test_a_rolling_update_is_one_row() -> None:
    """Without steps."""
    (row,) = rows(a_rollout(replicas=4)).rows
    assert (row.what, row.new, row.old) == ("rolling update", 4, 0)


def test_a_rollout_that_is_paused_by_hand_stands_still() -> None:
    """With the version before in service."""
    told = planned(a_rollout(canary(50), replicas=2, paused=True))
    assert "spec.paused is true" in told
    assert "It stands still at the end: " in told
    assert "never fewer than 2 available" in told


def test_what_pods_wear_holds_nothing_up() -> None:
    """Single pods are not played."""
    strategy = canary(50, canaryMetadata={"labels": {"role": "new"}}, stableMetadata={"labels": {"role": "old"}})
    assert "Healthy after" in planned(a_rollout(strategy, replicas=2))


def test_no_pods_make_no_share() -> None:
    """So none is warned of."""
    assert "nearest share" not in planned(a_rollout(canary(50), replicas=0))


def test_what_the_controller_would_refuse_is_refused() -> None:
    """With its reason."""
    with pytest.raises(CommandError, match=r"would refuse it: .*setWeight"):
        planned(a_rollout(canary(500)))


def test_the_guide_shows_what_a_plan_prints() -> None:
    """Each plan in it is one of the golden ones, however its lines are broken."""
    folder = Path(__file__).parent / "golden"
    golden = {" ".join(path.read_text().split()) for path in folder.glob("plan_of_*.txt")}
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "commands.md").read_text()
    shown = re.findall(r"```\n\$ rollouts plan .*\n([^`]*)```", guide)
    assert len(shown) == 2
    assert {" ".join(text.split()) for text in shown} <= golden


def test_plan_reads_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Rollout and its templates; a file without one, or that cannot be read, is an error with its name."""
    path = tmp_path / "web.yaml"
    path.write_text(yaml.safe_dump_all([a_rollout(canary(50, analysis("success-rate"))), MEASURED]))
    assert main(["plan", str(path), "--ready-after", "1m", "--from-image", "v0"]) == 0
    assert "each available after 1m" in capsys.readouterr().out
    assert main(["plan", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: No such file" in capsys.readouterr().err
