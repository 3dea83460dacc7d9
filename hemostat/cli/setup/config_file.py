"""Where a command writes a configuration file, and how: private, and never over another without `--force`."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hemostat.cli.completion.complete import PROGRAM_NAME
from hemostat.cli.completion.names import complete_files
from hemostat.cli.options import CONFIG_VARIABLE, Globals
from hemostat.cli.setup.config_text import format_inline
from hemostat.core.redact.address import mask_channel_url
from hemostat.core.setup.proposal import ProposedSetting
from hemostat.errors import ConfigError
from hemostat.output_file import write_output

if TYPE_CHECKING:
    from hemostat.config import Settings


path_option = click.option(
    "--path",
    metavar="FILE",
    shell_complete=complete_files,
    help="Target file. Default: --config, else the user's configuration directory.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite an existing file.")


class SettingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of the new file. `value` is TOML; of a secret it is masked."""

    setting: str
    value: str
    why: str


def describe_settings(settings: Sequence[ProposedSetting]) -> tuple[SettingLine, ...]:
    return tuple(
        SettingLine(setting=each.key, value=format_inline(_mask_value(each)), why=each.why)
        for each in settings
    )


def _mask_value(setting: ProposedSetting) -> object:
    return mask_channel_url(str(setting.value)) if setting.is_secret else setting.value


def add_changes(settings: Sequence[ProposedSetting], options: Globals) -> tuple[ProposedSetting, ...]:
    """The settings with those of --set, which take precedence. Raises ConfigError and UsageError."""
    from hemostat.cli.setup.config import read_changes

    changes = {
        key: ProposedSetting(key, value, "Set by --set.") for key, value in read_changes(options).items()
    }
    return (*(changes.pop(each.key, each) for each in settings), *changes.values())


def load_present_settings(options: Globals) -> "Settings":
    """The settings in effect. The file of --config or HEMOSTAT_CONFIG may be the one to be written."""
    return options.load(must_exist=False).settings


def find_replaced(file: Path) -> tuple[str, ...]:
    """A warning where HemoStat has read another file so far, and will no longer."""
    from hemostat.config import search_path

    paths = search_path()
    later = paths[paths.index(file) + 1 :] if file in paths else []
    return tuple(f"{file} takes precedence over {each}" for each in later if each.is_file())


def find_target(options: Globals, path: str | None) -> Path:
    """The file of --path, else the one that HemoStat will read: of --config, of HEMOSTAT_CONFIG, else the
    user's own."""
    from hemostat.config import search_path

    return Path(path or options.config or os.environ.get(CONFIG_VARIABLE) or search_path()[0])


def make_command(file: Path) -> str:
    """The command with which HemoStat reads the file: without --config where it finds the file by itself."""
    from hemostat.config import search_path

    variable = os.environ.get(CONFIG_VARIABLE)
    is_found = file == Path(variable) if variable else file in search_path()
    return PROGRAM_NAME if is_found else f"{PROGRAM_NAME} --config {shlex.quote(str(file))}"


def refuse_existing(file: Path, *, force: bool) -> None:
    """Raise ConfigError early, before a person has answered questions."""
    if file.is_file() and not force:
        raise ConfigError(f"{file} exists", hint="--force overwrites it, and --path names another file")


def write_config(file: Path, text: str, *, force: bool) -> None:
    """Write the file with mode 0600. Raises ConfigError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_output(file, text.encode(), replace=force)
    except OSError as error:
        hint = "--force overwrites it" if file.is_file() and not force else ""
        raise ConfigError(f"{file} cannot be written: {error.strerror}", hint=hint) from None
