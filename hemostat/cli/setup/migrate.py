"""`hemostat migrate autoheal`: takes over the settings of a docker-autoheal or deunhealth container."""

import shlex
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

import click
import msgspec

from hemostat.cli.completion.names import complete_containers
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.cli.root import Group
from hemostat.cli.setup.config_file import (
    SettingLine,
    add_changes,
    describe_settings,
    find_replaced,
    find_target,
    force_option,
    load_present_settings,
    make_command,
    path_option,
    refuse_existing,
    write_config,
)
from hemostat.cli.setup.config_text import format_file
from hemostat.cli.setup.init import show_end, show_lines
from hemostat.core.labels.values import Mode, parse_mode
from hemostat.core.setup.autoheal import (
    APPRISE_CHANNEL,
    Migration,
    Translation,
    read_selector,
    recognize_healer,
    translate,
)
from hemostat.core.setup.healers import Healer
from hemostat.core.text import list_names
from hemostat.errors import UsageError

if TYPE_CHECKING:
    from hemostat.config import Settings
    from hemostat.core.model import ContainerInfo
    from hemostat.ports import Engine

INTRODUCTION: Final = (
    "Configuration of HemoStat, translated by hemostat migrate autoheal from the settings of {}. All other "
    "settings have their defaults: hemostat config show prints them."
)
REMOVE_SERVICE_TEXT: Final = (
    "remove its service from the compose file: docker compose up would start it again"
)
CONTAINER_HINT: Final = "name it with --container, or write a configuration with hemostat init"


class MigrationResult(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is the container whose settings were read. `path` is the file, empty with --dry-run."""

    source: str
    program: str
    path: str
    table: tuple[Translation, ...]
    settings: tuple[SettingLine, ...]
    warnings: tuple[str, ...]
    next_steps: tuple[str, ...]


class Source(NamedTuple):
    """The container whose settings are translated."""

    info: "ContainerInfo"
    healer: Healer
    environment: dict[str, str]


@click.group(cls=Group)
def migrate() -> None:
    """Take over the settings of another program."""


@migrate.command()
@click.option(
    "--container",
    metavar="NAME",
    shell_complete=complete_containers,
    help="The container to read, if there are several or its image has another name.",
)
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    default="auto",
    show_default=True,
    help="auto acts as the other program does; dry-run only reports.",
)
@click.option("--dry-run", is_flag=True, help="Show the translation; write no file.")
@path_option
@force_option
@click.pass_obj
@prints_json(JsonShape("cli.setup.migrate:MigrationResult"))
def autoheal(
    options: Globals, container: str | None, mode: str, dry_run: bool, path: str | None, force: bool
) -> None:
    """Write a configuration that does what the running docker-autoheal (willfarrell/autoheal) or deunhealth
    (qmcgaw/deunhealth) does, and show how each of its settings was translated.

    Nothing is stopped or started.
    """
    file = find_target(options, path)
    if not dry_run:
        refuse_existing(file, force=force)
    source, migration = _read_migration(load_present_settings(options), container, parse_mode(mode))
    settings = add_changes(migration.settings, options)
    if not dry_run:
        introduction = INTRODUCTION.format(f"the container {source.info.ref.name}")
        write_config(file, format_file(introduction, settings), force=force)
    result = MigrationResult(
        source=source.info.ref.name,
        program=str(source.healer),
        path="" if dry_run else str(file),
        table=migration.table,
        settings=describe_settings(settings),
        warnings=(*(() if dry_run else find_replaced(file)), *_find_warnings(source)),
        next_steps=() if dry_run else _list_next_steps(source, migration, make_command(file)),
    )
    if options.json:
        write_json(result)
        return
    _show_translations(result)
    if not dry_run:
        show_lines(["", f"written, with an explanation of each setting: {result.path}"])
    show_end(result.warnings, result.next_steps)


def _read_migration(settings: "Settings", name: str | None, mode: Mode) -> tuple[Source, Migration]:
    """Raises EngineError, and UsageError where there is nothing to translate."""
    from hemostat import app

    with closing(app.open_engine(settings)) as engine:
        source = _find_source(engine, name)
    try:
        selector = read_selector(source.healer, source.environment)
        with closing(app.open_engine(settings, label=selector)) as engine:
            containers = [info for info in engine.inspect_everything() if info.is_running]
        return source, translate(source.healer, source.environment, containers, mode)
    except ValueError as error:
        raise UsageError(f"container {source.info.ref.name}: {error}") from None


def _find_source(engine: "Engine", name: str | None) -> Source:
    if name is not None:
        info = engine.inspect(name)
        environment = engine.read_details(info.ref.id).environment
        healer = recognize_healer(info.ref.image, environment)
        if healer is None:
            raise UsageError(
                f"container {name} is neither docker-autoheal nor deunhealth", hint=CONTAINER_HINT
            )
        return Source(info, healer, environment)
    infos = [
        info
        for info in engine.inspect_everything()
        if info.is_running and recognize_healer(info.ref.image, {})
    ]
    if len(infos) != 1:
        names = list_names(info.ref.name for info in infos)
        message = (
            f"several containers run docker-autoheal or deunhealth: {names}" if infos else NOT_RUNNING_TEXT
        )
        raise UsageError(message, hint=CONTAINER_HINT)
    return _find_source(engine, infos[0].ref.id)


NOT_RUNNING_TEXT: Final = "no running container has an image of docker-autoheal or deunhealth"


def _find_warnings(source: Source) -> tuple[str, ...]:
    if not source.info.is_running:
        return ()
    name = source.info.ref.name
    return (f"{name} still runs: two programs that restart one container undo each other's work",)


def _list_next_steps(source: Source, migration: Migration, command: str) -> tuple[str, ...]:
    name = shlex.quote(source.info.ref.name)
    install = "pip install 'hemostat[apprise]' for the notifications"
    needs_apprise = any(f".{APPRISE_CHANNEL}." in each.key for each in migration.settings)
    stop = f"docker stop {name}"
    if source.info.restart_policy == "always":  # the engine would start it again when it starts itself
        stop = f"docker update --restart=no {name} && {stop}"
    return (
        *((install,) if needs_apprise else ()),
        f"{command} all --dry-run shows what HemoStat would do, beside {source.healer}",
        *((f"{stop} ends {source.healer}; docker start {name} is the way back",) * source.info.is_running),
        *((REMOVE_SERVICE_TEXT,) * bool(source.info.ref.project)),
        f"{command} all starts HemoStat; {command} tui opens the dashboard",
    )


def _show_translations(result: MigrationResult) -> None:
    rows = [Row((each.old, each.new if each.equivalent else f"! {each.new}")) for each in result.table]
    show_table(Table(f"Settings of {result.source}", (result.program, "HemoStat"), rows))
    if not all(each.equivalent for each in result.table):
        show_lines(["! HemoStat does not do the same"])
