"""How long a container may take to stop: its label, else its own setting, up to the operator's limit.

The container's creator chooses both values, and a container that is being stopped holds a slot of the host.
"""

import math
from typing import Final

from hemostat.core.labels.definitions import read_stop_timeout
from hemostat.core.model import ContainerInfo
from hemostat.events import Container

DEFAULT_STOP_SECONDS: Final = 10.0
"""The engine's default, for containers without a setting."""


def find_requested_stop(container: Container, info: ContainerInfo | None) -> float | None:
    """Seconds from the label, else from the container's own setting; None without either."""
    labelled = read_stop_timeout(container.labels)
    return labelled if labelled is not None or info is None else info.stop_timeout


def bound_stop_seconds(seconds: float | None, longest: float) -> float:
    """Seconds between SIGTERM and SIGKILL, at most `longest`. A negative number means no limit to the
    engine."""
    if seconds is None:
        return min(DEFAULT_STOP_SECONDS, longest)
    return min(seconds, longest) if seconds >= 0 and math.isfinite(seconds) else longest


def compute_stop_seconds(container: Container, info: ContainerInfo | None, longest: float) -> float:
    return bound_stop_seconds(find_requested_stop(container, info), longest)
