"""Waiting outside of pytest, for commands such as `python -m tests.e2e.faults`."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {seconds:g} s: {what}")
        time.sleep(0.05)
