"""The syntax of Go's regular expressions, read into a small tree. Matching is regex.py's business.

Users write patterns for an engine that has no backtracking, so the constructs that need it (back references,
look-around) do not exist here and are reported as errors, as are Unicode classes (`\\pL`), which nothing of ours needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PATTERN_MAX = 1000  # characters
REPEAT_MAX = 1000
NESTING_MAX = 50


class BadPattern(ValueError):
    """The pattern cannot be read; the text says why, in the words of Go's parser where it has some."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of inclusive code point ranges, or out of all others."""

    ranges: tuple[tuple[int, int], ...]
    is_negated: bool = False
    folds_case: bool = False

    def holds(self, char: str) -> bool:
        """Whether `char` is one of them."""
        forms = {char, char.lower(), char.upper()} if self.folds_case else {char}
        codes = [ord(form) for form in forms if len(form) == 1]
        return any(low <= code <= high for code in codes for low, high in self.ranges) != self.is_negated


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters: `^ $ A z b B`, with `m` where ^ and $ also mean line ends."""

    kind: str
    is_multiline: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after another; none matches the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Any of the options."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; None: without end."""

    part: Node
    least: int
    most: int | None


Node = Chars | Edge | Sequence | Either | Repeat

_DIGIT = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((9, 10), (12, 13), (32, 32))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_POSIX = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "digit": _DIGIT,
    "lower": ((97, 122),),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True, slots=True)
class _Flags:
    folds_case: bool = False
    is_multiline: bool = False
    dot_takes_newline: bool = False


def parse(pattern: str) -> Node:
    """Read a pattern. Raises BadPattern."""
    if len(pattern) > PATTERN_MAX:
        raise BadPattern(f"pattern is longer than {PATTERN_MAX} characters")
    reader = _Reader(pattern)
    node = reader.either(_Flags(), depth=0)
    if reader.position < len(pattern):
        raise BadPattern("unexpected )")
    return node


