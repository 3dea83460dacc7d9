"""Opens a shell in a container by the docker command, which connects the terminal to it."""

import os
import shutil
import signal
import subprocess
from typing import Final

CHECK_SECONDS: Final = 10.0
SHELL: Final = "sh"
MAX_REASON_CHARACTERS: Final = 200
NO_COMMAND_TEXT: Final = "the docker command is not installed here: a shell needs it"


class DockerShell:
    """`url` is the engine's address, empty for the docker command's own."""

    def __init__(self, url: str) -> None:
        self._options = ["--host", url] if url else []
        # The docker command refuses an address beside a context.
        self._environment = {
            name: value for name, value in os.environ.items() if not url or name != "DOCKER_CONTEXT"
        }

    def find_obstacle(self, container: str) -> str:
        """Return why no shell can be opened there, empty if one can."""
        if (command := self._make_command("exec", container, SHELL, "-c", ":")) is None:
            return NO_COMMAND_TEXT
        try:
            answer = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=CHECK_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {CHECK_SECONDS:g} s"
        except OSError as error:
            return f"docker: {error.strerror}"
        if answer.returncode == 0:
            return ""
        lines = (answer.stderr + answer.stdout).decode(errors="replace").split("\n")
        reason = next((line for line in lines if line.strip()), f"docker exec ended with {answer.returncode}")
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
