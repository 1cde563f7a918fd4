"""Plays a scenario file in the world of tests/world.py and writes its story down.

    # why this story matters
    rollout: {replicas: 10, steps: [{setWeight: 20}, {pause: {}}], spec: {...}, canary: {...}}
    # or              blueGreen: {activeService: web, ...} instead of steps and canary
    # or              routed: {dynamicStableScale: true, ...} a canary with a router and Services for both roles
    pods: {broken: never, slow: 40}            # seconds until a pod of that image is ready; 5 for all others
    experiments: {5: Running, 65: "Failed: slower"}    # what an Experiment comes to at which age
    plugin: {1: [Running, "error: no"]}        # what the plugin of a step answers, time after time; the last one stays
    pods-per-second: 2                         # how fast they are made; all at once where nothing is said
    metrics: {success-rate: {0: 1.0, 75: 0.2}} # what the query answers from that second on; a text is an error
    templates: {success-rate: {count: 3, interval: 10s}}   # fields of the one metric of a template
    deployment: {replicas: 10, scaleDown: progressively}   # the template is that of a Deployment that runs already
    timeline:
      - {at: 60, image: v2}                    # one of EVENTS; `apply` is a verb that came by an apply
    until: 700

A story has a line for every note, and after each moment at which something changed a line for where that left the
Rollout: phase, step, and for each version the pods available of those asked for, and what they wear; of blue-green and
of routed canaries also where Services lead, and the canary's weight as each router has it; of
some steps their Experiment and what their plugin was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from rollouts.core import naming
from rollouts.ports import StepAnswer, StepCall, StepPhase
from tests import roads
from tests.builders import NOON, Json, a_deployment, a_metric, a_rollout, a_template, referring
from tests.cluster import Settings, Unreachable
from tests.stepping import ENDED
from tests.world import World

ROUTED: Json = {
    "canaryService": "web-canary",
    "stableService": "web-stable",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
}
"""A canary whose traffic one router splits."""

SELECTING = ("app", naming.POD_HASH_LABEL)


def play(path: Path) -> str:
    """The story of one scenario."""
    script = yaml.safe_load(path.read_text())
    rollout, deployment = _rollout(script["rollout"]), script.get("deployment")
    workload = None
    if deployment is not None:
        rollout = referring(rollout, scale_down=deployment.get("scaleDown", ""))
        workload = a_deployment(replicas=deployment["replicas"])
    world = World(rollout, templates=_templates(script), settings=_settings(script), workload=workload)
    teller = _Teller(world)
    for event in sorted(script.get("timeline", []), key=lambda event: event["at"]):
        world.run((NOON + timedelta(seconds=event["at"]) - world.now).total_seconds())
        teller.say(f"* {_words(event)}")
        _happen(world, event)
        world.settle()
    world.run((NOON + timedelta(seconds=script["until"]) - world.now).total_seconds())
    return teller.story()


class _Teller:
    """Writes notes and states down in the order in which they come about."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lines: list[str] = []
        self._told = 0
        self._state = ""
        world.after_rest = self._rest

    def say(self, line: str) -> None:
        self._rest(self._world)
        self._lines.append(f"{self._seconds(self._world.now)} {line}")

    def story(self) -> str:
        self._rest(self._world)
        return "\n".join(self._lines) + "\n"

    def _rest(self, world: World) -> None:
        for at, note in world.story[self._told :]:
            mark = "!" if note.type == "Warning" else " "
            self._lines.append(f"{self._seconds(at)}  {mark}{note.reason}: {note.message}")
        self._told = len(world.story)
        state = _state(world)
        if state != self._state:
            self._lines.append(f"{' ' * 7} = {state}")
            self._state = state

    @staticmethod
    def _seconds(at: datetime) -> str:
        return f"{int((at - NOON).total_seconds()):6d}s"


