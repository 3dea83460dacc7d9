"""Answers a shell's request for completions, or prints the script of a shell.

A shell waits for the answer, and shows what is written to stderr in the middle of the command line. So the
answer takes a bounded time, and every error means that nothing is offered.
"""

import faulthandler
import gc
import os
import sys
from typing import Final

import click

PROGRAM_NAME: Final = "hemostat"
COMPLETION_VARIABLE: Final = "_HEMOSTAT_COMPLETE"
MAX_SECONDS: Final = 2.0
"""Seconds after which the process ends, whatever it waits for: a name server, a file of a lost network."""
SCRIPT_SUFFIX: Final = "_source"


def answer_shell(command: click.Command, options: object, instruction: str) -> int:
    """`instruction`: the completion variable, such as bash_complete or bash_source."""
    if instruction.endswith(SCRIPT_SUFFIX):
        return _run_click(command, options, instruction)
    former, collects = sys.stderr, gc.isenabled()
    with open(os.devnull, "w") as nothing:  # noqa: PTH123 - a device
        sys.stderr = nothing
        gc.disable()  # it takes a tenth of the time, and the process ends soon
        faulthandler.dump_traceback_later(MAX_SECONDS, exit=True, file=nothing)
        try:
            return _run_click(command, options, instruction)
        except Exception:  # noqa: BLE001 - nothing is offered
            return 0
        finally:
            faulthandler.cancel_dump_traceback_later()
            sys.stderr = former
            if collects:
                gc.enable()


def build_script(command: click.Command, shell: str) -> str:
    """The completion script of a shell."""
    from click.shell_completion import get_completion_class

    from hemostat.cli.completion.shells import register_shells

    register_shells()
    shell_class = get_completion_class(shell)
    if shell_class is None:
        return ""
    return shell_class(command, {}, PROGRAM_NAME, COMPLETION_VARIABLE).source()


def _run_click(command: click.Command, options: object, instruction: str) -> int:
    from click.shell_completion import shell_complete

    from hemostat.cli.completion.shells import register_shells

    register_shells()
    return shell_complete(command, {"obj": options}, PROGRAM_NAME, COMPLETION_VARIABLE, instruction)
