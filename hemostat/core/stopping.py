"""How long a container is given to stop: by its label, or as it was made."""

from hemostat.core.labels import MAX_STOP_SECONDS, stop_timeout
from hemostat.core.model import ContainerInfo
from hemostat.events import Container


def patience(container: Container, found: ContainerInfo | None) -> float:
    """Seconds, where it or its label says so, at most MAX_STOP_SECONDS; 0 where neither does, or it asks for
    no end of them."""
    labelled, own = stop_timeout(container.labels), None if found is None else found.stop_timeout
    return min(max(0.0, (own if labelled is None else labelled) or 0.0), MAX_STOP_SECONDS)
