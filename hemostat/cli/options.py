"""Global options, accepted before or after a command's name. Of two that conflict the later applies."""

from typing import TYPE_CHECKING, Any, Final

import click

from hemostat.cli.completion.names import complete_changes, complete_engines, complete_files
from hemostat.errors import UsageError

if TYPE_CHECKING:
    from hemostat.config import Loaded, Settings
    from hemostat.core.settings.environment import UnknownVariable

QUIET_VERBOSITY: Final = -1
CONFIG_VARIABLE: Final = "HEMOSTAT_CONFIG"


class Globals:
    """The values of global options. Commands get it with `click.pass_obj`."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.engine: str | None = None
        """The name of the engine to which commands are limited."""
        self.changes: dict[str, str] = {}
        """Settings by dotted key, as text."""
        self.json = False
        self.verbosity = 0
        """-1 is quiet; higher numbers log more."""
        self.log_format = "auto"
        self.log_file: str | None = None

    def load(self, *, must_exist: bool = True) -> "Loaded":
        """The settings with their origins. Unless `must_exist`, a file that --config or HEMOSTAT_CONFIG names
        may be missing. Raises ConfigError, and UsageError for a secret."""
        import os
        from pathlib import Path

        from hemostat import config

        self.refuse_secrets()
        path, environ = Path(self.config) if self.config else None, dict(os.environ)
        if not must_exist:
            path = path if path and path.exists() else None
            if not Path(environ.get(CONFIG_VARIABLE, "/")).exists():
                del environ[CONFIG_VARIABLE]
        loaded = config.load(path, flags=self.changes, environ=environ)
        _tell_unknown(loaded.unknown)
        return loaded if self.engine is None else loaded.select_engine(self.engine)

    def refuse_secrets(self) -> None:
        """Raise UsageError for a secret in --set."""
        from hemostat import config

        for key, value in self.changes.items():
            if key in config.SECRET_KEYS or _has_password(key, value):
                variable = config.get_variable_name(config.find_setting(key))
                raise UsageError(
                    f"--set {key}: every user of this machine can read a secret on the command line",
                    hint=f"use {variable} or the configuration file",
                )

    def load_settings(self) -> "Settings":
        return self.load().settings

    def start_logging(self) -> None:
        from hemostat.cli.output.logs import configure_logging

        configure_logging(self.verbosity, form=self.log_format, file=self.log_file)

    def build_arguments(self) -> list[str]:
        """The options for a child process, without the log file: two processes that rotate one file
        would lose lines.
        """
        config = [] if self.config is None else ["--config", self.config]
        engine = [] if self.engine is None else ["--engine", self.engine]
        changes = [
            argument for key, value in self.changes.items() for argument in ("--set", f"{key}={value}")
        ]
        form = [] if self.log_format == "auto" else ["--log-format", self.log_format]
        return (
            config
            + engine
            + changes
            + form
            + (["-q"] if self.verbosity == QUIET_VERBOSITY else ["-v"] * self.verbosity)
        )


def add_global_options(command: click.Command) -> click.Command:
    """Let the command and its subcommands accept the global options.

    A command's own option takes precedence.
    """
    used_names = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in OPTIONS if used_names.isdisjoint(option.opts)]
    if isinstance(command, click.Group):
        for child in command.commands.values():
            add_global_options(child)
    return command


def _has_password(key: str, value: str) -> bool:
    from hemostat.config import ENGINES_KEY, URL_KEYS, find_setting
    from hemostat.core.redact.address import has_login

    if value.startswith("ssh://"):  # the engine's: a name without a password
        return ":" in value.removeprefix("ssh://").rpartition("@")[0]
    is_url = key in URL_KEYS or find_setting(key) == ENGINES_KEY
    return has_login(value) or (is_url and "://" not in value and bool({"@", "?", "#"} & set(value)))


def _tell_unknown(unknown: "tuple[UnknownVariable, ...]") -> None:
    """Warn once: the variables are removed from the environment that child processes inherit."""
    import os

    from hemostat.core.settings.environment import describe_unknown
    from hemostat.core.text import escape_controls

    if unknown:
        click.echo(escape_controls(f"hemostat: warning: {describe_unknown(unknown)}"), err=True)
    for each in unknown:
        os.environ.pop(each.name, None)


def _remember_config(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj.config = value


def _remember_engine(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj.engine = value


def _remember_changes(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> None:
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", context, parameter)
        context.obj.changes[key.strip()] = value.strip()


def _remember_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.obj.json = value or context.obj.json


def _remember_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.obj.verbosity = QUIET_VERBOSITY


def _remember_verbose(context: click.Context, _: click.Parameter, count: int) -> None:
    if count:
        context.obj.verbosity = count


def _remember_format(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj.log_format = value


def _remember_file(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj.log_file = value


def _make_option(*names: str, **attributes: Any) -> click.Option:
    return click.Option(names, expose_value=False, **attributes)


OPTIONS: Final = (
    _make_option(
        "--config",
        "-c",
        metavar="FILE",
        callback=_remember_config,
        shell_complete=complete_files,
        help="Path of the configuration file.",
    ),
    _make_option(
        "--engine",
        metavar="NAME",
        callback=_remember_engine,
        shell_complete=complete_engines,
        help="Use this engine of the table [engines].",
    ),
    _make_option(
        "--set",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_remember_changes,
        shell_complete=complete_changes,
        help="Override a setting, such as monitor.cpu=90.",
    ),
    _make_option("--json", is_flag=True, callback=_remember_json, help="Print results as JSON."),
    _make_option(
        "--quiet", "-q", is_flag=True, callback=_remember_quiet, help="Log only warnings and errors."
    ),
    _make_option(
        "--verbose", "-v", count=True, callback=_remember_verbose, help="Log more; show tracebacks."
    ),
    _make_option(
        "--log-format",
        type=click.Choice(("auto", "text", "json")),
        callback=_remember_format,
        help="Format of log lines. auto: text on a terminal, else JSON.",
    ),
    _make_option(
        "--log-file",
        metavar="FILE",
        callback=_remember_file,
        shell_complete=complete_files,
        help="Log to this file, with rotation, instead of stderr.",
    ),
)
