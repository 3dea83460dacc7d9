"""`hemostat init`: proposes a configuration for the engine's containers, asks, and writes the answers."""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeVar, get_args

import click
import msgspec

from hemostat.cli.completion.names import complete_containers
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import fold_line, write_json
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
from hemostat.core.labels.values import Mode, parse_mode
from hemostat.core.notify.service import find_doubt, find_mistake
from hemostat.core.setup.healers import AUTOHEAL_SELECTOR
from hemostat.core.setup.inventory import Inventory, take_inventory
from hemostat.core.setup.proposal import (
    COMPOSE_SELECTOR,
    MODE_REASONS,
    NO_WORD,
    Choices,
    build_settings,
    find_warnings,
    format_selector,
    parse_patterns,
    parse_selector,
    propose_choices,
)
from hemostat.core.text import escape_controls, is_container_name, list_names
from hemostat.errors import UsageError
from hemostat.terminal import can_ask

if TYPE_CHECKING:
    from hemostat.config import Settings

T = TypeVar("T")
INTRODUCTION: Final = (
    "Configuration of HemoStat, written by hemostat init. All other settings have their defaults: "
    "hemostat config show prints them, hemostat config init --path FILE writes a file that explains them."
)


class InitResult(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is the file that was written. `next_steps` are what to do now."""

    path: str
    inventory: Inventory
    settings: tuple[SettingLine, ...]
    warnings: tuple[str, ...]
    next_steps: tuple[str, ...]


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Take the proposal without questions.")
@click.option("--only", metavar="LABEL", help="Watch these containers: all, compose, KEY or KEY=VALUE.")
@click.option("--mode", type=click.Choice(get_args(Mode)), help="What HemoStat may do. Default: dry-run.")
@click.option(
    "--notify", metavar="URL", help="Send notifications there. - reads the URL from standard input."
)
@click.option(
    "--protect",
    metavar="NAMES",
    shell_complete=complete_containers,
    help="Never act on these containers: db,postgres*, or none.",
)
@path_option
@force_option
@click.pass_obj
@prints_json(JsonShape("cli.setup.init:InitResult"))
def init(
    options: Globals,
    yes: bool,
    only: str | None,
    mode: str | None,
    notify: str | None,
    protect: str | None,
    path: str | None,
    force: bool,
) -> None:
    """Look at the containers of the engine, ask four questions, and write a configuration for them.

    An option answers its question. Until the mode is changed, HemoStat only reports what it would do.
    """
    file = find_target(options, path)
    refuse_existing(file, force=force)
    if not yes and (options.json or not can_ask()):
        raise UsageError("no file was written: no terminal for the questions", hint="add --yes")
    chosen = _parse_options(only, mode, notify, protect)
    inventory = read_inventory(load_present_settings(options))
    proposal = msgspec.structs.replace(propose_choices(inventory), **chosen)
    if not yes:
        show_lines(describe_inventory(inventory))
    choices = proposal if yes else ask(proposal, inventory, chosen)
    settings = add_changes(build_settings(inventory, choices), options)
    write_config(file, format_file(INTRODUCTION, settings), force=force)
    result = InitResult(
        path=str(file),
        inventory=inventory,
        settings=describe_settings(settings),
        warnings=(
            *find_replaced(file),
            *find_warnings(inventory, choices),
            *_find_channel_doubts(choices.notify),
        ),
        next_steps=list_next_steps(make_command(file), choices.mode, notifies=bool(choices.notify)),
    )
    if options.json:
        write_json(result)
        return
    if yes:
        show_lines(describe_inventory(inventory))
    show_lines(["", f"written: {result.path}"])
    show_settings(result.settings)
    show_end(result.warnings, result.next_steps)


def _parse_options(
    only: str | None, mode: str | None, notify: str | None, protect: str | None
) -> dict[str, object]:
    """The choices that options make. Raises UsageError."""
    if notify == "-":
        notify = sys.stdin.readline()
    parsers: dict[str, tuple[str | None, Callable[[str], object]]] = {
        "only": (only, parse_selector),
        "mode": (mode, parse_mode),
        "notify": (notify, parse_channel_url),
        "protect": (protect, parse_patterns),
    }
    try:
        return {name: parse(text) for name, (text, parse) in parsers.items() if text is not None}
    except ValueError as error:
        raise UsageError(str(error)) from None


def parse_channel_url(text: str) -> str:
    """Return the URL of a channel, empty for `none`. Raises ValueError without the URL, which is a secret."""
    url = text.strip()
    if url.lower() in {"", NO_WORD}:
        return ""
    if wrong := find_mistake(url):
        raise ValueError(f"{wrong.message}: {wrong.hint}")
    if not url.isprintable():
        raise ValueError("its URL contains a control character")
    return url


def _find_channel_doubts(url: str) -> tuple[str, ...]:
    doubt = find_doubt(url)
    return () if doubt is None else (f"notifications: {doubt.message}: {doubt.hint}",)


def read_inventory(settings: "Settings") -> Inventory:
    from hemostat import app

    with closing(app.open_engine(settings)) as engine:
        return take_inventory(engine.inspect_everything())


def describe_inventory(inventory: Inventory) -> list[str]:
    """What the engine has, one fact a line."""
    count = f"{inventory.running} of {inventory.containers} containers are running"
    checks = f"{inventory.with_health_check} with a health check"
    lines = [f"{count}: {checks}, {inventory.restarted_by_engine} with a restart policy"]
    if inventory.projects:
        lines.append(f"Compose projects: {list_names(inventory.projects)}")
    if inventory.databases:
        lines.append(f"databases: {list_names(inventory.databases)}")
    if inventory.with_autoheal_label:
        lines.append(f"containers with the label {AUTOHEAL_SELECTOR}: {inventory.with_autoheal_label}")
    if inventory.healers:
        names = list_names(f"{each.program} ({each.container})" for each in inventory.healers)
        lines.append(f"other programs that act on containers: {names}")
    return lines


def ask(proposal: Choices, inventory: Inventory, chosen: dict[str, object]) -> Choices:
    """Ask for each choice that no option has made, with the proposal as default. Raises click.Abort."""
    project = next(filter(is_container_name, inventory.projects), "")
    example = f"{COMPOSE_SELECTOR}={project}" if project else "team=web"
    questions: dict[str, tuple[str, list[str], str, Callable[[str], object]]] = {
        "only": (
            "Which containers?",
            [f"all, compose (those of Compose projects), or a label, such as {example}"],
            format_selector(proposal.only),
            parse_selector,
        ),
        "mode": ("What may HemoStat do?", describe_modes(), proposal.mode, parse_mode),
        "notify": (
            "Where to send notifications?",
            ["a webhook (of Slack, Discord, Teams, Telegram, ntfy …), a URL of Apprise, or none"],
            NO_WORD,
            parse_channel_url,
        ),
        "protect": (
            "Which containers must HemoStat never touch?",
            ["names with commas, * and ? match, or none"],
            ",".join(proposal.protect) or NO_WORD,
            parse_patterns,
        ),
    }
    answers = {name: _ask_one(*each) for name, each in questions.items() if name not in chosen}
    return msgspec.structs.replace(proposal, **answers)


def describe_modes() -> list[str]:
    return [f"{mode}: {text}" for mode, text in MODE_REASONS.items()]


def _ask_one(title: str, explanations: Sequence[str], default: str, parse: Callable[[str], T]) -> T:
    def convert(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise click.UsageError(escape_controls(str(error))) from None

    show_lines(["", title, *(f"  {each}" for each in explanations)], err=True)
    answer: T = click.prompt(" ", default=default, value_proc=convert, prompt_suffix="> ", err=True)
    return answer


def list_next_steps(command: str, mode: str, *, notifies: bool) -> tuple[str, ...]:
    steps = [f"{command} doctor checks this machine"]
    if notifies:
        steps.append(f"{command} alert --test sends a test notification")
    if mode == "dry-run":
        steps.append(f"{command} all reports what it would do")
        steps.append(f"{command} report says after some days how the failures ended without it")
        steps.append('to let HemoStat act, set mode = "auto" in the file, and start it again')
    else:
        steps.append(f"{command} all starts HemoStat; {command} tui opens the dashboard")
    return tuple(steps)


def show_settings(settings: Sequence[SettingLine]) -> None:
    for line in settings:
        show_lines([f"  {line.setting} = {line.value}", f"      {line.why}"])


def show_end(warnings: Sequence[str], next_steps: Sequence[str]) -> None:
    if warnings:
        show_lines(["", *(f"warning: {each}" for each in warnings)])
    if next_steps:
        show_lines(["", "next:", *(f"  {step}" for step in next_steps)])


def show_lines(lines: Sequence[str], *, err: bool = False) -> None:
    """Print the lines, escaped. A line that is too long continues below its beginning."""
    stream = sys.stderr if err else sys.stdout
    for line in lines:
        indent = len(line) - len(line.lstrip()) + 2
        click.echo(fold_line(escape_controls(line), stream, indent=indent), err=err)
