"""Rules of canary steps, one function a kind of step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from rollouts.api import codec, fieldpath
from rollouts.api.analysis import AnalysisArgument
from rollouts.api.findings import Finding, Place
from rollouts.api.rollout import (
    STEP_KINDS,
    AnalysisStep,
    CanaryStrategy,
    ExperimentStep,
    Pause,
    PluginStep,
    Rollout,
    SetCanaryScale,
    SetHeaderRoute,
    SetMirrorRoute,
    SetWeight,
    Step,
)
from rollouts.api.traffic import DEFAULT_MAX_WEIGHT, StringMatch, used_routers

STEP_SHAPE = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"
_EXCLUSIVE = frozenset({"setWeight", "pause", "experiment", "analysis", "plugin"})
_HEADER_ROUTERS = frozenset({"istio", "alb", "apisix", "plugins"})
_MIRROR_ROUTERS = frozenset({"istio", "plugins"})
_EXPERIMENT_ROUTERS = frozenset({"smi", "alb", "istio", "plugins"})
SPEC_REFS = ("canary", "stable")
_NO_ROUTING = "Experiment template weight cannot be set unless TrafficRouting is enabled"
_NOT_THIS_ROUTER = (
    "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this time"
)
_NO_MANAGED_ROUTES = "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'"
_UNKNOWN_ROUTE = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes"


def steps(rollout: Rollout, strategy: CanaryStrategy, place: Place) -> Iterator[Finding]:
    """Everything wrong with the steps of a canary; `place` is the strategy's."""
    raw_steps = _raw_steps(rollout)
    for index, step in enumerate(strategy.steps):
        here = (place / "steps")[index]
        kinds = codec.kinds_in(STEP_KINDS, raw_steps[index]) if index < len(raw_steps) else [""]
        if not kinds or len(_EXCLUSIVE.intersection(kinds)) > 1:
            yield here.invalid(kinds, STEP_SHAPE)
        for part in _parts(step, kinds, raw_steps[index] if index < len(raw_steps) else None):
            yield from _Rules(rollout, strategy, place).of(part, here)


