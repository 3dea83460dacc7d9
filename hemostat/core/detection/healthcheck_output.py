"""Interprets the configuration and the output of a container's own health check.

A check that cannot be run fails like a check that finds the service unhealthy, but tells nothing about the
service: the image lacks the command, or the file is not executable. A restart does not change that.
"""

import re
from collections.abc import Iterator
from typing import Final

from hemostat.core.model import ContainerInfo
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls
from hemostat.events import Evidence

NOT_EXECUTABLE_EXIT_CODE: Final = 126
NOT_FOUND_EXIT_CODE: Final = 127
TIMEOUT_MESSAGE: Final = "exceeded timeout"
"""The engine's message for a check that did not end in time. Such a check can be run."""
TRANSIENT_FAULTS: Final = re.compile(
    r"temporarily unavailable|no space left|cannot (?:allocate|fork)|can't fork|too many open files",
    re.IGNORECASE,
)
"""Temporary reasons why a command cannot be started: lack of processes, memory or disk."""
MISSING_COMMAND_PATTERN: Final = re.compile(
    r"executable file .*not found|exec format error|OCI runtime (?:exec failed|attempted to invoke)"
    r"|^(?:\S*/)?(?:ba|da|a|z|k)?sh: (?:line )?(?:\d+: )?\S+: (?:command )?not found$"
    r"|\bexec(?:ve)?\b.*: (?:no such file or directory|permission denied)",
    re.IGNORECASE | re.MULTILINE,
)
"""Messages of runtimes and shells for a missing command. The exit code alone does not show it: many checks
end with `|| exit 1`."""
MAX_JUDGED: Final = 300
"""Characters of a check's output that decide whether the check could be run."""
MAX_OUTPUT_CHARACTERS: Final = 200
"""Characters of a check's output that an alert carries."""


def is_unrunnable(exit_code: int | None, output: str) -> bool:
    """Return whether the check's command could not be started at all."""
    if not exit_code or TIMEOUT_MESSAGE in output or TRANSIENT_FAULTS.search(output):
        return False
    return (
        exit_code in {NOT_EXECUTABLE_EXIT_CODE, NOT_FOUND_EXIT_CODE}
        or MISSING_COMMAND_PATTERN.search(output) is not None
    )


def has_always_failed(info: ContainerInfo) -> bool:
    """Return whether as many checks failed in a row as can have run since the container started. Used for a
    process that the monitor has not watched since its start."""
    check = info.check
    if check is None or info.failing_streak < check.retries or not info.started_at:
        return False
    age = info.checked_at - info.started_at - check.start_period
    return age <= (info.failing_streak + 1) * (check.interval + CHECK_SECONDS) * TOLERANCE


CHECK_SECONDS: Final = 0.5
"""Maximum seconds that a check takes if it cannot be run."""
TOLERANCE: Final = 1.1


def build_check_evidence(info: ContainerInfo, *, never_passed: bool) -> Iterator[Evidence]:
    """Return the result of the last check, and the conclusions from it."""
    code, output = info.check_exit_code, escape_controls(redact(info.health_output))[:MAX_OUTPUT_CHARACTERS]
    if code is not None:
        exit_text = f"exit code {code}" if code >= 0 else ""
        yield Evidence("health_check", ": ".join(filter(None, (exit_text, output))) or "no output")
    if is_unrunnable(code, info.health_output[:MAX_JUDGED]):
        yield Evidence("cannot_run", value=True)
    if never_passed:
        yield Evidence("never_passed", value=True)
