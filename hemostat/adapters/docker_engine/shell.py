"""Opens a shell in a container by the docker command, which connects the terminal to it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from hemostat.background import run_in_background
from hemostat.core.settings.ssh_address import is_ssh, parse_ssh_address
from hemostat.errors import EngineUnreachableError

if TYPE_CHECKING:
    from hemostat.adapters.docker_engine.ssh_tunnel import SshTunnel

CHECK_SECONDS: Final = 10.0
"""Seconds that each command may take that is run before the shell."""
MAX_OUTPUT_BYTES: Final = 64 << 10
END_SECONDS: Final = 1.0
"""Seconds in which the output of a command that has ended can be read."""
IDENTITY_FORMAT: Final = "{{.Id}} {{.Name}}"
SHELL: Final = "sh"
MAX_REASON_CHARACTERS: Final = 200
OTHER_CONTAINER_TEXT: Final = "this host's engine has no container with this name and id"
NO_COMMAND_TEXT: Final = "the docker command is not installed here: a shell needs it"


class DockerShell:
    """`url` is the engine's address, empty for the docker command's own. `ca_file`, `cert_file` and
    `key_file`: PEM files for TLS, empty for the docker command's own."""

    def __init__(self, url: str, *, ca_file: str = "", cert_file: str = "", key_file: str = "") -> None:
        self._options = ["--host", url] if url else []
        files = {"--tlscacert": ca_file, "--tlscert": cert_file, "--tlskey": key_file}
        if any(files.values()):
            self._options.append("--tlsverify")
        for option, path in files.items():
            self._options += [option, str(Path(path).expanduser())] if path else []
        self._url = url
        self._tunnel: SshTunnel | None = None
        # The docker command refuses an address beside a context.
        self._environment = {
            name: value for name, value in os.environ.items() if not url or name != "DOCKER_CONTEXT"
        }

    def find_obstacle(self, container: str, name: str) -> str:
        """Return why no shell can be opened there, empty if one can.

        Id and name come from a monitor, perhaps another host's: the engine must know them together.
        """
        if container.startswith("-"):
            return OTHER_CONTAINER_TEXT
        try:
            self._open_tunnel()
        except EngineUnreachableError as error:
            return str(error)
        known = self._run("inspect", "--type", "container", "--format", IDENTITY_FORMAT, container)
        if isinstance(known, str):
            return known
        if known.decode(errors="replace").split() != [container, f"/{name}"]:
            return OTHER_CONTAINER_TEXT
        answer = self._run("exec", container, SHELL, "-c", ":")
        return answer if isinstance(answer, str) else ""

    def _open_tunnel(self) -> None:
        """Reach an engine at another host as HemoStat does. The docker command would ask for a password on
        the terminal, and needs a docker command at the other host. Raises EngineUnreachableError."""
        if self._tunnel is None:
            from hemostat.adapters.docker_engine.address import find_address

            url = str(find_address(self._url or None)["base_url"])
            if not is_ssh(url):
                return
            from hemostat.adapters.docker_engine.ssh_tunnel import SshTunnel

            self._tunnel = SshTunnel(parse_ssh_address(url))
            self._options = ["--host", self._tunnel.url]
            for name in ("DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"):
                self._environment.pop(name, None)
        self._tunnel.open()

    def _run(self, *arguments: str) -> bytes | str:
        """The output of a docker command, or why it failed."""
        if (command := self._make_command(*arguments)) is None:
            return NO_COMMAND_TEXT
        try:
            code, output, errors = _run_bounded(command, self._environment)
        except subprocess.TimeoutExpired:
            return f"no answer within {CHECK_SECONDS:g} s"
        except OSError as error:
            return f"docker: {error.strerror}"
        if code == 0:
            return output
        lines = (errors + output).decode(errors="replace").split("\n")
        reason = next((line for line in lines if line.strip()), f"docker {arguments[0]} ended with {code}")
        if "executable file not found" in reason:
            return f"the container has no {SHELL}"
        return reason[:MAX_REASON_CHARACTERS]

    def run(self, container: str) -> None:
        """Connect this terminal to a shell there, until the shell ends. To be called in the main thread."""
        if (command := self._make_command("exec", "-it", container, SHELL)) is None:
            return
        # Ctrl-C belongs to the shell. The docker command gets the default handler again.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            subprocess.run(command, env=self._environment, check=False)
        finally:
            signal.signal(signal.SIGINT, before)

    def _make_command(self, *arguments: str) -> list[str] | None:
        path = shutil.which("docker")
        return None if path is None else [path, *self._options, *arguments]


def _run_bounded(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Run a command that ends within CHECK_SECONDS. Return its exit code, and the first MAX_OUTPUT_BYTES of
    its output and of its errors: a program named `sh` in a container may write endlessly. Raises OSError and
    subprocess.TimeoutExpired."""
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    readers = [
        run_in_background(partial(_read_start, pipe), "docker-output")
        for pipe in (process.stdout, process.stderr)
        if pipe is not None
    ]
    try:
        code = process.wait(CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    ended = wait(readers, END_SECONDS).done
    output, errors = (each.result() if each in ended else b"" for each in readers)
    return code, output, errors


def _read_start(pipe: IO[bytes]) -> bytes:
    """The pipe is closed then: a command that writes more gets SIGPIPE."""
    with pipe:
        return pipe.read(MAX_OUTPUT_BYTES)
