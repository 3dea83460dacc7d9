"""Reports words that the project does not use, with the word to use instead.

`python -m tests.vocabulary [PATH...]` lists all uses of the words in tests/vocabulary.toml. The uses
of a word must not become more than tests/vocabulary_baseline.json says; `--update` writes that file.
"""

import ast
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORDS = Path(__file__).with_suffix(".toml")
BASELINE = Path(__file__).with_name("vocabulary_baseline.json")
SCANNED = ("hemostat", "tests", "docs", "demos", ".github", "README.md", "hemostat.toml.example")
SUFFIXES = frozenset({".py", ".md", ".example"})
MAX_TEST_NAME = 70
"""Characters of the name of a test, which says condition and result."""
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Use(NamedTuple):
    """A reported word at a place; `name` is the identifier, empty for a phrase in a text."""

    path: str
    line: int
    word: str
    name: str
    instead: str

    def __str__(self) -> str:
        what = f"{self.name} ({self.word})" if self.name else f'"{self.word}"'
        return f"{self.path}:{self.line}: {what}: write {self.instead}"


class Allowed(NamedTuple):
    """A use that stays; without a name, all uses of the word below the path."""

    word: str
    path: str
    reason: str
    name: str = ""

    def covers(self, use: Use) -> bool:
        return (
            use.word == self.word
            and (use.path == self.path or use.path.startswith(f"{self.path}/"))
            and self.name in {"", use.name}
        )


class Vocabulary:
    """The words to report, as a file in the form of tests/vocabulary.toml lists them."""

    def __init__(self, text: str) -> None:
        tables = tomllib.loads(text)
        self.parts: dict[str, str] = tables.get("parts", {})
        self.names: dict[str, str] = tables.get("names", {})
        self.constants: dict[str, str] = tables.get("constants", {})
        self.phrases: dict[str, str] = tables.get("phrases", {})
        self.allowed = [Allowed(**entry) for entry in tables.get("allow", [])]
        self._phrases = [(phrase, literal(phrase), pattern(phrase)) for phrase in self.phrases]

    def uses(self, root: Path, scanned: Iterable[str] = SCANNED) -> list[Use]:
        """All uses that are not allowed, sorted by file and line."""
        every = (use for path in files(root, scanned) for use in self.in_file(root, path))
        return sorted(use for use in every if not any(entry.covers(use) for entry in self.allowed))

    def in_file(self, root: Path, path: Path) -> Iterator[Use]:
        place = path.relative_to(root).as_posix()
        text = path.read_text("utf-8")
        for phrase, instead, offset in self._in_text(text):
            yield Use(place, text.count("\n", 0, offset) + 1, phrase, "", instead)
        if path.suffix != ".py":
            return
        for name, line in ((path.stem, 1), *identifiers(ast.parse(text))):
            yield from (Use(place, line, word, name, instead) for word, instead in self.in_name(name))

    def in_name(self, name: str) -> Iterator[tuple[str, str]]:
        """The words in an identifier, with what to write instead."""
        parts = PART.findall(name)
        lower = {part.lower() for part in parts}
        yield from ((word, instead) for word, instead in self.parts.items() if word in lower)
        bare = name.strip("_").lower()
        if bare in self.names:
            yield bare, self.names[bare]
        if name.isupper() and parts and parts[0] in self.constants:
            yield parts[0], self.constants[parts[0]]
        if name.startswith("test_"):
            yield from ((phrase, instead) for phrase, instead, _ in self._in_text(name.replace("_", " ")))

    def _in_text(self, text: str) -> Iterator[tuple[str, str, int]]:
        for phrase, fixed, compiled in self._phrases:
            if fixed in text:
                for match in compiled.finditer(text):
                    yield phrase, self.phrases[phrase], match.start()


def pattern(phrase: str) -> re.Pattern[str]:
    """Matches a phrase over line ends and at the beginning of a sentence, but not Python's `is None`."""
    first = f"[{phrase[0].upper()}{phrase[0]}]" if phrase[0].isalpha() else phrase[0]
    end = r"\b" if phrase[-1].isalpha() else ""
    return re.compile(rf"\b{first}" + phrase[1:].replace(" ", r"\s+") + end)


def literal(phrase: str) -> str:
    """A part that every match of a phrase contains. `literal in text` is faster than a pattern."""
    words: list[str] = re.findall(r"[a-z]+", re.sub(r"\(.*?\)|\\.", " ", phrase[1:]))
    return max(words, key=len)


def files(root: Path, scanned: Iterable[str]) -> Iterator[Path]:
    for each in scanned:
        path = root / each
        candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (one for one in candidates if one.suffix in SUFFIXES and one.is_file())


def identifiers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names of functions, classes, parameters, fields and module-level constants, with their lines.

    Local variables are left out.
    """
    pending: list[tuple[ast.AST, bool]] = [(node, True) for node in tree.body]
    while pending:
        node, has_fields = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
            args = node.args
            every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
            yield from ((arg.arg, arg.lineno) for arg in every if arg is not None)
            pending += [(each, False) for each in node.body]
        elif isinstance(node, ast.ClassDef):
            yield node.name, node.lineno
            pending += [(each, True) for each in node.body]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if has_fields and isinstance(target, ast.Name):
                    yield target.id, target.lineno
                elif isinstance(target, ast.Attribute) and is_self(target.value):
                    yield target.attr, target.lineno
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            inner = (
                each
                for field in ("body", "orelse", "finalbody", "handlers", "cases")
                for each in getattr(node, field, ())
            )
            pending += [(each, has_fields) for each in inner]


def find_long_test_names(root: Path) -> list[str]:
    """The places of tests whose names are longer than MAX_TEST_NAME."""
    return [
        f"{path.relative_to(root)}:{line}: {name}"
        for path in files(root, ["tests"])
        if path.suffix == ".py"
        for name, line in identifiers(ast.parse(path.read_text("utf-8")))
        if name.startswith("test_") and len(name) > MAX_TEST_NAME
    ]


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def count(uses: Iterable[Use]) -> dict[str, int]:
    return dict(sorted(Counter(use.word for use in uses).items()))


def growth(uses: list[Use], baseline: dict[str, int]) -> list[str]:
    """A message for each word that is used more often than the baseline says."""
    counts = count(uses)
    return [
        f"{word}: {number} uses, {baseline.get(word, 0)} allowed. "
        "Use another word in the lines that you added:\n"
        + "\n".join(f"  {use}" for use in uses if use.word == word)
        for word, number in counts.items()
        if number > baseline.get(word, 0)
    ]


def shrinkage(uses: list[Use], baseline: dict[str, int]) -> list[str]:
    counts = count(uses)
    return [word for word, number in baseline.items() if counts.get(word, 0) < number]


def read_baseline() -> dict[str, int]:
    baseline: dict[str, int] = json.loads(BASELINE.read_text("utf-8"))
    return baseline


def main(arguments: list[str]) -> None:
    vocabulary = Vocabulary(WORDS.read_text("utf-8"))
    if arguments == ["--update"]:
        BASELINE.write_text(json.dumps(count(vocabulary.uses(ROOT)), indent=1) + "\n", "utf-8")
        return
    uses = vocabulary.uses(ROOT, arguments or SCANNED)
    print(*uses, sep="\n")
    print(f"{len(uses)} uses of {len(count(uses))} words")


if __name__ == "__main__":
    main(sys.argv[1:])
