"""Traffic routing as a rollout asks for it.

The section of each router is an opaque mapping: the router describes and parses its own dialect, so a new router
changes nothing here. Only what is common to all of them is typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from rollouts.api.fields import Doc, Rest

DEFAULT_MAX_WEIGHT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedRoute:
    """A route the controller may add to and remove from the mesh."""

    name: Annotated[str, Doc("Name of the route, as steps refer to it.", required=True)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRouting:
    """How traffic is split; `routers` maps a router's JSON name (`istio`, `nginx`, `plugins`, ...) to its section."""

    managed_routes: Annotated[
        tuple[ManagedRoute, ...] | None, Doc("Routes that steps create, highest precedence first.")
    ] = None
    max_traffic_weight: Annotated[int | None, Doc("The weight that means all traffic; 100 when unset.")] = None
    routers: Annotated[Mapping[str, Mapping[str, Any]], Rest()] = field(default_factory=dict)

    @property
    def max_weight(self) -> int:
        """The weight that stands for all traffic."""
        return DEFAULT_MAX_WEIGHT if self.max_traffic_weight is None else self.max_traffic_weight


ORDER = ("istio", "nginx", "alb", "smi", "ambassador", "appMesh", "traefik", "apisix")
"""Routers in the order in which traffic passes through them; plugins come last."""
PLUGINS = "plugins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a rollout says to one router. `members` lead to it from `trafficRouting`; a plugin goes by its own name."""

    router: str
    members: tuple[str, ...]
    config: Any


def used_sections(routing: TrafficRouting | None) -> tuple[Section, ...]:
    """The sections of the routers a rollout uses, in the order in which they are applied."""
    sections = {} if routing is None else routing.routers
    used = used_routers(routing)
    plugins = sections[PLUGINS] if PLUGINS in used else {}
    native = used if not isinstance(plugins, Mapping) else used - {PLUGINS}
    in_order = sorted(native, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    found = [Section(router=name, members=(name,), config=sections[name]) for name in in_order]
    if isinstance(plugins, Mapping):
        found += [Section(router=name, members=(PLUGINS, name), config=plugins[name]) for name in plugins]
    return tuple(found)


def used_routers(routing: TrafficRouting | None) -> frozenset[str]:
    """The routers a rollout uses, by JSON name; `plugins` counts only when it names one."""
    sections = {} if routing is None else routing.routers
    return frozenset(name for name, section in sections.items() if section is not None and (section or name != PLUGINS))


@dataclass(frozen=True, slots=True, kw_only=True)
class StringMatch:
    """A match on text; exactly one member is set."""

    exact: Annotated[str | None, Doc("The text must be equal.")] = None
    prefix: Annotated[str | None, Doc("The text must start with this.")] = None
    regex: Annotated[str | None, Doc("The text must match this regular expression.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRoutingMatch:
    """One HTTP header that selects requests."""

    header_name: Annotated[str, Doc("Name of the HTTP header.", required=True)] = ""
    header_value: Annotated[StringMatch | None, Doc("The value it must have.", required=True)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMatch:
    """What a mirrored request looks like."""

    method: Annotated[StringMatch | None, Doc("HTTP method.")] = None
    path: Annotated[StringMatch | None, Doc("URL path.")] = None
    headers: Annotated[Mapping[str, Mapping[str, Any]], Doc("HTTP headers by name.")] = field(default_factory=dict)
