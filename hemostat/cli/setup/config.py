"""`hemostat config init`, `show` and `check`: write, print and validate the configuration."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hemostat.cli.completion.names import complete_settings
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.cli.root import Group
from hemostat.cli.setup.config_file import find_target, force_option, path_option, write_config
from hemostat.cli.setup.config_text import activate_settings, format_origins, nest, read_example
from hemostat.core.text import escape_controls
from hemostat.errors import ConfigError, HemoStatError, UsageError

if TYPE_CHECKING:
    from hemostat.config import Loaded


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was written."""

    path: str


class ConfigCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`error` is why the settings are invalid; the other fields are missing then. `path` is null without a
    file. `unknown` are variables of the environment that name no setting."""

    ok: bool
    error: str = ""
    path: str | msgspec.UnsetType | None = msgspec.UNSET
    unknown: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class SettingOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A setting, and where its value comes from: default, file, environment or flag."""

    value: Any
    origin: str


@click.group(cls=Group)
def config() -> None:
    """Create, show or check the configuration."""


@config.command()
@path_option
@force_option
@click.pass_obj
@prints_json(JsonShape("cli.setup.config:ConfigFile"))
def init(options: Globals, path: str | None, force: bool) -> None:
    """Create a configuration file with all settings and comments. Only settings of --set are in effect; all
    others are commented out, with their defaults.

    `hemostat init` writes a short file for the containers of this engine.
    """
    text = activate_settings(read_example(), read_changes(options))
    file = find_target(options, path)
    write_config(file, text, force=force)
    if options.json:
        write_json(ConfigFile(path=str(file)))
    else:
        click.echo(escape_controls(f"written: {file}"))


def read_changes(options: Globals) -> dict[str, object]:
    """The settings of --set as a file has them. Durations and sizes keep their units."""
    from operator import attrgetter

    import msgspec

    from hemostat.config import find_setting, load

    options.refuse_secrets()
    settings = load(flags=options.changes, environ={}, search=()).settings
    values = {key: attrgetter(key)(settings) for key in map(find_setting, options.changes)}
    return {
        key: _restore_unit(options.changes.get(key, ""), msgspec.to_builtins(value))
        for key, value in values.items()
    }


def _restore_unit(text: str, value: object) -> object:
    """The text if it has a unit, else the value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        float(text)
    except ValueError:
        return text
    return value


@config.command()
@click.argument("names", nargs=-1, metavar="[SETTING|TABLE]...", shell_complete=complete_settings)
@click.option("--origin", is_flag=True, help="Group the settings by the origin of their values.")
@click.pass_obj
@prints_json(
    JsonShape("config:Settings"),
    JsonShape("cli.setup.config:SettingOrigin", "values", when="--origin"),
)
def show(options: Globals, names: tuple[str, ...], origin: bool) -> None:
    """Print the settings in effect, such as monitor.cpu or all of monitor. Secrets are masked.

    With --origin, a later group takes precedence: default, file, environment, flag.
    """
    import tomli_w

    from hemostat.config import mask_settings

    loaded = options.load()
    values = _select_settings(mask_settings(loaded.settings), names)
    if options.json:
        fields = {key: {"value": values[key], "origin": loaded.origins[key]} for key in values}
        click.echo(json.dumps(fields if origin else nest(values), indent=2))
    elif origin:
        click.echo("\n".join(format_origins(values, loaded.origins)))
    else:
        click.echo(tomli_w.dumps(nest(values)), nl=False)


def _select_settings(values: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    """The named settings and those of the named tables; all without names. Raises UsageError."""
    from hemostat.config import LIST_HINT
    from hemostat.core.settings.environment import suggest_nearest

    tables = {key.partition(".")[0] for key in values}
    for name in names:
        if name not in values and name not in tables:
            hint = suggest_nearest(name, [*values, *tables]) or LIST_HINT
            raise UsageError(f"no setting is named {name!r}", hint=hint)
    return {key: values[key] for key in values if not names or {key, key.partition(".")[0]} & set(names)}


@config.command()
@click.pass_obj
@prints_json(JsonShape("cli.setup.config:ConfigCheck"))
def check(options: Globals) -> None:
    """Check that the settings are valid."""
    try:
        loaded = options.load()
        for secret in ("redis_password", "api_key", "store_url", "channels", "heartbeat_url"):
            getattr(loaded.settings, secret)
        _refuse_mistyped(loaded)
        doubts = _find_doubts(loaded)
    except HemoStatError as error:
        if options.json:
            write_json(ConfigCheck(ok=False, error=str(error)))
        raise
    file = str(loaded.path) if loaded.path else None
    if options.json:
        unknown = tuple(each.name for each in loaded.unknown)
        write_json(ConfigCheck(ok=True, path=file, unknown=unknown, warnings=tuple(doubts)))
    else:
        for each in doubts:
            click.echo(escape_controls(f"hemostat: warning: {each}"), err=True)
        click.echo(escape_controls(f"ok: {file or 'no configuration file, defaults are in effect'}"))


def _find_doubts(loaded: "Loaded") -> list[str]:
    """Reasons why messages of channels may not arrive. Raises ConfigError for an unusable address."""
    from hemostat.core.notify import service

    doubts = []
    for name, channel in loaded.settings.channels.items():
        if wrong := service.find_mistake(channel.url):
            raise ConfigError(f"channel {name}: {wrong.message}", hint=wrong.hint)
        if doubt := service.find_doubt(channel.url):
            doubts.append(f"channel {name}: {doubt.message}: {doubt.hint}")
    return doubts


def _refuse_mistyped(loaded: "Loaded") -> None:
    """Raise ConfigError for mistyped names of settings in the environment.

    Other commands warn and ignore them.
    """
    if slips := [each for each in loaded.unknown if each.mistyped]:
        raise ConfigError(
            f"unknown setting: {', '.join(map(str, slips))}", hint="correct the name, or unset the variable"
        )
