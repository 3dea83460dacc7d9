"""Prometheus's own tools, for the tests that need them: missing, a laptop skips and CI fails."""

import shutil
import subprocess

import pytest

from tests.engine_fixtures import engine_is_required


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        if engine_is_required():
            pytest.fail(f"there is no {name} on PATH: apt install prometheus docker-compose")
        pytest.skip(f"there is no {name} on PATH: apt install prometheus docker-compose")
    return path


def promtool(*arguments: str, text: str = "") -> None:
    """Fails with what promtool says."""
    done = subprocess.run(
        [tool("promtool"), *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
