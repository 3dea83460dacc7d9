"""`hemostat` as a user runs it: a process of its own, on a state directory of its own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND_SECONDS = 100
"""Seconds that a command may take before its test gives up."""


def environ(state_dir: Path, **settings: str) -> dict[str, str]:
    """The environment without what the user has configured."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEMOSTAT_")}
    empty = state_dir / "hemostat.toml"
    empty.touch()
    own = {"CONFIG": str(empty), "STATE_DIR": str(state_dir), **settings}
    return {**inherited, **{f"HEMOSTAT_{name}": value for name, value in own.items()}}


def start(
    *arguments: str, env: dict[str, str], stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hemostat", *arguments],
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    with start(*arguments, env=env) as process:
        try:
            out, err = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
