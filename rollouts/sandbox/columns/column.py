"""What a column is, and the cells that many kinds share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollouts.sandbox import ages
from rollouts.sandbox.resources import Json

NONE = "<none>"
Cells = Callable[[Json, datetime], list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column header."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def header(self) -> Json:
        """As a Table carries it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Printer:
    """How objects of one kind become rows."""

    columns: tuple[Column, ...]
    cells: Cells


NAME = Column(name="Name", format="name")
AGE = Column(name="Age")


def name_of(obj: Json) -> str:
    """The first cell of nearly every row."""
    return str(obj["metadata"]["name"])


def age_of(obj: Json, now: datetime) -> str:
    """The Age cell."""
    return ages.since(obj["metadata"].get("creationTimestamp"), now)


def texts(*names: str) -> tuple[Column, ...]:
    """Columns of text."""
    return tuple(Column(name=name) for name in names)


def integers(*names: str) -> tuple[Column, ...]:
    """Columns of whole numbers."""
    return tuple(Column(name=name, type="integer") for name in names)


def wide(*names: str) -> tuple[Column, ...]:
    """Columns that only `-o wide` shows."""
    return tuple(Column(name=name, priority=1) for name in names)


def dig(obj: Json, *path: str) -> Any:
    """The value at a path of nested objects; None where something on the way is missing."""
    value: Any = obj
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def few(items: Iterable[str], *, shown: int = 3, separator: str = ",") -> str:
    """The first items of a list, and how many more there are."""
    known = list(items)
    more = f" + {len(known) - shown} more..." if len(known) > shown else ""
    return separator.join(known[:shown]) + more


def template_cells(obj: Json) -> list[Any]:
    """Container names, images and selector: the wide cells of everything that has a pod template."""
    containers = dig(obj, "spec", "template", "spec", "containers") or []
    return [
        ",".join(each["name"] for each in containers),
        ",".join(each.get("image", "") for each in containers),
        selector_text(dig(obj, "spec", "selector")),
    ]


def selector_text(selector: Json | None) -> str:
    """A label selector in the form `-l` takes; `<none>` for one that selects everything."""
    selector = selector or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or []:
        key, values = term["key"], ",".join(sorted(term.get("values") or []))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        terms.append(forms.get(term["operator"], f"!{key}"))
    return ",".join(sorted(terms)) or NONE


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Labels in the form `-l` takes; `<none>` for no labels."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE
