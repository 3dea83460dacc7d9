"""placeholder until merged"""

from hemostat.core.model import HostSample


class HostSampler:
    def __init__(self, *, directory: str) -> None:
        self._directory = directory

    def measure(self, now: float) -> HostSample | None:
        return None
