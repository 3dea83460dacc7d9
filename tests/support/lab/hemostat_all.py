"""`hemostat all` as a process of a test's own."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from hemostat.streams import ROLES
from tests.support.lab import command
from tests.support.lab.waiting import wait_until

STOP_SECONDS = 40.0


class HemoStatAll:
    """Starts with its state in `directory`. Settings are variables without their prefix."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.env = command.environ(directory, **settings)
        self.log = directory / "all.log"
        with self.log.open("a") as log:
            self.process = command.start("all", env=self.env, stdout=log.fileno(), stderr=log.fileno())

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the same settings."""
        return command.run(*arguments, env=self.env)

    def status(self) -> dict[str, Any]:
        """Empty when `hemostat status` fails."""
        done = self.run("status", "--json")
        status: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return status

    def roles(self) -> dict[str, int]:
        """Process ids of the live roles, by name."""
        return {role["role"]: role["pid"] for role in self.status().get("roles", ()) if not role["stale"]}

    def await_roles(self, seconds: float = 40.0) -> None:
        """Raises RuntimeError if `hemostat all` ends, TimeoutError if a role does not start."""
        wait_until(lambda: self._has_ended() or len(self.roles()) >= len(ROLES), "all roles run", seconds)

    def _has_ended(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"hemostat all has ended: {self.log.read_text()}")
        return False

    def stop(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.process.kill()
        self.process.wait()
