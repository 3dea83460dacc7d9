"""Time, and being told to stop."""

from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted when the process is told to stop."""
        ...


class Interrupted(BaseException):
    """The process is told to stop: what is in hand stays unacknowledged, for whoever comes next.

    A BaseException, so that nothing that handles failures takes it for one.
    """
