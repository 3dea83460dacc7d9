"""Forwards an engine's socket from another host, by a process `ssh` with the user's own configuration.

Each process that opens an engine has a tunnel of its own, which ends with the process. The tunnel is started
again at its next use after ssh has ended.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from time import monotonic
from typing import Final

from hemostat.adapters.docker_engine.ssh_failures import CHECK_SCRIPT, explain_end, explain_socket_check
from hemostat.background import run_in_background
from hemostat.core.backoff import compute_backoff
from hemostat.core.settings.ssh_address import SOCKET_PATTERN, SshAddress
from hemostat.errors import EngineUnreachableError
from hemostat.private_files import check_directory

OPTIONS: Final = {
    "BatchMode": "yes",  # no question on a terminal
    "ConnectTimeout": "10",
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
    "ControlMaster": "no",  # a shared connection would outlive this one, or end it
    "ControlPath": "none",
    "ForwardAgent": "no",  # HemoStat logs in day and night: no host may use the agent meanwhile
    "ForwardX11": "no",
    "StreamLocalBindMask": "0177",
    "ExitOnForwardFailure": "no",  # other forwardings of the user's configuration may be in use elsewhere
    "LogLevel": "INFO",
}
DEATH_SIGNAL_SCRIPT: Final = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 15)
except Exception: pass
if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])
"""
"""Executes a command that gets SIGTERM when the thread that started it ends (PR_SET_PDEATHSIG), where the
system has that."""
START_SECONDS: Final = 30.0
"""Seconds for the connection, the login and the forwarding."""
CHECK_SECONDS: Final = 15.0
"""Seconds for a check of the socket at the other host."""
CHECK_PAUSE_SECONDS: Final = 30.0
"""Seconds for which the result of a check of the remote socket is used."""
STEADY_SECONDS: Final = 30.0
"""Seconds that a tunnel must have lived for its end to count as the first again."""
FIRST_DELAY_SECONDS: Final = 0.5
MAX_DELAY_SECONDS: Final = 5.0
MAX_REFUSED_DELAY_SECONDS: Final = 60.0
"""Maximum seconds between two starts. Hosts lock out users whose logins fail too often."""
POLL_SECONDS: Final = 0.02
END_SECONDS: Final = 1.0
MAX_LINES: Final = 20
MAX_LINE_BYTES: Final = 1000
MAX_DIRECTORY_CHARACTERS: Final = 60
"""Of the directory of the socket. The kernel allows 107 bytes for the path."""


class SshProcess:
    """A running `ssh`, and the last lines of its stderr."""

    def __init__(self, command: Sequence[str]) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._is_read = threading.Event()
        started: Future[subprocess.Popen[bytes]] = Future()
        run_in_background(lambda: self._run(command, started), "ssh-tunnel")
        self._process = started.result()

    def _run(self, command: Sequence[str], started: "Future[subprocess.Popen[bytes]]") -> None:
        """In a thread of its own: ssh ends with the thread that started it, and must not wait for a reader
        of its stderr."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(process)
        if (pipe := process.stderr) is not None:
            with pipe:
                for line in iter(lambda: pipe.readline(MAX_LINE_BYTES), b""):
                    self._lines.append(line.decode(errors="replace").rstrip())
        self._is_read.set()
        process.wait()

    def has_ended(self, seconds: float = 0.0) -> bool:
        """Whether it ends within this time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def read_lines(self) -> list[str]:
        """The last lines, after the end. A process that ssh has started may still hold its stderr."""
        self._is_read.wait(END_SECONDS)
        return list(self._lines.copy())

    def end(self) -> None:
        self._process.terminate()
        if not self.has_ended(END_SECONDS):
            self._process.kill()
            self._process.wait()


