"""What the stories act on: a cluster, controllers as processes of their own, kubectl, and one way to wait.

The cluster is the sandbox, or the real control plane that KUBEBUILDER_ASSETS names; controllers know it from a
kubeconfig, as in production. Every story has a namespace of its own, so that stories can share a cluster. Nothing
sleeps for luck: `until` looks again and again at what is stored, and gives up after a time that only a hang can take.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rollouts.demo import cluster, manifests
from rollouts.demo.processes import Child, Processes, last_lines
from rollouts.demo.sight import ANALYSIS_RUNS, EVENTS, ROLLOUTS, condition
from rollouts.sandbox.client import ApiClient, ApiFailure, Connection
from rollouts.sandbox.cluster import Sandbox
from rollouts.sandbox.kinds import CRDS, NAMESPACES, PODS, REPLICA_SETS, Json, Kind, uid_of
from tests.sandbox.kubectl.runner import Kubectl, binaries

PATIENCE_SECONDS = 60.0  # for one thing to happen on a busy machine
LOOK_AGAIN_SECONDS = 0.1
NAME = "web"
HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"

T = TypeVar("T")
_numbers = itertools.count(1)


async def until(what: str, look: Callable[[], Awaitable[T | None]]) -> T:
    """Look until there is something to see, and return it. An API that is ill for the moment shows nothing."""
    problem: object = "nothing to see"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    if (seen := await look()) is not None:
                        return seen
                except ApiFailure as failure:
                    problem = failure
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
    except TimeoutError:
        raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s for {what}; last: {problem}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running cluster that serves Rollouts, and what runs beside it."""

    processes: Processes
    kubeconfig: Path
    connection: Connection
    api: ApiClient
    folder: Path
    controllers: list[Child] = field(default_factory=list)
    """All that were started, also those that have ended."""

    async def controller(self, *flags: str) -> Child:
        """Start a controller with these flags more."""
        command = (sys.executable, "-m", "rollouts", *self.controller_words(*flags))
        child = await self.processes.start(f"controller-{len(self.controllers)}", command)
        self.controllers.append(child)
        return child

    def controller_words(self, *flags: str) -> tuple[str, ...]:
        """The arguments of a controller on this stage, with these flags more."""
        own = (f"--kubeconfig={self.kubeconfig}", "--leader-election-namespace=default", "--logformat=json")
        ports = ("--bind-address=127.0.0.1", "--healthzPort=0", "--metricsPort=0")
        return ("controller", *own, *ports, *flags)

    async def kill_controllers(self) -> None:
        """`kill -9` to all that still run."""
        for child in self.controllers:
            if child.process.returncode is None:
                await kill(child)

    async def place(self, rollout: str = NAME) -> Place:
        """A new namespace, for a Rollout of this name."""
        name = f"story-{next(_numbers)}"
        await self.api.create(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        program = binaries()[0]
        kubectl = Kubectl(
            program=program, kubeconfig=self.kubeconfig, cache=self.folder / "kubectl-cache", namespace=name
        )
        return Place(stage=self, namespace=name, name=rollout, run_kubectl=kubectl)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One story's namespace, with at most one Rollout."""

    stage: Stage
    namespace: str
    name: str
    """Of the Rollout."""
    run_kubectl: Kubectl

    @property
    def api(self) -> ApiClient:
        """The cluster's API."""
        return self.stage.api

    async def kubectl(self, *args: str, stdin: str | None = None, code: int = 0) -> str:
        """Run kubectl here and give its standard output; it must end with this code."""
        return await asyncio.to_thread(self.run_kubectl, *args, stdin=stdin, code=code)

    async def apply(self, *objects: Json, options: tuple[str, ...] = ()) -> None:
        """`kubectl apply` objects."""
        text = "".join(f"---\n{json.dumps(each)}\n" for each in objects)
        await self.kubectl("apply", *options, "-f", "-", stdin=text)

    async def annotate(self, verb: str, value: str) -> None:
        """Ask for a verb by hand."""
        await self.kubectl("annotate", "rollout", self.name, "--overwrite", f"rollouts.io/{verb}={value}")

    async def patch(self, change: Json, *, subresource: str = "") -> None:
        """Send a merge patch with kubectl, as people and the public plugin do."""
        options = (f"--subresource={subresource}",) if subresource else ()
        await self.kubectl("patch", "rollout", self.name, "--type=merge", *options, "-p", json.dumps(change))

    async def wait_for(self, kind: str, *, status: str = "True") -> None:
        """`kubectl wait` until a condition of the Rollout has this status."""
        await self.kubectl("wait", "rollout", self.name, f"--for=condition={kind}={status}", "--timeout=50s")

    async def rollout(self) -> Json:
        """The Rollout as stored."""
        return await self.api.get(ROLLOUTS, (self.namespace, self.name))

    async def until(self, what: str, holds: Callable[[Json], object]) -> Json:
        """Wait until the Rollout is so and its status speaks of the present spec; return it."""
        last: Json = {}

        async def look() -> Json | None:
            nonlocal last
            last = await self.rollout()
            return last if is_fresh(last) and holds(last) else None

        try:
            return await until(what, look)
        except AssertionError as stuck:
            said = (f"{child.name}:\n{last_lines(child.log)}" for child in self.stage.controllers[-2:])
            raise AssertionError("\n".join((str(stuck), f"status: {json.dumps(last.get('status'))}", *said))) from None

    async def until_at(self, step: int) -> Json:
        """Wait until the Rollout is held by the pause at this step."""
        return await self.until(f"the pause at step {step}", lambda seen: step_of(seen) == step and is_paused(seen))

    async def until_stable(self, image: str) -> Json:
        """Wait until this image is the stable one, everywhere, and the Rollout says so."""
        return await self.until(
            f"{image} to be stable",
            lambda seen: phase(seen) == "Healthy" and image_of(seen) == image and is_complete(seen),
        )

    async def annotate_anyhow(self, verb: str, value: str) -> None:
        """Ask for a verb as often as an ill API makes it necessary."""
        change = {"metadata": {"annotations": {f"rollouts.io/{verb}": value}}}
        await until("the annotation", lambda: self.api.patch(ROLLOUTS, (self.namespace, self.name), change))

    async def until_run(self, what: str, holds: Callable[[Json], object]) -> Json:
        """Wait until the only AnalysisRun is so, and return it."""

        async def look() -> Json | None:
            return next((run for run in await self.runs() if holds(run)), None)

        return await until(what, look)

    async def objects(self, kind: Kind) -> list[Json]:
        """The objects of a kind in this namespace, in the order in which they were last written."""
        found = (await self.api.request("GET", kind.collection(self.namespace))).get("items") or []
        return sorted(found, key=lambda item: int(item["metadata"]["resourceVersion"]))

    async def pod_objects(self) -> list[Json]:
        """The pods that are not leaving."""
        return [pod for pod in await self.objects(PODS) if "deletionTimestamp" not in pod["metadata"]]

    async def until_pods(self, counts: dict[str, int]) -> None:
        """Wait until there are exactly so many pods of each image that are not leaving."""

        async def look() -> bool | None:
            images = Counter(str(pod["spec"]["containers"][0]["image"]) for pod in await self.pod_objects())
            return True if images == counts else None

        await until(f"pods {counts}", look)

    async def replica_sets(self) -> list[Json]:
        """The ReplicaSets, oldest revision first."""
        found = await self.objects(REPLICA_SETS)
        return sorted(found, key=lambda item: int(item["metadata"]["annotations"][REVISION]))

    async def runs(self) -> list[Json]:
        """The AnalysisRuns."""
        return await self.objects(ANALYSIS_RUNS)

    async def events(self) -> list[Json]:
        """The Events on the Rollout, in the order in which they were last written."""
        uid = uid_of(await self.rollout())
        return [event for event in await self.objects(EVENTS) if event["involvedObject"].get("uid") == uid]

    async def until_event(self, reason: str, text: str = "") -> Json:
        """Wait for an Event of this reason whose message contains a text."""

        async def look() -> Json | None:
            found = (each for each in await self.events() if each["reason"] == reason and text in each["message"])
            return next(found, None)

        return await until(f"an Event {reason} {text!r}", look)

    async def until_verb(self, verb: str, value: str) -> Json:
        """Wait until the latest answer to a verb is about this value and final; the record in status.verbs."""

        def answer(seen: Json) -> Json | None:
            records = seen["status"].get("verbs") or [{}]
            latest: Json = records[-1]
            is_it = (latest.get("verb"), latest.get("value")) == (verb, value) and latest["outcome"] != "Accepted"
            return latest if is_it else None

        found = answer(await self.until(f"an answer to {verb}={value}", answer))
        assert found is not None
        return found


async def kill(child: Child) -> None:
    """`kill -9`."""
    child.process.kill()
    await child.process.wait()


async def until_said(child: Child, event: str) -> None:
    """Wait until a controller has logged this."""

    async def look() -> bool | None:
        assert child.process.returncode is None, f"{child.name} ended:\n{last_lines(child.log)}"
        return True if f'"event": "{event}"' in child.log.read_text() else None

    await until(f"{child.name} to say {event}", look)


@asynccontextmanager
async def on_stage(folder: Path) -> AsyncIterator[Stage]:
    """A cluster that runs apart from the test, and serves Rollouts."""
    async with (
        Processes(folder / "logs") as processes,
        cluster.running(processes, folder, os.environ) as kubeconfig,
        furnished(processes, kubeconfig, folder) as stage,
    ):
        yield stage


@asynccontextmanager
async def in_sandbox(folder: Path) -> AsyncIterator[tuple[Sandbox, Stage]]:
    """A sandbox in the test's own loop, so that the test decides what becomes of requests to it."""
    (folder / "logs").mkdir()
    async with (
        Sandbox(workloads=True, logs=folder / "logs") as sandbox,
        Processes(folder / "logs") as processes,
        furnished(processes, sandbox.kubeconfig(folder / "kubeconfig"), folder) as stage,
    ):
        yield sandbox, stage


@asynccontextmanager
async def furnished(processes: Processes, kubeconfig: Path, folder: Path) -> AsyncIterator[Stage]:
    """A stage on a cluster that runs: with the CRDs, served."""
    connection = Connection.from_kubeconfig(kubeconfig)
    async with ApiClient(connection) as api:
        for definition in manifests.definitions():
            await api.create(CRDS, "", definition)
        await until("the CRDs to be served", partial(_is_served, api))
        yield Stage(processes=processes, kubeconfig=kubeconfig, connection=connection, api=api, folder=folder)


async def _is_served(api: ApiClient) -> bool | None:
    """Whether every kind of ours is listed by discovery, which is what kubectl goes by; and can be listed."""
    found = {resource["name"] for resource in (await api.request("GET", ROLLOUTS.root))["resources"]}
    await api.list(ROLLOUTS)
    plurals = {definition["spec"]["names"]["plural"] for definition in manifests.definitions()}
    return True if plurals <= found else None


def is_fresh(rollout: Json) -> bool:
    """Whether the status speaks of the present spec."""
    return str(status(rollout).get("observedGeneration")) == str(rollout["metadata"]["generation"])


def status(rollout: Json) -> Json:
    """Its status; empty before the first write."""
    found: Json = rollout.get("status") or {}
    return found


def phase(rollout: Json) -> str:
    """Its phase."""
    return str(status(rollout).get("phase", ""))


def step_of(rollout: Json) -> int:
    """How many steps are done."""
    return int(status(rollout).get("currentStepIndex") or 0)


def is_paused(rollout: Json) -> bool:
    """Whether a pause step holds it."""
    return bool(status(rollout).get("pauseConditions"))


def is_complete(rollout: Json) -> bool:
    """Whether the version it wants is the stable one."""
    seen = status(rollout)
    return bool(seen.get("stableRS")) and seen["stableRS"] == seen.get("currentPodHash")


def condition_of(rollout: Json, kind: str) -> Any:
    """The condition of a type; empty when there is none."""
    return condition(status(rollout), kind)


def image_of(rollout: Json) -> str:
    """The image it wants."""
    return str(rollout["spec"]["template"]["spec"]["containers"][0]["image"])
