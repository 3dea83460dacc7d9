"""Prometheus's own tool, for the tests that need it."""

import subprocess

from tests.support.required import program


def promtool(*arguments: str, text: str = "") -> None:
    """Fails with what promtool says."""
    done = subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
