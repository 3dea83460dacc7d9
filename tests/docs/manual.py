"""Generates the man pages from the commands: one page for each command, and one for the program."""

import inspect
import re
from collections.abc import Iterator
from functools import cache

import click
from click_man.man import ManPage

import hemostat as package
from hemostat.cli.root import COMMANDS, hemostat

FOLDER = "docs/man"
MACROS = (".TH", ".SH", ".PP", ".TP", ".B")
"""Macros that a page uses. A text line that begins with another one would be lost."""


@cache
def list_pages() -> dict[str, str]:
    """The pages by file name, such as `hemostat-config-init.1`."""
    return {f"{_join(context)}.1": make_page(context) for context in _list_contexts()}


def _join(context: click.Context) -> str:
    return "-".join(context.command_path.split())


def _list_contexts() -> Iterator[click.Context]:
    root = click.Context(hemostat, info_name="hemostat")
    pending = [root]
    while pending:
        context = pending.pop()
        yield context
        if isinstance(context.command, click.Group):
            for name in context.command.list_commands(context):
                command = context.command.get_command(context, name)
                if command is not None and not command.hidden:
                    pending.append(click.Context(command, info_name=name, parent=context))


def make_page(context: click.Context) -> str:
    command, path = context.command, context.command_path
    help_text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    page = ManPage(path)
    page.short_help = help_text.partition("\n\n")[0].replace("\n", " ").rstrip(".")
    page.synopsis = " ".join(command.collect_usage_pieces(context))
    page.description = help_text
    options = (each for each in command.params if isinstance(each, click.Option) and not each.hidden)
    page.options = [record for each in options if (record := each.get_help_record(context))]
    title = f'.TH "{_join(context).upper()}" "1" "" "hemostat {package.__version__}" "HemoStat"'
    lines = [title, *str(page).splitlines()[1:], *_list_commands(context)]
    return "\n".join(_escape(line) for line in lines if line.strip()) + "\n"


def _list_commands(context: click.Context) -> Iterator[str]:
    if not isinstance(context.command, click.Group):
        return
    yield ".SH COMMANDS"
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        if command is not None and not command.hidden:
            text = COMMANDS[name].help if context.parent is None else command.get_short_help_str(limit=200)
            title = rf"\fB{context.command_path} {name}\fP"
            yield from (".TP", title, text, f"See {_join(context)}-{name}(1).")


def _escape(line: str) -> str:
    """The line, as text if it only looks like a macro."""
    is_macro = re.match(r"\.[A-Z]+\b", line) is not None and line.split(maxsplit=1)[0] in MACROS
    return line if is_macro or not line.startswith((".", "'")) else rf"\&{line}"
