"""Completes the names in arguments and options: those of the configuration, and those on the running bus.

Names on the bus come from other users. A shell may expand what it is offered: click's script for bash expands
patterns of file names. So a name with a character that a shell could act on is not offered.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from hemostat.adapters.redis.brief_connection import BriefConnection

BUS_SECONDS: Final = 0.25
"""Seconds for everything that is read from Redis."""
MAX_OFFERED: Final = 500
MAX_NAME_CHARACTERS: Final = 255
MAX_HELP_CHARACTERS: Final = 60
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")
"""A name, or HOST/NAME."""

Name = TypeVar("Name")
Items = list["CompletionItem[str]"]


def complete_containers(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    from hemostat.adapters.redis import names

    found = sorted({each.name for each in _read(context, names.read_containers)})
    return _offer(incomplete, ((each, "") for each in found))


def complete_host_containers(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Offer HOST/NAME if there are several hosts, or if the text so far has a slash."""
    from hemostat.adapters.redis import names

    found = _read(context, names.read_containers)
    if "/" in incomplete or len({each.host for each in found}) > 1:
        return _offer(incomplete, ((f"{each.host}/{each.name}", "") for each in found))
    return _offer(incomplete, ((each.name, "") for each in found))


def complete_hosts(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    from hemostat.adapters.redis import names

    return _offer(incomplete, ((each.host, "") for each in _read(context, names.read_containers)))


def complete_projects(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    from hemostat.adapters.redis import names

    return _offer(incomplete, ((each, "") for each in _read(context, names.read_projects)))


def complete_incidents(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Offer the latest incidents, newest first, with kind and container."""
    from hemostat.adapters.redis import names

    found = _read(context, names.read_incidents)
    return _offer(incomplete, ((each.id, f"{each.kind} {each.container}") for each in found))


def complete_incidents_or_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    try:
        incidents = complete_incidents(context, parameter, incomplete)
    except Exception:  # noqa: BLE001 - a file is offered without a bus
        incidents = []
    return incidents or complete_files(context, parameter, incomplete)


def complete_approvals(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Offer the pending approvals, newest first, with action and container."""
    from hemostat.adapters.redis import names

    found = _read(context, names.read_approvals)
    return _offer(incomplete, ((each.id, f"{each.action} {each.container}") for each in found))


def complete_demos(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    from hemostat.demo.scenarios import SCENARIOS

    return _offer(incomplete, [*((each.name, each.breaks) for each in SCENARIOS.values()), ("list", "")])


def complete_changes(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Offer KEY=, and after it the values of a setting that has a fixed set of values."""
    from click.shell_completion import CompletionItem

    from hemostat.config import FIELDS, SECRET_KEYS

    key, equals, _value = incomplete.partition("=")
    if not equals:
        offered = [f"{each}=" for each in FIELDS if each not in SECRET_KEYS]
    elif key in FIELDS:
        offered = [f"{key}={value}" for value in _list_values(FIELDS[key].type)]
    else:
        offered = []
    return [CompletionItem(each) for each in offered if each.startswith(incomplete)]


def complete_engines(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Offer the names in the table [engines]."""
    engines = context.find_root().obj.load_settings().engines
    return _offer(incomplete, ((each, "") for each in sorted(engines)))


def complete_settings(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Offer dotted keys, and the names of tables."""
    from hemostat.config import FIELDS

    tables = dict.fromkeys(key.partition(".")[0] for key in FIELDS)
    return _offer(incomplete, ((each, "") for each in [*tables, *FIELDS]))


def complete_commands(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Offer the commands that print a result. A group is offered with its commands, of two words."""
    from click.shell_completion import CompletionItem

    from hemostat.cli.output.json_shape import list_shapes, walk_commands

    names = [name for name, each in walk_commands(context.find_root()) if list_shapes(each)]
    return [CompletionItem(each) for each in names if each.startswith(incomplete)]


def complete_subcommands(context: click.Context, _: click.Parameter, incomplete: str) -> Items:
    """Offer the second words of the commands whose first word is the value of --command."""
    first = f"{context.params.get('name') or ''} "
    items = complete_commands(context, _, first + incomplete)
    return _offer(incomplete, ((str(each.value).removeprefix(first), "") for each in items))


def complete_files(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_directories(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def _list_values(shape: Any) -> Sequence[str]:
    if shape is bool:
        return ("true", "false")
    return get_args(shape) if get_origin(shape) is Literal else ()


def _read(context: click.Context, read: "Callable[[BriefConnection], list[Name]]") -> list[Name]:
    """What is read from the bus. Raises what the settings or the connection raise."""
    from hemostat.adapters.redis.names import open_connection

    with open_connection(context.find_root().obj.load_settings(), BUS_SECONDS) as connection:
        return read(connection)


def _offer(incomplete: str, candidates: Iterable[tuple[str, str]]) -> Items:
    """The names that begin with the text so far, each once, with help."""
    from click.shell_completion import CompletionItem

    names = dict(_select_safe(incomplete, candidates))
    return [CompletionItem(name, help=text or None) for name, text in [*names.items()][:MAX_OFFERED]]


def _select_safe(incomplete: str, candidates: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, text in candidates:
        if name.startswith(incomplete) and len(name) <= MAX_NAME_CHARACTERS and NAME_PATTERN.fullmatch(name):
            yield name, _shorten_help(text)


def _shorten_help(text: str) -> str:
    """The text on one line. The script for fish ends a help text at a comma."""
    printable = "".join(char if char.isprintable() and char not in ",\\" else " " for char in text)
    return printable[:MAX_HELP_CHARACTERS].strip()
