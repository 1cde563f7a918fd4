"""How logs and figures about the controller itself leave the process; no rules, and no way to be slow.

Log events are constants with fields, as JSON or for a console; what libraries log takes the same way. Metric series
carry the names and labels that existing dashboards ask for, and go when their object goes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_disable_created_metrics: Any = disable_created_metrics  # the library annotates it with nothing

RECONCILE_BUCKETS = (0.01, 0.15, 0.25, 0.5, 1.0)
DURATION_BUCKETS = {
    "rollout_duration": (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800),
    "rollout_progression_duration": (30, 60, 120, 300, 600, 900, 1800, 3600),
    "rollout_manual_pause_duration": (0, 60, 300, 600, 1800, 3600, 7200, 14400, 28800),
}
"""Seconds an update took, less the time it waited for people, and that time."""
RETRIES_QUIET_SECONDS = 300.0
QUIET_LOGGERS = ("kopf", "kopf.objects", "kopf.activities", "aiohttp", "asyncio", "kubernetes")

WARN_WRONGLY = (
    "kopf._core.reactor.running",  # that signals are ours to handle, which they are
    "urllib3",  # of odd headers, with a URL that may hold a secret
)


def set_up_logging(*, level: str, is_json: bool) -> None:
    """Send everything that is logged to stderr, one line each. `level` is debug, info, warning or error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.processors.JSONRenderer() if is_json else _console()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if is_json else []),
                renderer,
            ],
        )
    )
    handler.addFilter(RetriesNowAndThen())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in WARN_WRONGLY:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class RetriesNowAndThen(logging.Filter):
    """Lets one in a while pass of what kopf says about each attempt of each watch while the API server is away."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at = -RETRIES_QUIET_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if not record.name.startswith("kopf.") or not record.getMessage().startswith("Request attempt "):
            return True
        if record.created - self._said_at < RETRIES_QUIET_SECONDS:
            return False
        self._said_at = record.created
        return True


def _console() -> Any:
    """Lines for people. Tracebacks without the values of variables: these are long, and may be secret."""
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


class Telemetry:
    """The controller's own metrics, in a registry of their own."""

    def __init__(self, *, version: str) -> None:
        _disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        named = ("namespace", "name")
        self._info = self._gauge("rollout_info", "Phase and kind of a rollout", *named, *_INFO_LABELS)
        self._replicas = {
            what: self._gauge(f"rollout_info_replicas_{what}", f"Replicas of a rollout: {what}", *named)
            for what in ("available", "unavailable", "desired", "updated")
        }
        self._reconcile = {
            kind: Histogram(
                f"{kind}_reconcile",
                "Seconds one turn took",
                named,
                buckets=RECONCILE_BUCKETS,
                registry=self.registry,
            )
            for kind in _KINDS
        }
        self._errors = {
            # a gauge that only grows: a counter's name would end in _total, and dashboards ask for this one
            kind: self._gauge(f"{kind}_reconcile_error", "Turns that failed", *named)
            for kind in _KINDS
        }
        self._events = self._counter("rollout_events", "Events on a rollout", *named, "type", "reason")
        self._durations = {
            name: Histogram(
                f"{name}_seconds",
                "Seconds of an update that ended",
                ("status",),
                buckets=buckets,
                registry=self.registry,
            )
            for name, buckets in DURATION_BUCKETS.items()
        }
        self._template_info = self._gauge("analysis_template_info", "An analysis template", *named)
        self._template_metric = self._gauge(
            "analysis_template_metric_info", "A metric of an analysis template", *named, "type", "metric"
        )
        self._run_metric_type = self._gauge(
            "analysis_run_metric_type", "Provider of a metric", *named, "metric", "type"
        )
        self._run_info = self._gauge("analysis_run_info", "Phase of an analysis run", *named, "phase")
        self._run_metric = self._gauge(
            "analysis_run_metric_phase", "Verdict on a metric", *named, "metric", "type", "dry_run", "phase"
        )
        self._requests = self._counter(
            "controller_clientset_k8s_request", "Requests to the API server", "kind", "verb", "status_code"
        )
        self.bugs = self._counter("controller_bugs", "Turns that ended in an exception nobody expected", "kind")
        self._depth = self._gauge("controller_queue_depth", "Objects that wait for their turn", "kind")
        self._gauge("argo_rollouts_controller_info", "Version of the controller", "version").labels(version).set(1)
        self._gauge("build_info", "Version of the controller", "version").labels(version).set(1)
        self._series: dict[tuple[str, str, str], list[tuple[Any, tuple[str, ...]]]] = {}

    def observe_request(self, method: str, path: str, status: int) -> None:
        """Count one request; `status` 0: no answer."""
        self._requests.labels(_resource(path), _VERBS.get(method, method.lower()), str(status)).inc()

    def show_depth(self, kind: str, depth: Callable[[], int]) -> None:
        """Show the length of a queue, asked for at each scrape."""
        self._depth.labels(kind).set_function(depth)

    def observe_turn(self, kind: str, namespace: str, name: str, seconds: float, *, failed: bool) -> None:
        """Note how long one turn of an object took, and whether it failed."""
        self._reconcile[kind].labels(namespace, name).observe(seconds)
        if failed:
            self._errors[kind].labels(namespace, name).inc()

    def observe_event(self, namespace: str, name: str, *, type: str, reason: str) -> None:
        """Count an Event on a rollout."""
        self._events.labels(namespace, name, type, reason).inc()
        self._own("rollout_events", namespace, name, (self._events, (namespace, name, type, reason)))

    def show_rollout(self, namespace: str, name: str, *, info: Sequence[str], replicas: Mapping[str, int]) -> None:
        """Show a rollout as it is now: strategy, router and phase; replicas by available, desired and so on."""
        self._replace("rollout", namespace, name, [(self._info, (namespace, name, *info))])
        for what, count in replicas.items():
            self._replicas[what].labels(namespace, name).set(count)

    def observe_update(self, *, outcome: str, total_seconds: float, pause_seconds: float) -> None:
        """Note how long an update took that ended now, and how much of it was waiting for people."""
        seconds = (total_seconds, max(0.0, total_seconds - pause_seconds), pause_seconds)
        for name, value in zip(DURATION_BUCKETS, seconds, strict=True):
            self._durations[name].labels(outcome).observe(value)

    def show_template(self, namespace: str, name: str, *, metrics: Sequence[tuple[str, str]] | None) -> None:
        """Show an analysis template with its metrics (type, name); None: it is gone. Cluster ones have no namespace."""
        series: list[tuple[Any, tuple[str, ...]]] = []
        if metrics is not None:
            series = [(self._template_info, (namespace, name))]
            series.extend((self._template_metric, (namespace, name, *metric)) for metric in metrics)
        self._replace("analysis_template", namespace, name, series)

    def show_run(self, namespace: str, name: str, *, phase: str, metrics: Sequence[Sequence[str]]) -> None:
        """Show an analysis run as it is now: its phase, and for each metric (name, type, dry run, phase)."""
        series: list[tuple[Any, tuple[str, ...]]] = [(self._run_info, (namespace, name, phase))]
        series.extend((self._run_metric, (namespace, name, *metric)) for metric in metrics)
        series.extend((self._run_metric_type, (namespace, name, metric[0], metric[1])) for metric in metrics)
        self._replace("analysis_run", namespace, name, series)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone, and its series with it."""
        self._replace(kind, namespace, name, [])
        families: list[Any] = [self._reconcile[kind], self._errors[kind]]
        if kind == "rollout":
            families.extend(self._replicas.values())
            for family, labels in self._series.pop(("rollout_events", namespace, name), []):
                _remove(family, labels)
        for family in families:
            _remove(family, (namespace, name))

    def render(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)

    def _replace(self, kind: str, namespace: str, name: str, series: list[tuple[Any, tuple[str, ...]]]) -> None:
        for family, labels in self._series.pop((kind, namespace, name), []):
            if (family, labels) not in series:
                _remove(family, labels)
        for family, labels in series:
            family.labels(*labels).set(1)
        if series:
            self._series[kind, namespace, name] = series

    def _own(self, kind: str, namespace: str, name: str, series: tuple[Any, tuple[str, ...]]) -> None:
        owned = self._series.setdefault((kind, namespace, name), [])
        if series not in owned:
            owned.append(series)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)


_KINDS = ("rollout", "analysis_run")
_INFO_LABELS = ("strategy", "traffic_router", "phase")
_VERBS = {"POST": "create", "PUT": "update"}


def _resource(path: str) -> str:
    """The plural in a request's path: the part after the namespace, or after the version."""
    parts = path.strip("/").split("/")
    if "namespaces" in parts[:-1]:
        parts = parts[parts.index("namespaces") + 2 :]
    else:
        parts = parts[3:] if parts[:1] == ["apis"] else parts[2:]
    return parts[0] if parts else "discovery"


def _remove(family: Any, labels: tuple[str, ...]) -> None:
    try:
        family.remove(*labels)
    except KeyError:
        pass  # never shown