def _state(world: World) -> str:
    status = world.status
    steps = world.rollout["spec"]["strategy"].get("canary", {}).get("steps", [])
    step = f" step {status['currentStepIndex']}/{len(steps)}" if "currentStepIndex" in status else ""
    counts = [f"{_image(raw)} {_count(raw)}{_worn(world, name)}" for name, raw in world.replica_sets.items()]
    sizes = " ".join([*counts, *(f"Deployment {_count(raw)}" for raw in world.workloads.values())])
    ready = next((c["message"] for c in status.get("conditions", []) if c["type"] == "Ready"), "")
    return f"{status.get('phase', '')}{step}{_led(world)} | {' '.join([sizes, *_steps(world)])} | {ready}"


def _steps(world: World) -> Iterator[str]:
    """Experiments that are not over yet, and what the status says of plugins."""
    for name, raw in world.experiments.items():
        if raw.get("status", {}).get("phase") not in ENDED:
            yield f"experiment {name}{' (to end)' if raw['spec'].get('terminate') else ''}"
    for entry in world.status.get("canary", {}).get("stepPluginStatuses", []):
        yield f"{entry['operation']} {entry['index']} {entry['phase']}"


def _led(world: World) -> str:
    """Weights, managed routes, and the images that Services lead to: `any` where one names no version."""
    (strategy,) = world.rollout["spec"]["strategy"].values()
    images = {raw["metadata"]["labels"][naming.POD_HASH_LABEL]: _image(raw) for raw in world.replica_sets.values()}
    pair = strategy.get("pingPong", {})
    named = {name: strategy[name] for name in roads.SERVICES if name in strategy} | pair
    hashes = {name.removesuffix("Service"): roads.hash_of(world.services, service) for name, service in named.items()}
    roles = "".join(f" {role} {images.get(found, found or 'any')}" for role, found in hashes.items())
    return "".join(f" {_weight(world, raw, images)}" for raw in world.routes.values()) + roles


def _weight(world: World, route: Json, images: Mapping[str, str]) -> str:
    """What one router really sends to each version, and the names of its managed routes."""
    shares = {images.get(found, found or "any"): share for found, share in roads.shares(world.services, route).items()}
    total = route["spec"]["max"]
    split = " ".join(f"{image} {share * total}" for image, share in sorted(shares.items()) if share) or "-"
    return f"[{split}{''.join(f' +{name}' for name in sorted(route['spec']['routes']))}]"


def _count(raw: Json) -> str:
    return f"{raw.get('status', {}).get('availableReplicas', 0)}/{raw['spec']['replicas']}"


def _worn(world: World, name: str) -> str:
    """What the pods of a version wear besides the labels they are selected by; in most stories nothing."""
    pods = world.pods[name].each if name in world.pods else []
    shown = [{**pod.metadata.get("labels", {}), **pod.metadata.get("annotations", {})} for pod in pods]
    texts = {",".join(f"{key}={worn[key]}" for key in sorted(worn) if key not in SELECTING) for worn in shown}
    return f" {{{' or '.join(sorted(texts))}}}" if any(texts) else ""


def _rollout(script: Json) -> Json:
    steps = script.get("steps")
    routed = {**ROUTED, **script["routed"]} if "routed" in script else {}
    strategy = {"canary": {**({"steps": steps} if steps else {}), **routed, **script.get("canary", {})}}
    if "blueGreen" in script:
        strategy = {"blueGreen": script["blueGreen"]}
    return a_rollout(
        strategy, image=script.get("image", "v1"), replicas=script.get("replicas"), **script.get("spec", {})
    )


def _templates(script: Json) -> list[Json]:
    return [a_template(name, a_metric(name, **fields)) for name, fields in script.get("templates", {}).items()]


