"""Time, and the request to stop."""

from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Return epoch seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted when the process is to stop."""
        ...


class Interrupted(BaseException):
    """The process is to stop: unfinished entries stay unacknowledged, for the next process.

    A BaseException, so that no handler of failures catches it.
    """
