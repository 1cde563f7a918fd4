"""What a condition is once it is read: a small closed tree, and the one error of the language.

How text becomes a tree belongs to expression_syntax.py, what a tree means to expression.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


class ExpressionError(ValueError):
    """A condition that cannot be read or evaluated; the text says why and where."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, string, bool or nil."""

    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """`#`, the item a predicate looks at; or its `#index`, or the `#acc` of reduce."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`of.key` and `of[key]`; optional ones (`of?.key`) are nil where `of` is."""

    of: Node
    key: Node
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """`of[start:end]`."""

    of: Node
    start: Node | None
    end: Node | None


@dataclass(frozen=True, slots=True)
class Chain:
    """How far an optional member reaches: what follows it is not looked at once it is nil."""

    of: Node


@dataclass(frozen=True, slots=True)
class Unary:
    """`not`, `-` or `+`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands; words are spelled `and`, `or`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name; a predicate is passed as it is written and evaluated per item."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """`{key: value}`."""

    pairs: tuple[tuple[Node, Node], ...]


Node = Literal | Name | Pointer | Member | Slice | Chain | Unary | Binary | Choice | Call | Items | Pairs


@dataclass(frozen=True, slots=True)
class Program:
    """A condition read. `names` are the functions it calls, with `nil` and `??` where it uses them."""

    root: Node
    names: frozenset[str]


def nodes(root: Node) -> Iterator[Node]:
    """Every node of the tree, in no particular order."""
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _children(node)


def is_deeper(root: Node, limit: int) -> bool:
    """Whether the tree has more than `limit` levels."""
    level: list[Node] = [root]
    for _ in range(limit):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Node) -> list[Node]:
    members = [getattr(node, each.name) for each in fields(node)]
    flat: list[Node] = []
    while members:
        member = members.pop()
        if isinstance(member, tuple):
            members += member
        elif isinstance(member, Node):
            flat.append(member)
    return flat
