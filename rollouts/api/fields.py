"""How an attribute of the API looks outside: its description, its JSON name and the facets of its schema.

The types of this package are the single source of three things: what the parser reads, what `status` writes, and what
the CRDs say. Everything about a field that a Python type cannot say is a `Doc` in its annotation:

    replicas: Annotated[int | None, Doc("Desired number of pods.", default=1)] = None

JSON names are the camelCase of the attribute unless `Doc.name` says otherwise. Reading and writing live in codec.py,
schemas in schema.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Doc:
    """What a field means to users (one line), and what its schema adds to the Python type.

    `schema` is merged over the generated OpenAPI schema; `required` puts the field on its object's required list.
    """

    text: str
    name: str | None = None
    required: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seconds:
    """An int attribute that JSON writes as a Go duration (`1h30m`) or, where allowed, as a number of seconds.

    `numbers` accepts JSON integers and strings of digits. `fallback` is what an unreadable text means (None: dropped).
    Anything below `shortest` is read as that.
    """

    numbers: bool = False
    fallback: int | None = None
    shortest: int | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """A closed union that JSON writes as an object with one member: its name says which type the value has.

    In a list, `unreadable` makes the value that keeps the place of an element that cannot be read. With `leading`, an
    object may have several members; the first of these names that is among them says which type the value has.
    """

    kinds: Mapping[str, type]
    leading: tuple[str, ...] = ()
    unreadable: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """A mapping attribute that takes every JSON member no other attribute claims; written back flat."""


@dataclass(frozen=True, slots=True)
class Inline:
    """The one attribute of a class whose value is the whole JSON of it, without a member name."""


def json_name(attribute: str) -> str:
    """The camelCase form of a snake_case attribute."""
    head, *tail = attribute.split("_")
    return head + "".join(word.capitalize() for word in tail)
