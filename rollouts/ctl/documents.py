"""YAML files as a cluster reads them, with the line of every field.

Differences to plain YAML 1.1 readers are Kubernetes': times stay text, `12:30` is no number, names are text. Files are
not trusted: size, depth and the growth of aliases are bounded, and whatever cannot be read is a problem with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

FILE_BYTES_MAX = 16 * 1024 * 1024
VALUES_MAX = 200_000  # per document, aliases counted as often as they are used
DEPTH_MAX = 100

_INTEGER_MAX = 2**63 - 1  # what the other side holds numbers in
_MERGE = "tag:yaml.org,2002:merge"
_TOKEN = re.compile(r"\['(?P<quoted>[^']*)'\]|\[(?P<index>[0-9]+)\]|\.?(?P<name>[^.\[]+)")


class Unreadable(Exception):
    """A file or document that is no YAML, or too much of it; `line` counts from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its value as JSON, and where in the file it stands."""

    value: Any
    node: Node
    problems: tuple[tuple[int, str], ...] = ()

    @property
    def line(self) -> int:
        """The line the document starts on, from 1."""
        return _line(self.node)

    def line_of(self, path: str) -> int:
        """The line of the JSON path, or of the nearest field above it that is in the file."""
        key, value = self.node, self.node
        for match in _TOKEN.finditer(path):
            found = _step(value, match["index"], match["quoted"] or match["name"] or "")
            if found is None:
                break
            key, value = found
        return _line(key)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1 if node.start_mark is not None else 1


def _step(node: Node, index: str | None, name: str) -> tuple[Node, Node] | None:
    """(where the member starts, its value) one step below `node`."""
    if isinstance(node, SequenceNode) and index is not None and int(index) < len(node.value):
        item = node.value[int(index)]
        return item, item
    if isinstance(node, MappingNode) and index is None:
        return next(((key, value) for key, value in node.value if key.value == name), None)
    return None


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of JSON only."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(?:0b[0-1_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first))


def read(text: bytes) -> Iterator[Document]:
    """The documents of a file, empty ones left out. Raises Unreadable where it ends being YAML."""
    if len(text) > FILE_BYTES_MAX:
        raise Unreadable(f"the file is larger than {FILE_BYTES_MAX} bytes")
    loader: _Loader | None = None
    try:
        loader = _Loader(text.decode("utf-8"))
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                document = _document(loader, node)
                if document.value is not None:
                    yield document
    except UnicodeDecodeError as error:
        raise Unreadable("the file is not UTF-8 text", text.count(b"\n", 0, error.start) + 1) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise Unreadable(f"not YAML: {error.problem or error}", line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()


def _document(loader: _Loader, node: Node) -> Document:
    builder = _Builder(loader)
    value = builder.build(node, depth=0)
    return Document(value, node, tuple(builder.problems))


class _Builder:
    """One document's nodes as JSON. An aliased node is built once; its size counts at every use."""

    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._built: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()
        self._size = 0
        self.problems: list[tuple[int, str]] = []

    def build(self, node: Node, *, depth: int) -> Any:
        """The value of a node. Raises Unreadable when the document is too deep, too large, or contains itself."""
        if depth > DEPTH_MAX:
            raise Unreadable(f"nested deeper than {DEPTH_MAX} levels", _line(node))
        if id(node) in self._open:
            raise Unreadable("an alias refers to what it is part of", _line(node))
        known = self._built.get(id(node))
        if known is not None:
            self._grow(known[1], node)
            return known[0]
        before = self._size
        self._grow(1, node)
        self._open.add(id(node))
        value = self._value(node, depth)
        self._open.discard(id(node))
        self._built[id(node)] = (value, self._size - before)
        return value

    def _grow(self, size: int, node: Node) -> None:
        self._size += size
        if self._size > VALUES_MAX:
            raise Unreadable(f"more than {VALUES_MAX} values in one document", _line(node))

    def _value(self, node: Node, depth: int) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, SequenceNode):
            return [self.build(item, depth=depth + 1) for item in node.value]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, member in node.value:
            value = self.build(member, depth=depth + 1)
            if key.tag == _MERGE:
                for source in value if isinstance(value, list) else [value]:
                    merged = {**(source if isinstance(source, Mapping) else {}), **merged}
                continue
            name = str(key.value) if isinstance(key, ScalarNode) else ""
            if not isinstance(key, ScalarNode):
                self.problems.append((_line(key), "a field's name must be text"))
            elif name in own:
                self.problems.append((_line(key), f'the field "{name}" is given twice'))
            own[name] = value
        return {**merged, **own}

    def _scalar(self, node: Node) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError):
            self.problems.append((_line(node), f"cannot be read: {str(node.value)[:60]!r}"))
            return None
        if isinstance(value, int) and abs(value) > _INTEGER_MAX:
            self.problems.append((_line(node), "is too large a number"))
            return None
        return value if value is None or isinstance(value, str | bool | int | float) else str(node.value)
