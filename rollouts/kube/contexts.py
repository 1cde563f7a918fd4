"""What a kubeconfig says about people: the namespace they work in when they name none."""

from __future__ import annotations

from typing import Any

from kubernetes.aio.config import ConfigException, list_kube_config_contexts

from rollouts.kube.client import ConfigurationError

DEFAULT_NAMESPACE = "default"

# the library annotates this with nothing
_list_contexts: Any = list_kube_config_contexts


def namespace_of(kubeconfig: str, context: str = "") -> str:
    """The namespace of a context (the current one when none is named). Raises ConfigurationError."""
    try:
        contexts, current = _list_contexts(config_file=kubeconfig)
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{kubeconfig}: {error}") from error
    chosen = next((each for each in contexts if each["name"] == context), None) if context else current
    if chosen is None:
        raise ConfigurationError(f"{kubeconfig}: there is no context {context!r}")
    return str((chosen.get("context") or {}).get("namespace") or DEFAULT_NAMESPACE)
