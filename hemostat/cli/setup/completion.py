"""`hemostat completion`: prints or installs the script for completion in a shell."""

import os
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.errors import ConfigError


class CompletionScript(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: the file that was written, empty without --install."""

    shell: str
    script: str
    path: str = ""


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.option("--install", is_flag=True, help="Write the script where SHELL finds it, for this user.")
@click.pass_context
@prints_json(JsonShape("cli.setup.completion:CompletionScript"))
def completion(context: click.Context, shell: str, install: bool) -> int:
    """Print the completion script of SHELL. For this shell only: source <(hemostat completion bash).

    It completes commands, options, settings and demos, and the containers, incidents and pending approvals of
    the running roles.
    """
    from hemostat.cli.completion.complete import build_script

    options: Globals = context.obj
    script = build_script(context.find_root().command, shell)
    path = find_script_path(shell, os.environ, Path.home()) if install else None
    if path is not None:
        _write_script(path, script)
    if options.json:
        write_json(CompletionScript(shell=shell, script=script, path=str(path or "")))
    elif path is None:
        click.echo(script.encode(), nl=False)
    else:
        click.echo(f"wrote {path}; new shells complete hemostat")
        if shell == "zsh":
            click.echo(f"if zsh does not, add to ~/.zshrc above compinit: fpath+=({path.parent})")
    return errors.OK


def find_script_path(shell: str, environ: Mapping[str, str], home: Path) -> Path:
    """The file in which the shell looks for the script: of bash-completion, of fish, and for zsh a directory
    that its configuration must name."""
    data = _read_directory(environ, "XDG_DATA_HOME") or home / ".local" / "share"
    if shell == "bash":
        folder = _read_directory(environ, "BASH_COMPLETION_USER_DIR") or data / "bash-completion"
        return folder / "completions" / "hemostat"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_hemostat"
    config = _read_directory(environ, "XDG_CONFIG_HOME") or home / ".config"
    return config / "fish" / "completions" / "hemostat.fish"


def _read_directory(environ: Mapping[str, str], name: str) -> Path | None:
    """The directory that a variable names. A relative path does not count, as the XDG specification says."""
    path = Path(environ.get(name, ""))
    return path if path.is_absolute() else None


def _write_script(path: Path, script: str) -> None:
    """Write the script, also over an earlier one. Raises ConfigError."""
    from hemostat.output_file import write_output

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, script.encode(), replace=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
