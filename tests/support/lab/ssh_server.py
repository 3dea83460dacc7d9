"""An sshd of a test's own, on a port of the loopback interface, and an `ssh` that knows its keys."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.bench.lab import descendants
from tests.support.lab.waiting import wait_until
from tests.support.required import missing, program

SEPARATION_DIRECTORY = Path("/run/sshd")
"""sshd as root needs it."""
SECONDS = 20.0


def find_sshd() -> str:
    path = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return path or missing("there is no sshd: apt install openssh-server")


def make_key(path: Path) -> str:
    """Write a key pair and return its public half."""
    path.unlink(missing_ok=True)
    command = [program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.with_suffix(".pub").read_text()


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def is_present(process: int) -> bool:
    """Whether it runs, or its parent has not noticed its end."""
    return Path(f"/proc/{process}").exists()


class SshServer:
    """Does not run until `start`. `programs`: a directory for PATH, whose `ssh` uses this server's keys and
    appends a line to `uses` at each use. `options` replace those of sshd_config."""

    def __init__(self, directory: Path, **options: str) -> None:
        self._sshd = find_sshd()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.user = getpass.getuser()
        self.uses = directory / "uses"
        self.uses.touch()
        self.programs = directory / "bin"
        self.programs.mkdir()
        self._hosts = directory / "known_hosts"
        (directory / "authorized").write_text(make_key(directory / "user"))
        self.renew_host_key()
        self.trust_host()
        self._write_server_options(options)
        self._write_client()

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    def renew_host_key(self) -> None:
        self._host_key = make_key(self._directory / "host")

    def trust_host(self, *, is_trusted: bool = True) -> None:
        """Write the host's present key to the file of known hosts, or empty the file."""
        self._hosts.write_text(f"[127.0.0.1]:{self.port} {self._host_key}" if is_trusted else "")

    def renew_user_key(self) -> None:
        """Make a key that the server does not accept."""
        make_key(self._directory / "user")

    def _write_server_options(self, options: dict[str, str]) -> None:
        defaults = {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(self._directory / "host"),
            "AuthorizedKeysFile": str(self._directory / "authorized"),
            "PidFile": "none",
            "PermitRootLogin": "yes",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
        }
        lines = [f"{name} {value}\n" for name, value in {**defaults, **options}.items()]
        (self._directory / "sshd_config").write_text("".join(lines))

    def _write_client(self) -> None:
        config = self._directory / "ssh_config"
        config.write_text(
            f"IdentityFile {self._directory / 'user'}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {self._hosts}\nGlobalKnownHostsFile none\n"
        )
        ssh = self.programs / "ssh"
        path = program("ssh", "openssh-client")
        ssh.write_text(f'#!/bin/sh\necho $$ >>"{self.uses}"\nexec {path} -F "{config}" "$@"\n')
        ssh.chmod(0o700)

    def list_uses(self) -> list[int]:
        """The process ids of all uses of `ssh` so far."""
        return [int(line) for line in self.uses.read_text().split()]

    def list_running(self) -> list[int]:
        """The process ids of those uses that have not ended."""
        return [process for process in self.list_uses() if is_alive(process)]

    def start(self) -> None:
        if os.geteuid() == 0:
            SEPARATION_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
        command = [self._sshd, "-D", "-e", "-f", str(self._directory / "sshd_config")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._is_listening, "sshd listens", SECONDS)

    def _is_listening(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End the server and all connections, and wait for the other ends of these."""
        if self._process is not None:
            clients = self.list_running()
            for process in reversed(descendants(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()
            self._process = None
            wait_until(lambda: not any(map(is_present, clients)), "the connections have ended", SECONDS)
