"""The controller's flags and environment, read once into one frozen value.

Flags are those that existing installations pass, with their defaults, as far as they mean something here; those that
mean nothing are accepted with a warning, so that a manifest keeps working. Every flag can be given as ROLLOUTS_<FLAG>
in the environment. Nobody else reads either.
"""

from __future__ import annotations

import argparse
import re
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
DEFAULT_LEASE_NAMESPACE = "argo-rollouts"
LEASE_NAME = "argo-rollouts-controller-lock"

FROM_ENVIRONMENT = (
    "kubeconfig",
    "context",
    "namespace",
    "namespaced",
    "instance-id",
    "leader-elect",
    "leader-election-namespace",
    "leader-election-lease-duration",
    "leader-election-renew-deadline",
    "leader-election-retry-period",
    "bind-address",
    "healthzPort",
    "metricsPort",
    "loglevel",
    "logformat",
    "rollout-threads",
    "analysis-threads",
    "service-threads",
    "rollout-resync",
)
"""Flags that the environment may give."""

WITHOUT_MEANING = (
    "kloglevel",
    "qps",
    "burst",
    "experiment-threads",
    "ingress-threads",
    "ephemeral-metadata-threads",
    "ephemeral-metadata-update-pod-retries",
    "aws-target-group-binding-api-version",
    "alb-tag-key-resource-id",
    "istio-api-version",
    "ambassador-api-version",
    "traffic-split-api-version",
    "traefik-api-group",
    "traefik-api-version",
    "ingress-api-version",
    "appmesh-crd-version",
    "alb-ingress-classes",
    "nginx-ingress-classes",
    "aws-verify-target-group",
    "alb-verify-weight",
    "self-service-notification-enabled",
    "enable-pprof-address",
)
"""Flags of other controllers of this API that change nothing here."""

