"""An Experiment of a step behind an API server: taken as it is made, it decides its step, and is ended with it."""

from __future__ import annotations

import json
from pathlib import Path

from rollouts.sandbox.kinds import Json, Kind
from tests.e2e.apps import a_rollout, weight
from tests.e2e.stage import Place, on_stage, status, until

EXPERIMENTS = Kind("argoproj.io/v1alpha1", "Experiment", "experiments")
STEP = {
    "experiment": {
        "duration": "1h",
        "templates": [{"name": "old", "specRef": "stable"}, {"name": "new", "specRef": "canary", "replicas": 2}],
    }
}
PASSED = {"status": {"phase": "Successful", "availableAt": "2026-01-01T00:00:00Z"}}


async def test_an_experiment_decides_its_step(tmp_path: Path) -> None:
    """Nothing goes on before it is successful; a newer version asks the one of its predecessor to end."""
    async with on_stage(tmp_path) as stage:
        await stage.controller()
        place = await stage.place()
        await place.apply(a_rollout(weight(25), STEP, weight(50)))
        await place.until_stable("web:1")
        await place.apply(a_rollout(weight(25), STEP, weight(50), image="web:2"))
        first = await begun(place)
        templates = first["spec"]["templates"]
        images = [each["template"]["spec"]["containers"][0]["image"] for each in templates]
        assert (images, templates[1]["replicas"], first["spec"]["duration"]) == (["web:1", "web:2"], 2, "1h0m0s")
        await place.apply(a_rollout(weight(25), STEP, weight(50), image="web:3"))
        second = await begun(place, but=first["metadata"]["name"])
        assert (await find(place, first))["spec"]["terminate"] is True
        await place.kubectl("patch", "experiment", second["metadata"]["name"], "--type=merge", "-p", json.dumps(PASSED))
        await place.until_stable("web:3")


async def begun(place: Place, *, but: str = "") -> Json:
    """The Experiment that the status names, once it names another one than `but`."""
    seen = await place.until("its experiment", lambda rollout: _named(rollout) not in ("", but))
    return await find(place, {"metadata": {"name": _named(seen)}})


async def find(place: Place, experiment: Json) -> Json:
    """An Experiment as it is stored."""

    async def look() -> Json | None:
        stored = await place.objects(EXPERIMENTS)
        return next((each for each in stored if each["metadata"]["name"] == experiment["metadata"]["name"]), None)

    return await until(f"the experiment {experiment['metadata']['name']}", look)


def _named(rollout: Json) -> str:
    return str(status(rollout).get("canary", {}).get("currentExperiment", ""))
