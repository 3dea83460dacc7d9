"""A process that is forked from the supervisor, with the modules that it has imported.

Fork, not exec: the roles share the memory of the modules, and a role is up again as soon as its process
exists. The supervisor has no threads, because a fork copies only the calling thread, and the locks of the
others as they are.
"""

import atexit
import ctypes
import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from hemostat.errors import BUG, OK, HemoStatError

PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15
FIRST_DESCRIPTOR: Final = 3
"""The first descriptor after the standard streams."""
HANDLED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
MAX_DESCRIPTORS: Final = os.sysconf("SC_OPEN_MAX")


class ChildProcess:
    """A forked process. `output` is the readable end of a pipe to which it writes its standard output and
    error."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self.output = output
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, the negative number of the signal that ended the process, or None while it
        runs."""
        return self._wait(os.WNOHANG)

    def wait(self) -> None:
        self._wait(0)

    def send_signal(self, number: int) -> None:
        # A process that has not been waited for keeps its id.
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code


def fork(name: str, run: Callable[[], int], keep: int) -> ChildProcess:
    """Call `run` in a new process, which ends with the code that it returns. `ps -e` and `top` show `name`,
    up to 15 characters. Of the descriptors the process keeps `keep` and the standard streams."""
    read_end, write_end = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else both processes write what is buffered
    # A signal that arrives before the child has its own handlers is delivered after that.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_SIGNALS)
    try:
        pid = os.fork()
        if not pid:
            _run_child(name, run, write_end, keep)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(write_end)
    return ChildProcess(pid, read_end)


def call_in_child(work: Callable[[], None]) -> None:
    """Call `work` in a forked process: what it imports and starts does not stay in this one. Raises the
    exception that `work` raises, and HemoStatError if the process is killed."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(_catch_exception(work))
        finally:
            os._exit(OK)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not answer:
        raise HemoStatError(f"the check of the settings {describe_exit(code)}")
    if (failure := pickle.loads(answer)) is not None:  # noqa: S301 - of the process that was forked here
        raise failure


def _catch_exception(work: Callable[[], None]) -> bytes:
    """Return the pickled exception of `work`, with its traceback as a note, or the pickled None."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - raised in the process that waits
        error.add_note(traceback.format_exc())
        try:
            return pickle.dumps(error)
        except Exception:  # noqa: BLE001 - of a vendor, with an attribute that cannot be sent
            return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return pickle.dumps(None)


def _run_child(name: str, run: Callable[[], int], output: int, keep: int) -> NoReturn:
    """Never return into the supervisor's code: its `finally` would stop the other roles."""
    code = BUG
    try:
        _leave_supervisor(name, output, keep)
        code = run()
    except BaseException:  # noqa: BLE001 - the last resort, and it is reported
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            # In the order of the interpreter, and of multiprocessing: the threads, then what is registered.
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
            atexit._run_exitfuncs()  # noqa: SLF001
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
        finally:
            os._exit(code)


def _leave_supervisor(name: str, output: int, keep: int) -> None:
    # A session of its own: Ctrl-C in a terminal is for the supervisor, which stops its children.
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # Closed by themselves first: dropped later, they would close a descriptor that has another use by then.
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)
        handler.close()
    null = os.open(os.devnull, os.O_RDWR)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    # New streams: the old ones remember that they are files or a terminal.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=sys.stdout.encoding, closefd=False)
    sys.stderr = os.fdopen(
        2, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace", closefd=False
    )
    os.closerange(FIRST_DESCRIPTOR, keep)
    os.closerange(keep + 1, MAX_DESCRIPTORS)
    call_prctl(PR_SET_NAME, name.encode())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED_SIGNALS)


def call_prctl(option: int, value: int | bytes) -> None:
    """Call prctl(2) where the system has it."""
    if hasattr(library := ctypes.CDLL(None), "prctl"):
        library.prctl(option, value)


def die_with_parent(parent: int) -> None:
    """Called by a child: exit when the process `parent` exits, even by SIGKILL, so that no role outlives its
    supervisor and runs beside its successor."""
    call_prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was terminated by {signal.Signals(-code).name}"
    except ValueError:
        return f"was terminated by signal {-code}"