ENVIRONMENT = (
    "Each flag has a variable of its name: ROLLOUTS_LOGLEVEL is --loglevel, and a flag wins. POD_NAMESPACE is the own "
    "namespace. ARGO_ROLLOUTS_PROMETHEUS_ADDRESS serves metrics that name no address. SSL_CERT_FILE holds the "
    "certificates that metric backends are trusted by."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one controller process runs. Durations are seconds; an empty `namespace` means the whole cluster."""

    kubeconfig: str
    context: str
    namespace: str
    instance_id: str
    log_level: str
    log_is_json: bool
    bind_address: str
    healthz_port: int
    metrics_port: int
    rollout_workers: int
    analysis_workers: int
    service_workers: int
    resync_seconds: float
    leader_elect: bool
    lease_namespace: str
    lease_name: str
    lease_duration_seconds: float
    renew_deadline_seconds: float
    retry_period_seconds: float
    identity: str
    prometheus_address: str
    """Serves metrics that name no address."""
    ca_bundle: str
    """File of certificates that metric backends are trusted by; empty: the built-in ones."""
    ignored_flags: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the controller's flags."""
    parser.epilog = ENVIRONMENT
    cluster = parser.add_argument_group("cluster")
    cluster.add_argument("--kubeconfig", default="", help="kubeconfig to use instead of the pod's service account")
    cluster.add_argument("--context", default="", help="context in the kubeconfig")
    cluster.add_argument("--namespace", default="", help="work in this namespace only (default: the whole cluster)")
    _switch(cluster, "--namespaced", default=False, text="work in the controller's own namespace only")
    cluster.add_argument("--instance-id", default="", help="work only on objects that carry this instance id")
    elect = parser.add_argument_group("leader election")
    _switch(elect, "--leader-elect", default=True, text="of several controllers, only one acts")
    elect.add_argument("--leader-election-namespace", default="", help="namespace of the Lease (default: our own)")
    elect.add_argument(
        "--leader-election-lease-duration", type=duration, default=12.0, metavar="12s", help="a claim's life"
    )
    elect.add_argument(
        "--leader-election-renew-deadline", type=duration, default=8.0, metavar="8s", help="time to renew it in"
    )
    elect.add_argument(
        "--leader-election-retry-period", type=duration, default=2.0, metavar="2s", help="time between attempts"
    )
    ports = parser.add_argument_group("ports and logs")
    ports.add_argument("--bind-address", default="0.0.0.0", help="address of the ports below")
    ports.add_argument("--healthzPort", type=_port, default=8080, metavar="8080", help="port of /healthz and /readyz")
    ports.add_argument(
        "--metricsPort", "--metricsport", type=_port, default=8090, metavar="8090", help="port of /metrics"
    )
    ports.add_argument("--loglevel", choices=("debug", "info", "warn", "warning", "error"), default="info")
    ports.add_argument("--logformat", choices=("text", "json"), default="text")
    work = parser.add_argument_group("work")
    work.add_argument("--rollout-threads", type=_positive, default=10, metavar="10", help="Rollouts worked on at once")
    work.add_argument("--analysis-threads", type=_positive, default=30, metavar="30", help="AnalysisRuns likewise")
    work.add_argument("--service-threads", type=_positive, default=10, metavar="10", help="Services likewise")
    work.add_argument(
        "--rollout-resync", type=_seconds, default=900.0, metavar="900", help="seconds between looks without a cause"
    )
    for name in WITHOUT_MEANING:
        parser.add_argument(f"--{name}", dest=f"ignored {name}", nargs="?", const="true", help=argparse.SUPPRESS)


def from_arguments(args: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings that parsed flags and the environment amount to. Raises ValueError naming a bad flag."""
    given = dict(vars(args))
    own_namespace = environ.get("POD_NAMESPACE") or _service_account_namespace()
    suffix = f"-{given['instance_id']}" if given["instance_id"] else ""
    return Settings(
        kubeconfig=given["kubeconfig"],
        context=given["context"],
        namespace=given["namespace"] or (_required(own_namespace, "--namespaced") if given["namespaced"] else ""),
        instance_id=given["instance_id"],
        log_level={"warn": "warning"}.get(given["loglevel"], given["loglevel"]),
        log_is_json=given["logformat"] == "json",
        bind_address=given["bind_address"],
        healthz_port=given["healthzPort"],
        metrics_port=given["metricsPort"],
        rollout_workers=given["rollout_threads"],
        analysis_workers=given["analysis_threads"],
        service_workers=given["service_threads"],
        resync_seconds=given["rollout_resync"],
        leader_elect=given["leader_elect"],
        lease_namespace=given["leader_election_namespace"] or own_namespace or DEFAULT_LEASE_NAMESPACE,
        lease_name=f"{LEASE_NAME}{suffix}",
        lease_duration_seconds=given["leader_election_lease_duration"],
        renew_deadline_seconds=given["leader_election_renew_deadline"],
        retry_period_seconds=given["leader_election_retry_period"],
        identity=f"{socket.gethostname()}_{uuid.uuid4()}",
        prometheus_address=environ.get("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", ""),
        ca_bundle=environ.get("REQUESTS_CA_BUNDLE", "") or environ.get("SSL_CERT_FILE", ""),
        ignored_flags=tuple(name for name in WITHOUT_MEANING if given.get(f"ignored {name}") is not None),
    )


def flags_in(environ: Mapping[str, str]) -> list[str]:
    """The environment as flags, to go before real ones: ROLLOUTS_INSTANCE_ID=a is --instance-id=a."""
    named = {flag: f"ROLLOUTS_{flag.replace('-', '_').upper()}" for flag in FROM_ENVIRONMENT}
    return [f"--{flag}={environ[name]}" for flag, name in named.items() if name in environ]


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds of a duration such as 15s or 1m30s."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 15s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _switch(group: argparse._ArgumentGroup, flag: str, *, default: bool, text: str) -> None:
    group.add_argument(flag, type=_truth, nargs="?", const=True, default=default, metavar="true|false", help=text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "t", "f"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1", "t")


def _seconds(text: str) -> float:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else duration(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _required(namespace: str, flag: str) -> str:
    if not namespace:
        raise ValueError(f"{flag}: the own namespace is not known; set POD_NAMESPACE, or use --namespace")
    return namespace


def _service_account_namespace() -> str:
    try:
        with open(NAMESPACE_FILE, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""
