"""Runs a command and returns its exit code. Every failure prints one line to stderr, with a hint.

This is the only module that turns exceptions into exit codes.
"""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from hemostat import errors, terminal
from hemostat.cli.completion.complete import COMPLETION_VARIABLE, PROGRAM_NAME, answer_shell
from hemostat.cli.options import Globals
from hemostat.cli.output.terminal import fold_line
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
        return _explain(error, options, as_json=options.json or "--json" in arguments)
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


class _Failure(NamedTuple):
    """What is printed of an error, and the exit code."""

    code: int
    message: str
    hint: str = ""


def _explain(error: Exception, options: Globals, *, as_json: bool = False) -> int:
    """Print the error to stderr in one line and return the exit code."""
    failure = _describe_failure(error, options)
    if as_json:
        import json

        fields = {"error": failure.message, "hint": failure.hint, "exit_code": failure.code}
        click.echo(json.dumps(fields), err=True)
    else:
        text = ": ".join(filter(None, (failure.message, failure.hint)))
        click.echo(fold_line(escape_controls(f"hemostat: {text}"), sys.stderr), err=True)
    return failure.code


def _describe_failure(error: Exception, options: Globals) -> _Failure:
    match error:
        case OSError(errno=code) if code in UNWRITABLE_ERRORS:
            terminal.discard_output(sys.stdout)
            return _Failure(errors.FAILURE, f"standard output cannot be written: {error.strerror}")
        case errors.HemoStatError():
            return _Failure(error.exit_code, error.message, error.hint)
        case click.ClickException():
            return _Failure(errors.USAGE, *_describe_usage(error))
    if options.verbosity > 0:
        import traceback

        traceback.print_exc()
    hint = "" if options.verbosity > 0 else "-v shows the traceback"
    return _Failure(errors.BUG, f"bug: {type(error).__name__}: {error}", hint)


def _describe_usage(error: click.ClickException) -> tuple[str, str]:
    """Click's message in HemoStat's style, and a hint."""
    context = getattr(error, "ctx", None)
    near = getattr(error, "possibilities", None)
    text = (error.message if near else error.format_message()).rstrip(".")
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"see {context.command_path if context else PROGRAM_NAME} --help"
    )
    return f"{text[:1].lower()}{text[1:]}", hint
