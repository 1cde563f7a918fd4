"""Arguments of an analysis: where their values come from, and how they get into a metric.

`{{args.name}}` may stand in any string of a metric. Plain values are filled in here; an argument from a Secret stays
as it is written until the query is sent, so that a secret value is never part of a decision, a status or an object.
That also means it can only be used under `provider`: a condition is evaluated here, where the value is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollouts.api.analysis import AnalysisArgument, ValueFrom
from rollouts.lib import floats

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PREFIX = "args."
_SUBSCRIPTED = re.compile(r"metadata\.(?P<field>labels|annotations)(?:\['(?P<key>[^']*)'\])?")
_STEP = re.compile(r"(?P<name>[^.\[\]]+)|\[(?P<index>[0-9]+)\]")

Json = Mapping[str, Any]
SecretKey = tuple[str, str]
"""Name of a Secret and a key in it."""


class ArgumentError(ValueError):
    """An argument that has no value, or stands where it cannot; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A metric with its plain arguments filled in, and the Secret arguments that are left, by argument name."""

    metric: Json
    secrets: Mapping[str, SecretKey] = field(default_factory=dict)


def fill(metric: Json, args: Sequence[AnalysisArgument]) -> Filled:
    """Put the values of `args` into a metric as its author wrote it. Raises ArgumentError."""
    known = {arg.name: arg for arg in args}
    secrets: dict[str, SecretKey] = {}
    has_tag_in_value = False

    def now(name: str) -> str:
        if _secret_key(known.get(name)) is not None:
            raise ArgumentError(f'argument "{name}" comes from a Secret and can only be used in the provider')
        return _value(known, name)

    def now_or_later(name: str) -> str:
        nonlocal has_tag_in_value
        secret = _secret_key(known.get(name))
        if secret is None:
            value = _value(known, name)
            has_tag_in_value |= "{{" in value
            return value
        secrets[name] = secret
        return _tag(name)

    filled = {key: replaced(member, now_or_later if key == "provider" else now) for key, member in metric.items()}
    if secrets and has_tag_in_value:
        raise ArgumentError("the value of an argument must not contain {{ in a metric that uses Secrets")
    return Filled(metric=filled, secrets=secrets)


def with_secrets(json: Any, values: Mapping[str, str]) -> Any:
    """A filled metric, or a part of one, with the values of its Secret arguments. Raises ArgumentError."""

    def look_up(name: str) -> str:
        if name not in values:
            raise ArgumentError(f'argument "{name}" was not supplied')
        return values[name]

    return replaced(json, look_up)


def replaced(json: Any, look_up: Callable[[str], str]) -> Any:
    """`json` with every `{{args.name}}` in it, keys included, replaced by look_up(name). Raises ArgumentError."""
    if isinstance(json, str):
        return _TAG.sub(lambda match: look_up(_name(match[1])), json) if "{{" in json else json
    if isinstance(json, Mapping):
        return {replaced(key, look_up): replaced(member, look_up) for key, member in json.items()}
    if isinstance(json, list | tuple):
        return [replaced(item, look_up) for item in json]
    return json


def resolved(arg: AnalysisArgument, *, owner: Json, latest_hash: str, stable_hash: str) -> AnalysisArgument:
    """The argument, with a value if its source is a field of `owner` or a version's hash. Raises ArgumentError."""
    source = arg.value_from
    if arg.value is not None or source is None or source.secret_key_ref is not None:
        return arg
    return AnalysisArgument(name=arg.name, value=_sourced(source, owner, latest_hash, stable_hash))


def field_value(owner: Json, path: str) -> str:
    """The text of a field: metadata as in the downward API, anything else by `.` and `[i]`. Raises ArgumentError."""
    return _metadata_value(owner, path) if path.startswith("metadata") else _walked(owner, path)


def _sourced(source: ValueFrom, owner: Json, latest_hash: str, stable_hash: str) -> str | None:
    if source.pod_template_hash_value is not None:
        return {"Latest": latest_hash, "Stable": stable_hash}.get(source.pod_template_hash_value)
    return field_value(owner, source.field_ref.field_path) if source.field_ref is not None else None


def _metadata_value(owner: Json, path: str) -> str:
    meta = owner.get("metadata") or {}
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(meta.get(path.removeprefix("metadata."), ""))
    match = _SUBSCRIPTED.fullmatch(path)
    if match is None:
        raise ArgumentError(f"unsupported fieldPath: {path}")
    members = meta.get(match["field"]) or {}
    if match["key"] is not None:
        return str(members.get(match["key"], ""))
    return "\n".join(f"{key}={_quoted(members[key])}" for key in sorted(members))


def _walked(owner: Json, path: str) -> str:
    at: Any = owner
    for name, index in _steps(path):
        if index is not None and isinstance(at, list | tuple) and index < len(at):
            at = at[index]
        elif name is not None and isinstance(at, Mapping) and name in at:
            at = at[name]
        else:
            raise ArgumentError(f"invalid path {path} in rollout")
    if isinstance(at, bool):
        return "true" if at else "false"
    if isinstance(at, int | float):
        return floats.shortest(at)
    if isinstance(at, str):
        return at
    raise ArgumentError(f"path {path} in rollout must terminate in a primitive value")


def _steps(path: str) -> list[tuple[str | None, int | None]]:
    return [(match["name"], int(match["index"]) if match["index"] else None) for match in _STEP.finditer(path)]


def _name(tag: str) -> str:
    name = tag.strip()
    if not name.startswith(_PREFIX):
        raise ArgumentError(f"failed to resolve {{{{{tag}}}}}")
    return name.removeprefix(_PREFIX)


def _tag(name: str) -> str:
    return f"{{{{{_PREFIX}{name}}}}}"


def _secret_key(arg: AnalysisArgument | None) -> SecretKey | None:
    source = arg.value_from.secret_key_ref if arg is not None and arg.value_from is not None else None
    return (source.name, source.key) if source is not None else None


def _value(known: Mapping[str, AnalysisArgument], name: str) -> str:
    if name not in known:
        raise ArgumentError(f"failed to resolve {_tag(name)}")
    value = known[name].value
    if value is None:
        raise ArgumentError(f'argument "{name}" was not supplied')
    return value


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
