"""Lists the changes that can be made to a source file: each is one replaced piece of text.

Changes to log lines and to conditions of log lines only, to docstrings, annotations, f-strings and options of
classes are left out: users would not miss what they do.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

COMPARISONS: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
}
LEFT_OUT_FIELDS: Final = frozenset({"annotation", "returns", "decorator_list", "op", "ops", "ctx"})
MAX_COUNTED: Final = 10
"""Numbers up to this are counts, and become one more. Greater ones are bounds, and become 0."""


class Change(NamedTuple):
    """A replacement of the bytes from `start` to `end`. `function` is the qualified name of the function with
    these bytes; empty outside of functions."""

    path: str
    line: int
    kind: str
    function: str
    start: int
    end: int
    new: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]


def list_changes(path: str, source: bytes) -> list[Change]:
    """Return all changes of a file, in the order of their places."""
    return sorted(set(_Lister(path, source).list_all()))


def can_be_compiled(source: bytes) -> bool:
    """Return whether changed code is Python at all: `continue` behind `True` may not be, for example."""
    try:
        compile(source, "changed", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Lister:
    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source
        self._starts = [0, *(each.end() for each in re.finditer(rb"\n", source))]
        self._scope: list[str] = []

    def list_all(self) -> Iterator[Change]:
        yield from self._visit(ast.parse(self._source))

    def _visit(self, node: ast.AST) -> Iterator[Change]:
        if isinstance(node, ast.JoinedStr) or _is_log_line(node) or _is_docstring(node) or _only_logs(node):
            return
        yield from self._change(node)
        is_scope = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if is_scope:
            self._scope.append(node.name if isinstance(node, ast.ClassDef) else f"{node.name}.<locals>")
        for field, child in ast.iter_fields(node):
            if field not in LEFT_OUT_FIELDS and not (field == "keywords" and isinstance(node, ast.ClassDef)):
                for each in child if isinstance(child, list) else [child]:
                    if isinstance(each, ast.AST):
                        yield from self._visit(each)
        if is_scope:
            self._scope.pop()

    def _change(self, node: ast.AST) -> Iterator[Change]:
        yield from self._change_expression(node)
        yield from self._change_branch(node)
        is_in_function = bool(self._scope) and self._scope[-1].endswith("<locals>")
        match node:
            case ast.Return(value=ast.expr() as value) if not _is_none_or_false(value):
                yield self._make(node, self._begin(value), self._end(value), "None", "return None")
            case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break() | ast.Assign() | ast.AugAssign() if (
                is_in_function
            ):
                yield self._make(node, self._begin(node), self._end(node), "pass", "statement dropped")

    def _change_expression(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                for operator, (before, after) in zip(ops, pairwise([left, *others]), strict=True):
                    pattern, new = COMPARISONS[type(operator)]
                    yield from self._replace_between(before, after, pattern, new, "comparison")
            case ast.BoolOp(op=operator, values=values):
                old, new = ("and", "or") if isinstance(operator, ast.And) else ("or", "and")
                for before, after in pairwise(values):
                    yield from self._replace_between(before, after, rf"\b{old}\b", new, f"{old} to {new}")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                start = self._begin(node)
                yield self._make(operand, start, start + len("not"), "", "not dropped")
            case ast.Constant(value=bool() | int() | float() as value):
                yield self._make(node, self._begin(node), self._end(node), _move(value), "constant")

    def _change_branch(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.If(test=test) | ast.IfExp(test=test):
                yield self._make(test, self._begin(test), self._end(test), "True", "branch always")
                yield self._make(test, self._begin(test), self._end(test), "False", "branch never")
            case ast.comprehension(ifs=tests):
                for test in tests:
                    yield self._make(test, self._begin(test), self._end(test), "True", "filter dropped")

    def _replace_between(
        self, before: ast.expr, after: ast.expr, pattern: str, new: str, kind: str
    ) -> Iterator[Change]:
        start, end = self._end(before), self._begin(after)
        if found := re.search(pattern, self._source[start:end].decode()):
            yield self._make(before, start + found.start(), start + found.end(), new, kind)

    def _begin(self, node: Any) -> int:
        return self._starts[node.lineno - 1] + int(node.col_offset)

    def _end(self, node: Any) -> int:
        return self._starts[node.end_lineno - 1] + int(node.end_col_offset)

    def _make(self, node: Any, start: int, end: int, new: str, kind: str) -> Change:
        function = ".".join(self._scope).removesuffix(".<locals>")
        return Change(self._path, node.lineno, kind, function, start, end, new)


def _move(value: float) -> str:
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int) and 0 < value <= MAX_COUNTED:
        return str(value + 1)
    return str(type(value)(value == 0))


def _is_none_or_false(node: ast.expr) -> bool:
    """Return whether None in its place changes nothing. `False` becomes `True` by a change of its own."""
    return isinstance(node, ast.Constant) and (node.value is None or node.value is False)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_log_line(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger")))):
            return True
    return False


def _only_logs(node: ast.AST) -> bool:
    """Return whether a branch has log lines only, and its condition has no other effect."""
    if not isinstance(node, ast.If) or node.orelse or not all(map(_is_log_line, node.body)):
        return False
    return not any(isinstance(each, ast.NamedExpr | ast.Await) for each in ast.walk(node.test))
