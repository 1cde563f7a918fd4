"""The composition root: the one place that names concrete parts and plugs them together.

Reading top to bottom shows the whole controller; no part looks up another by itself.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import structlog

from rollouts.core import expression
from rollouts.core.decide import decide, wants_pods
from rollouts.core.measured import decide_run
from rollouts.core.release import release
from rollouts.kube.applier import Applier
from rollouts.kube.client import AlwaysOpen, ClusterSource, ConfigurationError, KubeClient, Writer
from rollouts.kube.discovery import Served
from rollouts.kube.events import EventRecorder
from rollouts.kube.kinds import ANALYSIS_RUNS, PODS, REPORTED, ROLLOUTS, SECRETS, SERVICES, WATCHED, Key, Kind
from rollouts.kube.lease import Claim, Elector, LeaseTiming
from rollouts.kube.status_writer import StatusWriter
from rollouts.ports import MetricProvider
from rollouts.providers.prometheus import Prometheus
from rollouts.routers.nginx import Nginx
from rollouts.runtime import figures
from rollouts.runtime.cache import Cache, Json
from rollouts.runtime.census import Census, News
from rollouts.runtime.clock import running_seconds, utc_now
from rollouts.runtime.execute import Executor
from rollouts.runtime.health import WATCHES_DOWN_MAX_SECONDS, HealthServer, Probes
from rollouts.runtime.holders import ServiceTurns
from rollouts.runtime.intake import Intake
from rollouts.runtime.lifecycle import NEEDED, Crew, Ending, Parts, live
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.pump import Pump, Scope
from rollouts.runtime.queue import WorkQueue
from rollouts.runtime.readings import Readings
from rollouts.runtime.routes import Routers, Routes
from rollouts.runtime.snapshot import Snapshots
from rollouts.runtime.step_calls import StepCalls
from rollouts.runtime.step_plugins import Found, StepPlugins, found
from rollouts.runtime.turns import RolloutTurns, RunTurns, Turns
from rollouts.runtime.worker import Tools, Worker
from rollouts.settings import Settings
from rollouts.telemetry import Telemetry, set_up_logging

log = structlog.get_logger()


def version() -> str:
    """The version of this installation."""
    return metadata.version("rollouts")


def providers(settings: Settings) -> Mapping[str, MetricProvider]:
    """The metric backends this controller can ask, by their name in a metric."""
    prometheus = Prometheus(
        moment=expression.moment,
        clock=running_seconds,
        default_address=settings.prometheus_address,
        ca_bundle=settings.ca_bundle or None,
    )
    return {"prometheus": prometheus}


def routers() -> Routers:
    """The routers this controller can split traffic by, by their name in a Rollout."""
    return {"nginx": Nginx()}


def step_plugins() -> Found:
    """The step plugins of all installed packages, by their name in a Rollout; none of them is loaded yet."""
    return found(metadata.entry_points(group="rollouts.steps"))


async def run_controller(settings: Settings) -> int:
    """Run a controller until it is asked to stop or must end; returns the exit code."""
    set_up_logging(level=settings.log_level, is_json=settings.log_is_json)
    for flag in settings.ignored_flags:
        log.warning("flag_ignored", flag=f"--{flag}")
    source = ClusterSource(kubeconfig=settings.kubeconfig, context=settings.context)
    try:
        configuration = await source.load()
        timing = _timing(settings)
    except (ConfigurationError, ValueError) as error:
        log.error("configuration_unusable", error=str(error))
        return Ending.FAILED
    telemetry = Telemetry(version=version())
    client = KubeClient(configuration, observe=telemetry.observe_request)
    try:
        return await _run(settings, source, client, telemetry, timing)
    finally:
        await client.close()


async def _run(
    settings: Settings, source: ClusterSource, client: KubeClient, telemetry: Telemetry, timing: LeaseTiming
) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    elector = None
    if settings.leader_elect:
        claim = Claim(namespace=settings.lease_namespace, name=settings.lease_name, identity=settings.identity)
        elector = Elector(client, claim=claim, timing=timing)
    parts = assemble(settings, source=source, client=client, telemetry=telemetry, elector=elector)
    health = HealthServer(probes(parts, telemetry))
    try:
        ports = await health.start(host=settings.bind_address, ports=(settings.healthz_port, settings.metrics_port))
    except OSError as error:
        log.error("port_unusable", error=str(error), hint="see --bind-address, --healthzPort and --metricsPort")
        return Ending.FAILED
    log.info("controller_started", version=version(), identity=settings.identity, ports=ports)
    try:
        return await live(parts, stop)
    finally:
        await health.stop()


def assemble(
    settings: Settings, *, source: ClusterSource, client: KubeClient, telemetry: Telemetry, elector: Elector | None
) -> Parts:
    """Plug the controller together; nothing runs yet."""
    writer = Writer(client, elector or AlwaysOpen())
    loop = asyncio.get_running_loop()
    cache = Cache()
    queues = {kind: WorkQueue[Key](loop) for kind in (ROLLOUTS, ANALYSIS_RUNS, SERVICES)}
    routes = Routes(routers(), cache, unreadable=lambda kind: census.unreadable(kind))
    intake = Intake(cache, queues, reads=routes.reads, is_open=False)
    _show(telemetry, intake, queues)
    statuses = StatusWriter(writer)
    scope = _scope(settings)
    pump = Pump(scope, login=source.credentials, deliver=intake.deliver, refused=lambda kind: census.refused(kind))
    news = News(
        changed=intake.changed,
        served=lambda kind, how: _learn(statuses, kind, how),
        installed=pump.restart,
        sight=intake.look_again,
    )
    census = Census(client, cache, scope, news=news)
    intake.listen(lambda event, was_known: census.heard(event, was_known=was_known))
    readings = Readings()
    measurer = _measurer(settings, client, readings, queues[ANALYSIS_RUNS])
    step_calls = _step_calls(loop, intake, queues[ROLLOUTS])
    snapshots = Snapshots(
        cache,
        readings,
        routes,
        unreadable=census.unreadable,
        keeps_verbs=lambda: statuses.keeps(ROLLOUTS, "verbs"),
        instance_id=settings.instance_id,
    )
    events = EventRecorder(writer, instance=settings.identity, clock=utc_now)
    tools = Tools(
        cache=cache,
        intake=intake,
        executor=Executor(Applier(writer), measurer, step_calls),
        statuses=statuses,
        events=events,
        telemetry=telemetry,
    )
    turns: tuple[tuple[Turns, int], ...] = (
        (_rollout_turns(client, cache, snapshots, step_calls), settings.rollout_workers),
        (_run_turns(cache, snapshots, measurer), settings.analysis_workers),
        (_service_turns(settings, client, cache, snapshots), settings.service_workers),
    )
    return Parts(
        cache=cache,
        intake=intake,
        pump=pump,
        census=census,
        elector=elector,
        crews=tuple(_crew(settings, each, queues[each.kind], tools, loops=loops) for each, loops in turns),
        events=events,
        measurer=measurer,
        step_calls=step_calls,
    )


def _step_calls(loop: asyncio.AbstractEventLoop, intake: Intake, rollouts: WorkQueue[Key]) -> StepCalls:
    """Asks step plugins; one that cannot be loaded makes the Rollouts that name it invalid, so all are looked at."""

    def look_again() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(intake.look_again)

    calls = StepCalls(StepPlugins(step_plugins(), on_failure=look_again), on_answer=rollouts.add)
    intake.observe(calls.observe)
    return calls


def _measurer(settings: Settings, client: KubeClient, readings: Readings, runs: WorkQueue[Key]) -> Measurer:
    """Asks backends for runs, and queues a run again when there is an answer, or none."""
    return Measurer(
        providers(settings),
        readings,
        read_secret=lambda key: client.get(SECRETS.path(key.namespace, key.name)),
        on_answer=runs.add,
        on_failure=lambda key, seconds: _add_later(runs, key, seconds),
    )


def _rollout_turns(client: KubeClient, cache: Cache, snapshots: Snapshots, step_calls: StepCalls) -> Turns:
    return RolloutTurns(
        cache,
        snapshots,
        decide=lambda seen, now: decide(step_calls.seen(seen), now=now),
        wants_pods=wants_pods,
        list_pods=lambda namespace, selector: _pods(client, namespace, selector),
        read_workload=lambda kind, key: client.get(kind.path(key.namespace, key.name)),
    )


def _run_turns(cache: Cache, snapshots: Snapshots, measurer: Measurer) -> Turns:
    return RunTurns(cache, snapshots, decide=lambda seen, now: decide_run(seen, now=now), measurer=measurer)


def _service_turns(settings: Settings, client: KubeClient, cache: Cache, snapshots: Snapshots) -> Turns:
    return ServiceTurns(
        cache,
        snapshots,
        release=release,
        read_rollout=lambda key: client.get(ROLLOUTS.path(key.namespace, key.name)),
        instance_id=settings.instance_id,
    )


def _show(telemetry: Telemetry, intake: Intake, queues: Mapping[Kind, WorkQueue[Key]]) -> None:
    for kind, queue in queues.items():
        telemetry.show_depth(kind.name, queue.__len__)
    intake.observe(lambda change: figures.show_template(telemetry, change))


def _crew(settings: Settings, turns: Turns, queue: WorkQueue[Key], tools: Tools, *, loops: int) -> Crew:
    worker = Worker(turns, queue, tools, resync_seconds=settings.resync_seconds)
    return Crew(worker=worker, queue=queue, loops=loops)


def _scope(settings: Settings) -> Scope:
    kinds = tuple(kind for kind in WATCHED if kind.is_namespaced or not settings.namespace)
    return Scope(kinds=kinds, namespace=settings.namespace, instance_id=settings.instance_id)


def _timing(settings: Settings) -> LeaseTiming:
    return LeaseTiming(
        duration=settings.lease_duration_seconds,
        renew_deadline=settings.renew_deadline_seconds,
        retry_period=settings.retry_period_seconds,
    )


def _learn(statuses: StatusWriter, kind: Kind, how: Served) -> None:
    if kind in REPORTED:
        statuses.learn(kind, has_subresource=how.has_status, members=how.status_members)


async def _pods(client: KubeClient, namespace: str, selector: str) -> list[Json]:
    listed = await client.get(PODS.path(namespace), query={"labelSelector": selector})
    return list(listed.get("items") or ())


def _add_later(queue: WorkQueue[Key], key: Key, seconds: float) -> None:
    queue.add_rate_limited(key, at_least_seconds=seconds)


def probes(parts: Parts, telemetry: Telemetry) -> Probes:
    """What the parts answer to a cluster's questions."""

    def unhealthy() -> str | None:
        down = parts.pump.down_seconds()
        return f"nothing has been watched for {down:.0f} s" if down > WATCHES_DOWN_MAX_SECONDS else None

    def unready() -> str | None:
        if not parts.census.is_complete(NEEDED):
            return "the copy of the cluster is not complete yet"
        return unhealthy() or next(filter(None, map(parts.census.unreadable, NEEDED)), None)

    return Probes(unhealthy=unhealthy, unready=unready, metrics=telemetry.render)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT asks for a clean end, the second does not ask."""

    def asked() -> None:
        if stop.is_set():
            sys.exit(128 + signal.SIGTERM)
        stop.set()

    loop: Any = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
