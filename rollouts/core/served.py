"""What of the API this version of the controller carries out, and what it refuses before any pod is made.

A strategy that is carried out by half is worse than one that is refused: each member that would be ignored is a finding
with its path. Whether a spec makes sense is a question for api/validate.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import truediv
from typing import assert_never

from rollouts.api.findings import Finding, Place, at
from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy, PluginStep, RolloutSpec
from rollouts.api.traffic import used_sections

SPEC = at("spec")
CANARY = SPEC / "strategy" / "canary"
NO_PLUGINS: Mapping[str, str] = {}


def unserved(
    spec: RolloutSpec, *, routers_unserved: frozenset[str] = frozenset(), step_plugins: Mapping[str, str] = NO_PLUGINS
) -> tuple[Finding, ...]:
    """What a spec asks for that is not carried out, in the order of the spec.

    `routers_unserved` are the routers it names that this controller has no code for; `step_plugins` the step plugins
    that are installed, each with why it cannot be used (empty: it can).
    """
    reference = spec.workload_ref
    if reference is not None and not spec.template:
        return (_not_served(SPEC / "workloadRef", "its pod template was not read"),)
    match spec.strategy:
        case BlueGreenStrategy():
            return ()
        case CanaryStrategy() as strategy:
            return _unusable(strategy, step_plugins) + unserved_routers(strategy, routers_unserved)
        case None:
            return ()
        case _:
            assert_never(spec.strategy)


def unserved_routers(strategy: CanaryStrategy, unserved: frozenset[str]) -> tuple[Finding, ...]:
    """The sections of routers that there is no code for."""
    sections = (section for section in used_sections(strategy.traffic_routing) if section.router in unserved)
    return tuple(_not_served(reduce(truediv, section.members, CANARY / "trafficRouting")) for section in sections)


def plugins_named(spec: RolloutSpec) -> tuple[str, ...]:
    """The step plugins that a spec names."""
    steps = spec.strategy.steps if isinstance(spec.strategy, CanaryStrategy) else ()
    return tuple(dict.fromkeys(step.name for step in steps if isinstance(step, PluginStep)))


def _unusable(strategy: CanaryStrategy, plugins: Mapping[str, str]) -> tuple[Finding, ...]:
    """Steps whose plugin is not there, or does not load."""
    return tuple(
        ((CANARY / "steps")[index] / "plugin" / "name").invalid(step.name, _why_unusable(step.name, plugins))
        for index, step in enumerate(strategy.steps)
        if isinstance(step, PluginStep) and plugins.get(step.name) != ""
    )


def _why_unusable(name: str, plugins: Mapping[str, str]) -> str:
    if name in plugins:
        return f"this step plugin cannot be used: {plugins[name]}"
    installed = f"installed are {', '.join(sorted(plugins))}" if plugins else "none is installed"
    how = "install the package that brings it beside the controller, and start the controller again"
    return f"there is no step plugin of this name ({installed}); {how}"


def _not_served(place: Place, what: str = "") -> Finding:
    return place.forbidden(f"not carried out by this version of the controller{f' ({what})' if what else ''}")
