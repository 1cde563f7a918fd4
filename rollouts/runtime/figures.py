"""What the metrics say about an object, read from its JSON and the status decided for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.kube.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, ROLLOUTS, Kind
from rollouts.lib import timestamps
from rollouts.lib.members import mapping_at
from rollouts.runtime.cache import Change
from rollouts.runtime.turns import Turn
from rollouts.telemetry import Telemetry

METRIC_KINDS = {"Rollout": "rollout", "AnalysisRun": "analysis_run"}
"""How metric names call each kind; of any other nothing is shown."""

PHASES = {
    "NewReplicaSetAvailable": "Completed",
    "RolloutPaused": "Paused",
    "ReplicaSetCreateError": "Error",
    "ProgressDeadlineExceeded": "Timeout",
    "RolloutAborted": "Abort",
}
"""Reason of the Progressing condition -> phase, as existing dashboards know it; anything else is Progressing."""

SUPERSEDED = "Superseded"
"""How an update ends that a newer one replaces."""

ROUTERS = {
    "alb": "ALB",
    "ambassador": "Ambassador",
    "istio": "Istio",
    "nginx": "Nginx",
    "smi": "SMI",
    "appMesh": "AppMesh",
}


def show(telemetry: Telemetry, kind: Kind, turn: Turn) -> None:
    """Bring the series of one object up to date."""
    key = turn.entry.key
    if kind == ROLLOUTS:
        spec = mapping_at(turn.entry.object, "spec")
        info = (*_strategy(spec), _phase(turn.after))
        telemetry.show_rollout(key.namespace, key.name, info=info, replicas=_replicas(spec, turn.after))
    elif kind == ANALYSIS_RUNS:
        telemetry.show_run(
            key.namespace,
            key.name,
            phase=str(turn.after.get("phase", "")),
            metrics=_metrics(turn.entry.object, turn.after),
        )


def show_update(telemetry: Telemetry, turn: Turn) -> None:
    """Count an update that ended in this turn, by the status that was written: done, given up, or superseded."""
    before, after = (mapping_at(status, "duration") for status in (turn.before, turn.after))
    started = timestamps.parse(str(before.get("rolloutStartedAt", "")))
    if started is None or before.get("finishedAt"):
        return
    finished, ended, outcome = after.get("finishedAt"), after, str(after.get("completionStatus", ""))
    if after.get("rolloutStartedAt") != before.get("rolloutStartedAt"):
        finished, ended, outcome = after.get("rolloutStartedAt"), before, SUPERSEDED
    at = timestamps.parse(str(finished or ""))
    if at is None:
        return
    paused = float(ended.get("totalManualPauseDurationSeconds") or 0)
    since = timestamps.parse(str(ended.get("manualPauseStartedAt") or ""))
    paused += 0.0 if since is None else max(0.0, (at - since).total_seconds())
    telemetry.observe_update(outcome=outcome, total_seconds=(at - started).total_seconds(), pause_seconds=paused)


def show_template(telemetry: Telemetry, change: Change) -> None:
    """Show or forget an analysis template; other kinds are shown by their turns."""
    entry = change.entries[-1]
    if entry.kind in (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES):
        metrics = None if change.after is None else sorted(_template_metrics(entry.object))
        telemetry.show_template(entry.key.namespace, entry.key.name, metrics=metrics)


def _template_metrics(template: Mapping[str, Any]) -> set[tuple[str, str]]:
    listed = mapping_at(template, "spec").get("metrics")
    metrics = [mapping_at(metric) for metric in (listed if isinstance(listed, list) else ())]
    return {(next(iter(mapping_at(metric, "provider")), ""), str(metric.get("name", ""))) for metric in metrics}


def _strategy(spec: Mapping[str, Any]) -> tuple[str, str]:
    strategy = mapping_at(spec, "strategy")
    name = next((name for name in ("canary", "blueGreen") if name in strategy), "none")
    routing = mapping_at(strategy, "canary", "trafficRouting")
    return name, next((word for router, word in ROUTERS.items() if router in routing), "")


def _phase(status: Mapping[str, Any]) -> str:
    conditions = {condition.get("type"): condition for condition in status.get("conditions", ())}
    if conditions.get("InvalidSpec", {}).get("status") == "True":
        return "InvalidSpec"
    return PHASES.get(conditions.get("Progressing", {}).get("reason", ""), "Progressing")


def _replicas(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, int]:
    desired = spec.get("replicas")
    desired = desired if isinstance(desired, int) else 1
    available = int(status.get("availableReplicas", 0))
    return {
        "desired": desired,
        "available": available,
        "unavailable": max(0, int(status.get("replicas", 0)) - available),
        "updated": int(status.get("updatedReplicas", 0)),
    }


def _metrics(run: Mapping[str, Any], status: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    metrics = mapping_at(run, "spec").get("metrics") or ()
    providers = {metric.get("name"): next(iter(metric.get("provider") or {}), "") for metric in metrics}
    return [
        (
            str(result.get("name", "")),
            str(providers.get(result.get("name"), "")),
            str(bool(result.get("dryRun"))).lower(),
            str(result.get("phase", "")),
        )
        for result in status.get("metricResults", ())
    ]
