"""From a command's arguments to a cluster: which one, which namespace, and what is said when it does not answer.

Arguments are kubectl's. The kubeconfig is found as kubectl finds it, and inside a pod its service account is used. What
a command does with the cluster is its own business.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollouts.kube.client import ClusterSource, ConfigurationError, KubeClient
from rollouts.kube.contexts import DEFAULT_NAMESPACE, namespace_of
from rollouts.kube.errors import ApiError, Denied, NotFound, Throttled, Unreachable

FAILED = 1
USAGE_ERROR = 2
INTERRUPTED = 130  # what a shell reports of a program that ended by ctrl-c

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class CommandError(Exception):
    """Why a command could not do what was asked, in a sentence that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster a command works on."""

    client: KubeClient
    namespace: str
    program: str
    """The program as it was called, for commands that are shown to people."""
    flags: str
    """The cluster's flags as they were given, with a space before; for the same."""

    def command(self, words: str) -> str:
        """A command of this program that means the same cluster and namespace."""
        return f"{self.program} {words}{self.flags}"


Work = Callable[[Cluster], Awaitable[int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cluster, which namespace."""
    parser.add_argument("-n", "--namespace", default="", help="namespace (default: the context's)")
    parser.add_argument("--context", default="", help="context in the kubeconfig (default: the current one)")
    parser.add_argument("--kubeconfig", default="", help="path of a kubeconfig (default: as kubectl finds it)")
    parser.set_defaults(program=parser.prog.rpartition(" ")[0] or parser.prog)


def add_name(parser: argparse.ArgumentParser) -> None:
    """The Rollout's name; the public plugin's `rollout NAME` and kubectl's `rollout/NAME` are understood too."""
    parser.add_argument("name", nargs="+", metavar="NAME", help="name of the Rollout")


def name_in(words: Sequence[str]) -> str:
    """The Rollout that is meant. Raises CommandError when it is not one."""
    kinds = ("rollout", "rollouts", "ro", "rollout.argoproj.io", "rollouts.argoproj.io")
    rest = list(words[1:]) if len(words) > 1 and words[0] in kinds else list(words) or [""]
    kind, slash, name = rest[0].partition("/")
    if slash and kind in kinds:
        rest[0] = name
    if len(rest) != 1 or not rest[0]:
        raise CommandError(f"name one Rollout, not {' '.join(words)!r}")
    return rest[0]


def run(args: argparse.Namespace, work: Work) -> int:
    """Do a command's work on the cluster its arguments name; the exit code. What goes wrong is said on stderr."""
    try:
        return asyncio.run(_run(args, work))
    except CommandError as error:
        return _fail(args, str(error))
    except ConfigurationError as error:
        return _fail(args, f"no cluster to ask: {error}; name one with --kubeconfig or KUBECONFIG")
    except ApiError as error:
        return _fail(args, words(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough, as head does
        sys.stdout = open(os.devnull, "w")  # the interpreter flushes it when it ends
        return FAILED


def words(error: ApiError) -> str:
    """An error of the API server as a sentence that says what to do."""
    match error:
        case Denied():
            return f"the API server refused: {error.message} (check: kubectl auth can-i --list)"
        case Unreachable():
            return f"the API server gave no answer: {error.message}"
        case Throttled():
            return f"the API server asks for patience: {error.message}; try again"
        case NotFound():
            return f"{error.message}; are the CRDs installed in this cluster?"
        case _:
            return error.message


async def _run(args: argparse.Namespace, work: Work) -> int:
    path = _kubeconfig(args)
    client = KubeClient(await ClusterSource(kubeconfig=path, context=args.context).load())
    try:
        namespace = args.namespace or _namespace(path, args.context)
        return await work(Cluster(client=client, namespace=namespace, program=args.program, flags=_flags(args)))
    finally:
        await client.close()


def _kubeconfig(args: argparse.Namespace) -> str:
    """As kubectl does: the flag, the environment, the file in the home folder; empty: the pod's own account."""
    home = os.path.expanduser("~/.kube/config")
    named = args.kubeconfig or os.environ.get("KUBECONFIG", "")
    return named or (home if os.path.exists(home) or not SERVICE_ACCOUNT_NAMESPACE.exists() else "")


def _namespace(kubeconfig: str, context: str) -> str:
    if kubeconfig:
        return namespace_of(kubeconfig, context)
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
    except OSError:
        return DEFAULT_NAMESPACE


def _flags(args: argparse.Namespace) -> str:
    given = (("-n", args.namespace), ("--context", args.context), ("--kubeconfig", args.kubeconfig))
    return "".join(f" {flag} {value}" for flag, value in given if value)


def _fail(args: argparse.Namespace, why: str) -> int:
    print(f"{args.program}: {why}", file=sys.stderr)
    return FAILED
