"""`hemostat config init`, `show` and `check`: write, print and validate the configuration."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import hemostat
from hemostat.cli.options import Globals
from hemostat.cli.root import Group
from hemostat.core.text import escape_controls
from hemostat.errors import ConfigError, HemoStatError
from hemostat.output_file import write_output

if TYPE_CHECKING:
    from hemostat.config import Loaded

EXAMPLE_FILE: Final = "hemostat.toml.example"


@click.group(cls=Group)
def config() -> None:
    """Create, show or check the configuration."""


@config.command()
@click.option(
    "--path", metavar="FILE", help="Target file. Default: --config, else the user's configuration directory."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_obj
def init(options: Globals, path: str | None, force: bool) -> None:
    """Create a configuration file with all settings and comments."""
    from hemostat.config import search_path

    file = Path(path or options.config or search_path()[0])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_output(file, read_example().encode(), replace=force)
    except OSError as error:
        hint = "--force overwrites it" if file.is_file() and not force else ""
        raise ConfigError(f"{file} cannot be written: {error.strerror}", hint=hint) from None
    click.echo(json.dumps({"path": str(file)}) if options.json else escape_controls(f"written: {file}"))


@config.command()
@click.option("--origin", is_flag=True, help="Show the origin of each value.")
@click.pass_obj
def show(options: Globals, origin: bool) -> None:
    """Print the settings in effect. Secrets are masked."""
    import tomli_w

    from hemostat.config import mask_settings

    loaded = options.load()
    values = mask_settings(loaded.settings)
    if options.json:
        fields = {key: {"value": values[key], "origin": loaded.origins[key]} for key in values}
        click.echo(json.dumps(fields if origin else nest(values), indent=2))
    elif origin:
        click.echo("\n".join(format_origins(values, loaded.origins)))
    else:
        click.echo(tomli_w.dumps(nest(values)), nl=False)


@config.command()
@click.pass_obj
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
            click.echo(json.dumps({"ok": False, "error": str(error)}))
        raise
    file = str(loaded.path) if loaded.path else None
    if options.json:
        unknown = [each.name for each in loaded.unknown]
        click.echo(json.dumps({"ok": True, "path": file, "unknown": unknown, "warnings": doubts}))
    else:
        for each in doubts:
            click.echo(escape_controls(f"hemostat: warning: {each}"), err=True)
        click.echo(escape_controls(f"ok: {file or 'no configuration file, defaults are in effect'}"))


def _find_doubts(loaded: "Loaded") -> list[str]:
    """Reasons why messages of channels may not arrive. Raises ConfigError for an unusable address."""
    from hemostat.core.notify import webhook

    doubts = []
    for name, channel in loaded.settings.channels.items():
        if wrong := webhook.find_mistake(channel.url):
            raise ConfigError(f"channel {name}: {wrong.message}", hint=wrong.hint)
        if doubt := webhook.find_doubt(channel.url):
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


def read_example() -> str:
    """The commented example: part of the installed package, or beside the package in a source tree."""
    package = Path(hemostat.__file__).parent
    file = next(path for path in (package / EXAMPLE_FILE, package.parent / EXAMPLE_FILE) if path.is_file())
    return file.read_text("utf-8")


def nest(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as tables. Top-level keys come first, as TOML requires."""
    tree: dict[str, Any] = {key: value for key, value in values.items() if "." not in key}
    for key, value in values.items():
        table, dot, name = key.partition(".")
        if dot:
            tree.setdefault(table, {})[name] = value
    return tree


def format_origins(values: dict[str, Any], origins: dict[str, str]) -> list[str]:
    """TOML with dotted keys, each with its origin as a comment."""
    lines = {key: f"{key} = {_format_inline(value)}" for key, value in values.items()}
    width = max(map(len, lines.values()))
    return [escape_controls(f"{text:<{width}}  # {origins[key]}") for key, text in lines.items()]


def _format_inline(value: object) -> str:
    """TOML on one line: the same as JSON, except for tables."""
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(name, ensure_ascii=False)} = {_format_inline(each)}" for name, each in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)
