"""The text of configuration files, and of settings with their origins."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import hemostat
from hemostat.core.setup.proposal import ProposedSetting
from hemostat.core.text import escape_controls

EXAMPLE_FILE: Final = "hemostat.toml.example"
MAX_COLUMNS: Final = 80
HEADER_PATTERN: Final = re.compile(r"\[([a-z_]+)\]")
DEFAULT_PATTERN: Final = re.compile(r"#([a-z_]+) = ")
"""A setting that is commented out. A comment has a space after the number sign."""
ORIGINS: Final = ("default", "file", "environment", "flag")
"""First words of origins. A later one takes precedence."""


def read_example() -> str:
    """The commented example: part of the installed package, or beside the package in a source tree."""
    package = Path(hemostat.__file__).parent
    file = next(path for path in (package / EXAMPLE_FILE, package.parent / EXAMPLE_FILE) if path.is_file())
    return file.read_text("utf-8")


def activate_settings(example: str, values: Mapping[str, object]) -> str:
    """The example with these settings, by dotted key, in effect. All others stay commented out."""
    return "".join(_activate_lines(example, values))


def _activate_lines(example: str, values: Mapping[str, object]) -> Iterator[str]:
    table = ""
    for line in example.splitlines(keepends=True):
        if header := HEADER_PATTERN.match(line):
            table = f"{header[1]}."
        setting = DEFAULT_PATTERN.match(line)
        key = table + setting[1] if setting else ""
        yield f"{key.removeprefix(table)} = {format_inline(values[key])}\n" if key in values else line


def format_file(introduction: str, settings: Sequence[ProposedSetting]) -> str:
    """A configuration file with only these settings, each below a comment that says why."""
    return "".join(f"{line}\n" for line in _iter_file_lines(introduction, settings))


def _iter_file_lines(introduction: str, settings: Sequence[ProposedSetting]) -> Iterator[str]:
    yield from _format_comment(introduction)
    current = ""
    tables = ["", *dict.fromkeys(_get_table(setting) for setting in settings)]
    for setting in sorted(settings, key=lambda each: tables.index(_get_table(each))):
        table, name = _get_table(setting), setting.key.rpartition(".")[2]
        if table != current:
            yield from ("", f"[{table}]")
            current = table
        yield from _format_comment(setting.why)
        yield f"{name} = {format_inline(setting.value)}"


def _get_table(setting: ProposedSetting) -> str:
    return setting.key.rpartition(".")[0]


def _format_comment(text: str) -> list[str]:
    lines = textwrap.wrap(escape_controls(text), MAX_COLUMNS - 2, break_on_hyphens=False)
    return [f"# {line}" for line in lines]


def format_origins(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    """TOML with dotted keys, grouped by origin. The last group takes precedence: it is what the end of a
    terminal shows."""
    groups: dict[str, list[str]] = {}
    for key in values:
        groups.setdefault(origins[key], []).append(key)
    for position, origin in enumerate(sorted(groups, key=_rank_origin)):
        if position:
            yield ""
        yield escape_controls(f"# {origin}")
        for key in groups[origin]:
            yield from _format_setting(key, values[key])


def _rank_origin(origin: str) -> int:
    return ORIGINS.index(origin.partition(" ")[0])


def _format_setting(key: str, value: object) -> Iterator[str]:
    """The setting on one line, or with one item of a list on each line if it would be too long."""
    line = f"{key} = {format_inline(value)}"
    if len(line) <= MAX_COLUMNS or not isinstance(value, list | tuple):
        yield escape_controls(line)
        return
    yield f"{key} = ["
    yield from (f"    {escape_controls(format_inline(each))}," for each in value)
    yield "]"


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as tables. Top-level keys come first, as TOML requires."""
    tree: dict[str, Any] = {key: value for key, value in values.items() if "." not in key}
    for key, value in values.items():
        table, dot, name = key.partition(".")
        if dot:
            tree.setdefault(table, {})[name] = value
    return tree


def format_inline(value: object) -> str:
    """TOML on one line: the same as JSON, except for tables and the character DEL."""
    if isinstance(value, dict):
        pairs = (f"{_quote(name)} = {format_inline(each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_inline, value))}]"
    return _quote(value)


def _quote(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