class SshTunnel:
    """The socket of an engine on another host, in a private directory. Safe to use from several threads."""

    def __init__(self, address: SshAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        directory = _make_directory()
        self._socket = directory / "engine.sock"
        self.url = f"unix://{self._socket}"
        self._running: list[SshProcess] = []
        """The process, or none."""
        self._is_closed = False
        self._started_at = 0.0
        self._failures = 0
        self._due = 0.0
        self._error: EngineUnreachableError | None = None
        self._check: tuple[float, EngineUnreachableError] | None = None
        self._clean = weakref.finalize(self, _clean_up, directory, self._running)

    def open(self) -> None:
        """Return when the tunnel works. Raises EngineUnreachableError, at once while a failed start is too
        recent to be repeated."""
        with self._lock:
            if self._running and not self._running[0].has_ended():
                return
            if self._running:
                self._note_end(explain_end(self._running.pop().read_lines(), self._address))
            if self._error is not None and monotonic() < self._due:
                raise _copy(self._error)
            try:
                self._start()
            except EngineUnreachableError as error:
                self._started_at = monotonic()
                self._note_end(error)
                raise

    def explain(self, failure: EngineUnreachableError) -> EngineUnreachableError:
        """The cause of a failed request: the end of ssh, or the socket at the other host."""
        with self._lock:
            if not self._running or self._is_closed:
                return failure
            process = self._running[0]
            if process.has_ended(POLL_SECONDS):
                return explain_end(process.read_lines(), self._address)
            now = monotonic()
            if self._check is None or now - self._check[0] > CHECK_PAUSE_SECONDS:
                self._check = now, explain_socket_check(self._check_socket(), self._address)
            return _copy(self._check[1])

    def close(self) -> None:
        self._is_closed = True
        self._clean()

    def _note_end(self, error: EngineUnreachableError) -> None:
        """Decide when ssh is started again."""
        now = monotonic()
        self._failures = 0 if now - self._started_at > STEADY_SECONDS else self._failures + 1
        ceiling = MAX_DELAY_SECONDS if error.transient else MAX_REFUSED_DELAY_SECONDS
        self._error, self._due = error, now + compute_backoff(self._failures, FIRST_DELAY_SECONDS, ceiling)

    def _start(self) -> None:
        ssh = _find_ssh()
        self._socket.unlink(missing_ok=True)
        self._check = None
        forwarding = f"{self._socket}:{self._address.socket}"
        command = [*ssh, "-N", "-T", "-L", forwarding, *self._address.destination]
        if sys.executable:
            command = [sys.executable, "-I", "-S", "-c", DEATH_SIGNAL_SCRIPT, str(os.getpid()), *command]
        process = SshProcess(command)
        try:
            self._await_socket(process)
        except BaseException:
            process.end()
            raise
        self._started_at = monotonic()
        self._running.append(process)
        if self._is_closed:
            process.end()

    def _await_socket(self, process: SshProcess) -> None:
        deadline = monotonic() + START_SECONDS
        while not self._is_listening():
            if process.has_ended(POLL_SECONDS):
                raise explain_end(process.read_lines(), self._address)
            if self._is_closed or monotonic() > deadline:
                raise EngineUnreachableError(f"no connection to {self._address} within {START_SECONDS:g} s")

    def _is_listening(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self._socket)) == 0

    def _check_socket(self) -> int | None:
        """The exit code of a check of the socket at the other host. None if it could not be checked."""
        script = CHECK_SCRIPT.format(path=self._address.socket)
        try:
            answer = subprocess.run(
                [*_find_ssh(), "-T", *self._address.destination, script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # of any length
                stderr=subprocess.DEVNULL,
                timeout=CHECK_SECONDS,
                start_new_session=True,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError):
            return None
        return answer.returncode


def _find_ssh() -> list[str]:
    """The program and the options that hold for every use."""
    if (path := shutil.which("ssh")) is None:
        raise EngineUnreachableError(
            "an engine is reached by ssh, and ssh is not installed here",
            hint="install openssh-client",
            transient=False,
        )
    return [path, *(word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}"))]


def _make_directory() -> Path:
    """A new directory for this user only. ssh would expand some characters of its path."""
    parent = tempfile.gettempdir()
    if len(parent) > MAX_DIRECTORY_CHARACTERS or not SOCKET_PATTERN.fullmatch(parent):
        parent = "/tmp"  # noqa: S108 - the directory in it is private
    directory = Path(tempfile.mkdtemp(prefix="hemostat-ssh-", dir=parent))
    check_directory(directory)
    return directory


def _clean_up(directory: Path, running: list[SshProcess]) -> None:
    for process in running:
        process.end()
    shutil.rmtree(directory, ignore_errors=True)


def _copy(error: EngineUnreachableError) -> EngineUnreachableError:
    """Another exception of the same content: one that is raised again grows with each traceback."""
    return EngineUnreachableError(
        error.message, hint=error.hint, transient=error.transient, curable=error.curable
    )
