"""How a command ends: its exit code, and for every failure one line on stderr that says what to do.

This is the only place that turns exceptions into exit codes.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.root import hemostat
from hemostat.core.text import clean

NAME: Final = "hemostat"
COMPLETION: Final = "_HEMOSTAT_COMPLETE"
PIPE_CLOSED: Final = 141
"""What a shell reports for a program ended by SIGPIPE, as `| head` does to others."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    given = Globals()
    try:
        _be_lenient()
        code = _invoke(list(arguments), given)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return errors.INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - the last resort, and it is told
        return _explain(error, given)
    return code


def _be_lenient() -> None:
    """A terminal that cannot show a character gets a question mark, not a failure."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _invoke(arguments: list[str], given: Globals) -> int:
    if COMPLETION in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(hemostat, {"obj": given}, NAME, COMPLETION, os.environ[COMPLETION])
    try:
        with hemostat.make_context(NAME, arguments, obj=given) as context:
            return hemostat.invoke(context) or errors.OK
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as nothing:
        click.echo(nothing.format_message())
        return errors.OK


def _explain(error: Exception, given: Globals) -> int:
    match error:
        case errors.HemoStatError():
            _say(str(error))
            return error.exit_code
        case click.ClickException():
            _say(_usage(error))
            return errors.USAGE
    if given.verbosity > 0:
        import traceback

        traceback.print_exc()
    _say(
        f"bug: {type(error).__name__}: {error}" + ("" if given.verbosity > 0 else ": -v shows the traceback")
    )
    return errors.BUG


def _usage(error: click.ClickException) -> str:
    """Click's sentence in the style of our own, and where to look."""
    context = getattr(error, "ctx", None)
    near = getattr(error, "possibilities", None)
    text = (error.message if near else error.format_message()).rstrip(".")
    hint = f"did you mean {near[0]}?" if near else f"see {context.command_path if context else NAME} --help"
    return f"{text[:1].lower()}{text[1:]}: {hint}"


def _say(text: str) -> None:
    click.echo(clean(f"hemostat: {text}"), err=True)


def _abandon_stdout() -> None:
    """Nobody reads any more: what is still buffered must not fail when Python flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
