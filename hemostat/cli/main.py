"""Runs a command and returns its exit code. Every failure prints one line to stderr, with a hint.

This is the only module that turns exceptions into exit codes.
"""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from hemostat import errors, terminal
from hemostat.cli.completion.complete import COMPLETION_VARIABLE, PROGRAM_NAME, answer_shell
from hemostat.cli.options import Globals
from hemostat.cli.root import hemostat
from hemostat.core.text import escape_controls

UNWRITABLE_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF})
"""Errors of a full disk, a lost terminal and a closed descriptor."""
PIPE_CLOSED_CODE: Final = 141
"""A shell's exit code for a program ended by SIGPIPE, as by `| head`."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code."""
    try:
        return _run(arguments)
    finally:
        terminal.flush(sys.stderr)


def _run(arguments: Sequence[str]) -> int:
    options = Globals()
    try:
        terminal.prepare_streams()
        code = _invoke(list(arguments), options)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return errors.INTERRUPTED
    except BrokenPipeError:
        terminal.discard_output(sys.stdout)
        return PIPE_CLOSED_CODE
    except Exception as error:  # noqa: BLE001 - the last resort, and it is reported
        return _explain(error, options)
    return code


def _invoke(arguments: list[str], options: Globals) -> int:
    if COMPLETION_VARIABLE in os.environ:
        return answer_shell(hemostat, options, os.environ[COMPLETION_VARIABLE])
    try:
        with hemostat.make_context(PROGRAM_NAME, arguments, obj=options) as context:
            return hemostat.invoke(context) or errors.OK
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as nothing:
        click.echo(nothing.format_message())
        return errors.OK


def _explain(error: Exception, options: Globals) -> int:
    match error:
        case OSError(errno=code) if code in UNWRITABLE_ERRORS:
            terminal.discard_output(sys.stdout)
            _print_error(f"standard output cannot be written: {error.strerror}")
            return errors.FAILURE
        case errors.HemoStatError():
            _print_error(str(error))
            return error.exit_code
        case click.ClickException():
            _print_error(_format_usage(error))
            return errors.USAGE
    if options.verbosity > 0:
        import traceback

        traceback.print_exc()
    _print_error(
        f"bug: {type(error).__name__}: {error}"
        + ("" if options.verbosity > 0 else ": -v shows the traceback")
    )
    return errors.BUG


def _format_usage(error: click.ClickException) -> str:
    """Click's message in HemoStat's style, with a hint."""
    context = getattr(error, "ctx", None)
    near = getattr(error, "possibilities", None)
    text = (error.message if near else error.format_message()).rstrip(".")
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"see {context.command_path if context else PROGRAM_NAME} --help"
    )
    return f"{text[:1].lower()}{text[1:]}: {hint}"


def _print_error(text: str) -> None:
    click.echo(escape_controls(f"hemostat: {text}"), err=True)
