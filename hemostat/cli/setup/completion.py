"""`hemostat completion`: prints the script that lets a shell complete commands, options and names."""

import click
import msgspec

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json


class CompletionScript(msgspec.Struct, frozen=True, kw_only=True):
    shell: str
    script: str


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
@prints_json(JsonShape("cli.setup.completion:CompletionScript"))
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script of SHELL. For this shell only: source <(hemostat completion bash).

    It completes commands, options, settings and demos, and the containers, incidents and pending approvals of
    the running roles.
    """
    from hemostat.cli.completion.complete import build_script

    options: Globals = context.obj
    script = build_script(context.find_root().command, shell)
    if options.json:
        write_json(CompletionScript(shell=shell, script=script))
    else:
        click.echo(script.encode(), nl=False)
    return errors.OK
