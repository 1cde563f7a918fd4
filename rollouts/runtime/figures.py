"""What the metrics say about an object, read from its JSON and the status decided for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.kube.kinds import ROLLOUTS, Kind
from rollouts.runtime.turns import Turn
from rollouts.telemetry import Telemetry

METRIC_KINDS = {"Rollout": "rollout", "AnalysisRun": "analysis_run"}
"""How metric names call each kind."""

PHASES = {
    "NewReplicaSetAvailable": "Completed",
    "RolloutPaused": "Paused",
    "ReplicaSetCreateError": "Error",
    "ProgressDeadlineExceeded": "Timeout",
    "RolloutAborted": "Abort",
}
"""Reason of the Progressing condition -> phase, as existing dashboards know it; anything else is Progressing."""

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
        spec = _mapping(turn.entry.object.get("spec"))
        info = (*_strategy(spec), _phase(turn.after))
        telemetry.show_rollout(key.namespace, key.name, info=info, replicas=_replicas(spec, turn.after))
    else:
        telemetry.show_run(
            key.namespace,
            key.name,
            phase=str(turn.after.get("phase", "")),
            metrics=_metrics(turn.entry.object, turn.after),
        )


def _strategy(spec: Mapping[str, Any]) -> tuple[str, str]:
    strategy = _mapping(spec.get("strategy"))
    name = next((name for name in ("canary", "blueGreen") if name in strategy), "none")
    routing = _mapping(_mapping(strategy.get("canary")).get("trafficRouting"))
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
    metrics = _mapping(run.get("spec")).get("metrics") or ()
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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