def _settings(script: Json) -> Settings:
    pods = {str(image): None if after == "never" else after for image, after in script.get("pods", {}).items()}
    metrics = script.get("metrics", {})

    def reading(metric: str, now: datetime) -> Any:
        answers = metrics.get(metric, {0: 1.0})
        since = max(second for second in answers if NOON + timedelta(seconds=second) <= now)
        answer = answers[since]
        return RuntimeError(answer) if isinstance(answer, str) else [answer] if isinstance(answer, float) else answer

    return Settings(
        ready_after=lambda image: pods.get(image, 5),
        pods_per_second=script.get("pods-per-second"),
        reading=reading,
        plugin=_plugin(script.get("plugin", {})),
        **({"experiment": script["experiments"]} if "experiments" in script else {}),
    )


def _plugin(script: Mapping[int, list[str]]) -> Callable[[StepCall, int], StepAnswer]:
    """A plugin that runs through its answers at each step, and does at once what it is told at the end."""

    def answer(call: StepCall, asked: int) -> StepAnswer:
        _, index, _ = call.key.split("/")
        answers = script.get(int(index), ["Successful"])
        text = answers[min(asked, len(answers)) - 1] if call.operation == "Run" else "Successful"
        phase, _, message = text.partition(": ")
        if phase == "error":
            raise RuntimeError(message)
        return StepAnswer(phase=StepPhase(phase), message=message)

    return answer


def _happen(world: World, event: Json) -> None:
    for kind, value in event.items():
        if kind != "at":
            EVENTS[kind](world, value)


def _annotate(world: World, verbs: Json) -> None:
    for verb, text in verbs.items():
        world.annotate(verb, text, manager="ann")


def _apply(world: World, verbs: Json) -> None:
    for verb, text in verbs.items():
        world.annotate(verb, text, is_applied=True, manager="gitsync")


def _delete_replica_set(world: World, image: str) -> None:
    world.replica_sets.pop(next(name for name, raw in world.replica_sets.items() if _image(raw) == image))


def _lose_pods(world: World, image: str) -> None:
    world.lose_pods(next(name for name, raw in world.replica_sets.items() if _image(raw) == image))


def _edit_routes(world: World, change: Json) -> None:
    """Something happens to every router."""
    for raw in world.routes.values():
        world.alter(raw, roads.troubled(raw, change))


def _lose_writes(world: World, counts: dict[str, int]) -> None:
    """The next so many writes to these objects fail."""

    def before(what: str) -> None:
        name = what.removeprefix("patch ")
        if counts.get(name, 0):
            counts[name] -= 1
            raise Unreachable(what)

    world.before_write = before


def _new_template(world: World, name: str) -> None:
    world.templates[name] = a_template(name)


EVENTS: Mapping[str, Callable[[World, Any], object]] = {
    "image": World.set_image,
    "spec": lambda world, spec: world.edit({"spec": spec}),
    "status": World.patch_status,
    "annotate": _annotate,
    "apply": _apply,
    "terminate-run": lambda world, name: world.terminate(name),
    "terminate-experiment": lambda world, name: world.terminate_experiment(name),
    "delete-experiment": lambda world, name: world.experiments.pop(name),
    "delete-run": lambda world, name: world.runs.pop(name),
    "delete-replica-set": _delete_replica_set,
    "new-template": _new_template,
    "deployment": lambda world, replicas: world.edit_workload("web", {"replicas": replicas}),
    "lose-pods": _lose_pods,
    "apply-service": World.apply_service,
    "delete-service": lambda world, name: world.services.pop(name),
    "new-service": World.new_service,
    "new-router": lambda world, name: world.routes.update({name: roads.new_route(name)}),
    "router-unknown": lambda world, why: _edit_routes(world, {"unknown": why}),
    "router-stuck": lambda world, is_stuck: _edit_routes(world, {"isStuck": is_stuck}),
    "lose-writes": _lose_writes,
}


def _image(raw: Json) -> str:
    image: str = raw["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def _words(event: Json) -> str:
    return ", ".join(f"{kind}: {value}" for kind, value in event.items() if kind != "at")
