"""The syntax of conditions: text to the tree of expression_tree.py.

The language is the core of expr-lang, which users' conditions are written in: literals, operators, member access,
calls, and predicates over lists (`all(result, # < 5)`). Text, nesting and tree are bounded, so that reading one is
quick and walking it cannot exhaust the stack. What a tree means belongs to expression.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rollouts.core.expression_tree import (
    Binary,
    Call,
    Chain,
    Choice,
    ExpressionError,
    Items,
    Literal,
    Member,
    Name,
    Node,
    Pairs,
    Pointer,
    Program,
    Slice,
    Unary,
    is_deeper,
)

TEXT_MAX = 4096  # characters
NESTING_MAX = 40
DEPTH_MAX = 150


TAKES_PREDICATE = frozenset(
    {
        "all", "any", "one", "none", "map", "filter", "find", "findIndex", "findLast", "findLastIndex", "count", "sum",
        "groupBy", "sortBy", "reduce",
    }
)  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<pointer>\#[A-Za-z]*)
    |(?P<operator>\?\?|\?\.|\*\*|\.\.|==|!=|<=|>=|&&|\|\||[-+*/%^<>!?:,.()\[\]{}|])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None, "null": None}
_SYNONYMS = {"&&": "and", "||": "or", "!": "not", "^": "**"}
_PRECEDENCE = {
    "|": 1, "or": 10, "and": 15, "==": 20, "!=": 20, "<": 20, "<=": 20, ">": 20, ">=": 20, "in": 20, "not in": 20,
    "contains": 20, "startsWith": 20, "endsWith": 20, "matches": 20, "..": 25, "+": 30, "-": 30, "*": 60, "/": 60,
    "%": 60, "**": 100, "??": 500,
}  # fmt: skip
_WORDS = frozenset({"in", "contains", "startsWith", "endsWith", "matches"})
_UNARY = {"not": 50, "-": 90, "+": 90}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


@lru_cache(maxsize=512)
def parse(text: str) -> Program:
    """Read a condition. Raises ExpressionError."""
    if len(text) > TEXT_MAX:
        raise ExpressionError(f"expression is longer than {TEXT_MAX} characters")
    parser = _Parser(_tokens(text))
    root = parser.expression(0)
    parser.expect_end()
    if is_deeper(root, DEPTH_MAX):
        raise ExpressionError("expression is too deep")
    return Program(root, frozenset(parser.names))


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"unrecognized character {text[position]!r} at {position + 1}")
        if match.lastgroup != "space":
            tokens.append(_Token(match.lastgroup, match[0], position + 1))
        position = match.end()
    return [*tokens, _Token("end", "", len(text) + 1)]


class _Parser:
    """Precedence climbing over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.nesting = 0
        self.predicates = 0
        self.names: set[str] = set()

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def is_operator(self, *texts: str) -> bool:
        return self.token.kind == "operator" and self.token.text in texts

    def accept(self, text: str) -> bool:
        found = self.is_operator(text)
        self.index += found
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.unexpected()

    def expect_end(self) -> None:
        if self.token.kind != "end":
            raise self.unexpected()

    def unexpected(self) -> ExpressionError:
        shown = f"token {self.token.text!r}" if self.token.kind != "end" else "end of expression"
        return ExpressionError(f"unexpected {shown} at {self.token.position}")

    def expression(self, least: int) -> Node:
        """An expression of operators that bind at least so tightly."""
        self.nesting += 1
        if self.nesting > NESTING_MAX:
            raise ExpressionError("expression is nested too deeply")
        node = self.operand()
        while (operator := self.operator(least)) is not None:
            node = self.joined(node, operator)
        if least == 0 and self.accept("?"):
            node = self.choice(node)
        self.nesting -= 1
        return node

    def operator(self, least: int) -> str | None:
        """The binary operator at the cursor, taken if it binds tightly enough."""
        text, width = _SYNONYMS.get(self.token.text, self.token.text), 1
        if self.token.text == "not" and self.tokens[self.index + 1].text == "in":
            text, width = "not in", 2
        is_word = self.token.kind == "name" and (text in _WORDS or text in ("and", "or", "not in"))
        if not (self.token.kind == "operator" or is_word) or _PRECEDENCE.get(text, -1) < least:
            return None
        self.index += width
        return text

    def joined(self, left: Node, operator: str) -> Node:
        precedence = _PRECEDENCE[operator]
        if operator == "|":
            return self.piped(left)
        if operator == "??":
            self.names.add("??")
        right = self.expression(precedence if operator == "**" else precedence + 1)
        return Binary(operator, left, right)

    def piped(self, first: Node) -> Node:
        if self.token.kind != "name":
            raise self.unexpected()
        name = self.token.text
        self.index += 1
        return self.postfixed(self.call(name, first=(first,)))

    def choice(self, condition: Node) -> Node:
        if self.accept(":"):
            return Choice(condition, condition, self.expression(0))
        then = self.expression(0)
        self.expect(":")
        return Choice(condition, then, self.expression(0))

    def operand(self) -> Node:
        text = _SYNONYMS.get(self.token.text, self.token.text)
        if text in _UNARY and self.token.kind in ("operator", "name"):
            self.index += 1
            return Unary(text, self.expression(_UNARY[text]))
        return self.postfixed(self.primary())

    def primary(self) -> Node:
        token = self.token
        self.index += 1
        match token.kind:
            case "number":
                return Literal(_number(token))
            case "string":
                return Literal(_unquoted(token.text))
            case "pointer" if self.predicates:
                return Pointer(token.text)
            case "name":
                return self.named(token)
            case "operator":
                return self.bracketed(token)
        self.index -= 1
        raise self.unexpected()

    def named(self, token: _Token) -> Node:
        if token.text in _CONSTANTS:
            self.names |= {"nil"} if _CONSTANTS[token.text] is None else set()
            return Literal(_CONSTANTS[token.text])
        if self.is_operator("("):
            return self.call(token.text)
        return Name(token.text)

    def bracketed(self, token: _Token) -> Node:
        if token.text == "(":
            node = self.expression(0)
            self.expect(")")
            return node
        if token.text == "[":
            return Items(self.listed("]"))
        if token.text == "{":
            return self.pairs()
        self.index -= 1
        if token.text == "." and self.predicates:
            return Pointer("#")
        raise self.unexpected()

    def listed(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self.accept(end):
            items.append(self.expression(0))
            if not self.is_operator(end):
                self.expect(",")
        return tuple(items)

    def pairs(self) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while not self.accept("}"):
            pairs.append((self.key(), self.after_colon()))
            if not self.is_operator("}"):
                self.expect(",")
        return Pairs(tuple(pairs))

    def key(self) -> Node:
        token = self.token
        if token.kind == "operator" and token.text == "(":
            return self.primary()
        if token.kind not in ("name", "string", "number"):
            raise self.unexpected()
        self.index += 1
        return Literal(_unquoted(token.text) if token.kind == "string" else token.text)

    def after_colon(self) -> Node:
        self.expect(":")
        return self.expression(0)

    def call(self, name: str, first: tuple[Node, ...] = ()) -> Node:
        self.names.add(name)
        args = list(first)
        if not self.accept("("):
            return Call(name, tuple(args))
        while not self.accept(")"):
            args.append(self.predicate() if name in TAKES_PREDICATE and len(args) == 1 else self.expression(0))
            if not self.is_operator(")"):
                self.expect(",")
        return Call(name, tuple(args))

    def predicate(self) -> Node:
        self.predicates += 1
        has_braces = self.accept("{")
        body = self.expression(0)
        if has_braces:
            self.expect("}")
        self.predicates -= 1
        return body

    def postfixed(self, node: Node) -> Node:
        is_chain = False
        while True:
            if self.accept("?."):
                is_chain = True
                node = (
                    self.subscript(node, is_optional=True) if self.accept("[") else self.member(node, is_optional=True)
                )
            elif self.accept("."):
                node = self.member(node, is_optional=False)
            elif self.accept("["):
                node = self.subscript(node, is_optional=False)
            else:
                return Chain(node) if is_chain else node

    def member(self, of: Node, *, is_optional: bool) -> Node:
        token = self.token
        if token.kind != "name":
            raise self.unexpected()
        self.index += 1
        return Member(of, Literal(token.text), is_optional)

    def subscript(self, of: Node, *, is_optional: bool) -> Node:
        start = None if self.is_operator(":") else self.expression(0)
        if self.accept(":"):
            end = None if self.is_operator("]") else self.expression(0)
            self.expect("]")
            return Slice(of, start, end)
        self.expect("]")
        if start is None:
            raise self.unexpected()
        return Member(of, start, is_optional)


def _number(token: _Token) -> float:
    text = token.text.replace("_", "")
    if text[:2] in ("0x", "0X"):
        number: float = int(text, 16)
    else:
        number = int(text) if text.isdecimal() else float(text)
    if isinstance(number, int) and number >= 2**63:
        raise ExpressionError(f"integer literal is too large at {token.position}")
    return number


def _unquoted(text: str) -> str:
    body = text[1:-1]
    return body if text[0] == "`" else _ESCAPE.sub(_unescaped, body)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)
