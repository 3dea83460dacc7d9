"""Isolates work on one container, so that its failure does not affect the others.

The error is recorded, and logged once. An engine or a bus that does not answer affects all containers: such
an error is raised, and the caller waits.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec

from hemostat.core.redact import redact
from hemostat.core.text import MAX_NAME_CHARACTERS, MAX_REDACTED, escape_controls, list_names, truncate
from hemostat.errors import AdapterError

MAX_REASON_CHARACTERS: Final = 160
HINT: Final = "check its labels (hemostat labels), and report this error with the log line container.failed"

T = TypeVar("T")
logger = logging.getLogger(__name__)


class ContainerError(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    doing: str
    reason: str


class ContainerErrors:
    """The errors of containers, by container id and by activity. Safe to use from several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: dict[tuple[str, str], ContainerError] = {}

    def attempt(self, container_id: str, name: str, doing: str, call: Callable[[], T]) -> T | None:
        """Return the call's result; None where it raised, which is recorded. `doing` is a verb phrase for
        messages.

        Raises an AdapterError that waiting can cure.
        """
        try:
            result = call()
        except Exception as error:
            if isinstance(error, AdapterError) and (error.transient or error.curable):
                raise
            self._record(container_id, name, doing, error)
            return None
        if self._errors:
            self._clear(container_id, doing)
        return result

    def __contains__(self, container_id: str) -> bool:
        return any(identity == container_id for identity, _ in tuple(self._errors))

    def keep_only(self, present: Iterable[str]) -> None:
        """Forget the containers that were removed."""
        ids = {"", *present}
        with self._lock:
            self._errors = {key: each for key, each in self._errors.items() if key[0] in ids}

    def forget(self, container_id: str) -> None:
        """Forget a removed container."""
        with self._lock:
            self._errors = {key: each for key, each in self._errors.items() if key[0] != container_id}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings for users, one for each reason."""
        names: dict[tuple[str, str], list[str]] = {}
        for each in tuple(self._errors.values()):
            names.setdefault((each.doing, each.reason), []).append(each.name)
        return tuple(
            f"cannot {doing} {list_names(affected)}: {reason}; {HINT}"
            for (doing, reason), affected in names.items()
        )

    def _record(self, container_id: str, name: str, doing: str, error: Exception) -> None:
        fault = ContainerError(name=name, doing=doing, reason=describe_error(error))
        with self._lock:
            last_fault = self._errors.get((container_id, doing))
            self._errors[container_id, doing] = fault
        if fault != last_fault:
            short_name = truncate(name, MAX_NAME_CHARACTERS)
            logger.error("container.failed container=%s activity=%s", short_name, doing, exc_info=error)

    def _clear(self, container_id: str, doing: str) -> None:
        with self._lock:
            self._errors.pop((container_id, doing), None)


def describe_error(error: Exception) -> str:
    """Return one short line, with secrets masked."""
    reason = redact(f"{type(error).__name__}: {error}"[:MAX_REDACTED])
    return truncate(escape_controls(reason), MAX_REASON_CHARACTERS)