def _raw_steps(rollout: Rollout) -> list[Any]:
    value: Any = rollout.raw
    for name in ("spec", "strategy", "canary", "steps"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def _parts(step: Step, kinds: Sequence[str], raw: Any) -> list[Step]:
    """Everything a step asks for: more than `step` itself when the JSON has several members."""
    if len(kinds) < 2:
        return [step] if kinds else []
    parts: list[Step | None] = [codec.read_kind(STEP_KINDS[kind], raw[kind]) for kind in kinds]
    return [part for part in parts if part is not None]


class _Rules:
    """The rules, with what they look at besides the step."""

    def __init__(self, rollout: Rollout, strategy: CanaryStrategy, place: Place) -> None:
        self._rollout = rollout
        self._routing = strategy.traffic_routing
        self._routers = used_routers(strategy.traffic_routing)
        self._place = place

    def of(self, step: Step, here: Place) -> Iterator[Finding]:
        """What is wrong with one step."""
        match step:
            case SetWeight():
                yield from self._set_weight(step, here / "setWeight")
            case Pause():
                yield from _pause(step, here / "pause" / "duration")
            case ExperimentStep():
                yield from self._experiment(step, here)
            case AnalysisStep():
                arguments = here / "analysis" / "args"
                yield from self._arguments(step.analysis.args, Place((here / "analyses").field, arguments.path))
            case SetCanaryScale():
                yield from self._set_canary_scale((here / "setCanaryScale").path)
            case SetHeaderRoute():
                yield from self._header_route(step, here / "setHeaderRoute")
            case SetMirrorRoute():
                yield from self._mirror_route(step, here / "setMirrorRoute")
            case PluginStep():
                pass
            case _:
                assert_never(step)

    def _set_weight(self, step: SetWeight, here: Place) -> Iterator[Finding]:
        most = DEFAULT_MAX_WEIGHT if self._routing is None else self._routing.max_weight
        if not 0 <= step.weight <= most:
            yield here.invalid(step.weight, f"SetWeight needs to be between 0 and {most}")

    def _set_canary_scale(self, path: str) -> Iterator[Finding]:
        if self._routing is None:
            wanted = Place((self._place / "trafficRouting").field, path)
            yield wanted.required("SetCanaryScale requires TrafficRouting to be set")

    def _experiment(self, step: ExperimentStep, here: Place) -> Iterator[Finding]:
        yield from _templates(step, here / "experiment" / "templates")
        for index, template in enumerate(step.templates):
            place = (here / "experiment" / "templates")[index] / "weight"
            if template.weight is None or self._routers & _EXPERIMENT_ROUTERS:
                continue
            yield place.invalid(template.weight, _NO_ROUTING if self._routing is None else _NOT_THIS_ROUTER)
        for index, analysis in enumerate(step.analyses):
            really = (here / "experiment" / "analyses")[index] / "args"
            yield from self._arguments(analysis.args, Place((here / "analyses").field, really.path))

    def _arguments(self, arguments: tuple[AnalysisArgument, ...], here: Place) -> Iterator[Finding]:
        for index, argument in enumerate(arguments):
            source = argument.value_from
            path = source.field_ref.field_path if source is not None and source.field_ref is not None else ""
            if path.startswith("metadata") and not fieldpath.is_metadata_path(path):
                yield Place(here.field, here[index].path).invalid(
                    [codec.encode(each) for each in arguments],
                    "Analyses arguments must refer to valid object metadata supported by downwardAPI",
                )

    def _header_route(self, step: SetHeaderRoute, here: Place) -> Iterator[Finding]:
        if not self._routers & _HEADER_ROUTERS:
            yield here.invalid(
                codec.encode(step), "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix"
            )
        else:
            check = _exact_only if "alb" in self._routers else _one_match
            for index, match in enumerate(step.match):
                yield from check(match.header_value, (here / "match")[index])
        yield from self._managed(step.name, here)

    def _mirror_route(self, step: SetMirrorRoute, here: Place) -> Iterator[Finding]:
        if not self._routers & _MIRROR_ROUTERS:
            yield here.invalid(codec.encode(step), "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins")
        for index, match in enumerate(step.match):
            for name, value in (("method", match.method), ("path", match.path)):
                if value is not None:
                    yield from _one_match(value, (here / "match")[index].really_at(name))
        yield from self._managed(step.name, here)

    def _managed(self, name: str, here: Place) -> Iterator[Finding]:
        if self._routing is None:
            return
        routes = self._routing.managed_routes
        if routes is None:
            yield (self._place / "trafficRouting" / "managedRoutes").required(_NO_MANAGED_ROUTES)
        elif name not in {route.name for route in routes}:
            yield here.really_at("name").invalid(name, _UNKNOWN_ROUTE)


def _pause(step: Pause, here: Place) -> Iterator[Finding]:
    if step.duration is not None and step.duration < 0:
        yield here.invalid(step.duration, "Duration needs to be greater than 0")


def _templates(step: ExperimentStep, here: Place) -> Iterator[Finding]:
    """What would make an Experiment of these templates that nobody can carry out."""
    names: set[str] = set()
    for index, template in enumerate(step.templates):
        if template.spec_ref not in SPEC_REFS:
            yield (here[index] / "specRef").invalid(
                template.spec_ref, "Invalid template step SpecRef: must be canary or stable"
            )
        if not template.name:
            yield (here[index] / "name").required()
        elif template.name in names:
            yield (here[index] / "name").duplicate(template.name)
        names.add(template.name)


def _one_match(match: StringMatch | None, here: Place) -> Iterator[Finding]:
    values = [] if match is None else [value for value in (match.exact, match.regex, match.prefix) if value]
    if len(values) > 1:
        yield here.invalid(
            _shown(match), "StringMatch match value must have exactly one of the following: exact, regex, prefix"
        )
    elif not values:
        yield here.invalid(
            _shown(match), "StringMatch value missed, match value must have one of the following: exact, regex, prefix"
        )


def _exact_only(match: StringMatch | None, here: Place) -> Iterator[Finding]:
    if match is None:
        yield from _one_match(match, here)
    elif not match.exact or match.regex or match.prefix:
        yield here.invalid(_shown(match), "SetHeaderRoute match value invalid. ALB supports 'exact' value only")


def _shown(match: StringMatch | None) -> dict[str, Any] | None:
    return None if match is None else codec.encode(match)
