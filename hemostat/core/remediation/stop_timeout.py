"""How long a container is given to stop: by its label, or as it was made, and at most as an operator allows.

Whoever makes a container chooses both. While it is being stopped, it takes a slot of its host.
"""

import math
from typing import Final

from hemostat.core.labels.definitions import read_stop_timeout
from hemostat.core.model import ContainerInfo
from hemostat.events import Container

DEFAULT_STOP_SECONDS: Final = 10.0
"""The engine's own, where the container does not say."""


def find_requested_stop(container: Container, found: ContainerInfo | None) -> float | None:
    """Seconds that its label asks for, else its own setting; None where neither does."""
    labelled = read_stop_timeout(container.labels)
    return labelled if labelled is not None or found is None else found.stop_timeout


def bound_stop_seconds(seconds: float | None, longest: float) -> float:
    """Seconds between SIGTERM and SIGKILL, at most `longest`. For the engine a negative number has no end."""
    if seconds is None:
        return min(DEFAULT_STOP_SECONDS, longest)
    return min(seconds, longest) if seconds >= 0 and math.isfinite(seconds) else longest


def compute_stop_seconds(container: Container, found: ContainerInfo | None, longest: float) -> float:
    return bound_stop_seconds(find_requested_stop(container, found), longest)