class _Reader:
    """A cursor over the pattern; one method per construct."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.position)

    def take(self) -> str:
        if self.position >= len(self.pattern):
            raise BadPattern("unexpected end of pattern")
        self.position += 1
        return self.pattern[self.position - 1]

    def accept(self, text: str) -> bool:
        found = self.peek(text)
        self.position += len(text) if found else 0
        return found

    def until(self, end: str) -> str:
        stop = self.pattern.find(end, self.position)
        if stop < 0:
            raise BadPattern(f"missing {end}")
        text, self.position = self.pattern[self.position : stop], stop + len(end)
        return text

    def either(self, flags: _Flags, *, depth: int) -> Node:
        if depth > NESTING_MAX:
            raise BadPattern("expression nests too deeply")
        options: list[Node] = []
        parts: list[Node] = []
        while self.position < len(self.pattern) and not self.peek(")"):
            if self.accept("|"):
                options.append(Sequence(tuple(parts)))
                parts = []
            elif self.peek("(?"):
                flags, group = self.flagged(flags, depth=depth)
                parts += [] if group is None else [self.repeated(group)]
            else:
                parts.append(self.repeated(self.atom(flags, depth=depth)))
        return Either((*options, Sequence(tuple(parts)))) if options else Sequence(tuple(parts))

    def flagged(self, flags: _Flags, *, depth: int) -> tuple[_Flags, Node | None]:
        """A group that begins with (?: the flags from here on, and the group if it is one."""
        self.position += 2
        if self.accept("P<") or (self.peek("<") and not self.peek("<=") and not self.peek("<!") and self.accept("<")):
            self.until(">")
            return flags, self.group(flags, depth=depth)
        inner, is_set = flags, True
        while (char := self.take()) not in ":)":
            if char == "-":
                is_set = False
            elif char in "ims":
                name = {"i": "folds_case", "m": "is_multiline", "s": "dot_takes_newline"}[char]
                inner = replace(inner, **{name: is_set})
            elif char != "U":
                raise BadPattern(f"invalid or unsupported Perl syntax: `(?{char}`")
        return (inner, None) if char == ")" else (flags, self.group(inner, depth=depth))

    def group(self, flags: _Flags, *, depth: int) -> Node:
        node = self.either(flags, depth=depth + 1)
        if not self.accept(")"):
            raise BadPattern("missing closing )")
        return node

    def atom(self, flags: _Flags, *, depth: int) -> Node:
        char = self.take()
        if char == "(":
            return self.group(flags, depth=depth)
        if char in _REPEATS:
            raise BadPattern(f"missing argument to repetition operator: `{char}`")
        if char == ".":
            return Chars(() if flags.dot_takes_newline else ((10, 10),), is_negated=True)
        if char in "^$":
            return Edge(char, flags.is_multiline)
        if char == "[":
            return self.bracket(flags)
        if char == "\\":
            return self.escape(flags)
        return _one(char, flags)

    def repeated(self, node: Node) -> Node:
        bounds = self.bounds()
        if bounds is None:
            return node
        self.accept("?")  # laziness changes which text is found, not whether there is one
        if self.bounds() is not None:
            raise BadPattern("invalid nested repetition operator")
        return Repeat(node, *bounds)

    def bounds(self) -> tuple[int, int | None] | None:
        for symbol, bounds in _REPEATS.items():
            if self.accept(symbol):
                return bounds
        stop = self.pattern.find("}", self.position)
        if not self.peek("{") or stop < 0:
            return None
        least, comma, most = self.pattern[self.position + 1 : stop].partition(",")
        if not least.isdecimal() or not (most.isdecimal() or not most):
            return None  # a brace that is no count stands for itself
        self.position = stop + 1
        low, high = int(least), int(most) if most else None if comma else int(least)
        if max(low, high or 0) > REPEAT_MAX or (high is not None and high < low):
            raise BadPattern("invalid repeat count")
        return low, high

    def escape(self, flags: _Flags) -> Node:
        char = self.take()
        if char in "AzbB":
            return Edge(char)
        if char.lower() in _CLASSES:
            return Chars(_CLASSES[char.lower()], is_negated=char.isupper())
        return _one(self.escaped(char), flags)

    def escaped(self, char: str) -> str:
        """The character that `\\char` stands for."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            digits = self.until("}") if self.accept("{") else self.take() + self.take()
            try:
                return chr(int(digits, 16))
            except (ValueError, OverflowError):
                raise BadPattern("invalid escape sequence: `\\x`") from None
        if char.isascii() and not char.isalnum():
            return char
        raise BadPattern(f"invalid escape sequence: `\\{char}`")

    def bracket(self, flags: _Flags) -> Node:
        is_negated, is_first = self.accept("^"), True
        ranges: list[tuple[int, int]] = []
        while is_first or not self.accept("]"):
            is_first = False
            if self.accept("[:"):
                ranges += _posix(self.until(":]"))
                continue
            if self.peek("\\") and self.pattern[self.position + 1 : self.position + 2] in _CLASSES:
                ranges += _CLASSES[self.pattern[self.position + 1]]
                self.position += 2
                continue
            low = self.member()
            has_high = self.peek("-") and self.pattern[self.position + 1 : self.position + 2] not in ("]", "")
            high = self.member() if has_high and self.accept("-") else low
            if high < low:
                raise BadPattern("invalid character class range")
            ranges.append((low, high))
        return Chars(tuple(ranges), is_negated, flags.folds_case)

    def member(self) -> int:
        char = self.take()
        return ord(self.escaped(self.take()) if char == "\\" else char)


def _posix(name: str) -> tuple[tuple[int, int], ...]:
    if name not in _POSIX:
        raise BadPattern(f"invalid character class range: `[:{name}:]`")
    return _POSIX[name]


def _one(char: str, flags: _Flags) -> Chars:
    return Chars(((ord(char), ord(char)),), folds_case=flags.folds_case)
