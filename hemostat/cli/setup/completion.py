"""`hemostat completion`: prints the script that lets a shell complete commands, options and names."""

import click


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script of SHELL. For this shell only: source <(hemostat completion bash).

    It completes commands, options, settings and demos, and the containers, incidents and pending approvals of
    the running roles.
    """
    from hemostat.cli.completion.complete import print_script

    return print_script(context.find_root().command, shell)
