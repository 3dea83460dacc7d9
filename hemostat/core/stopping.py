"""How long a container is given to stop: by its label, or as it was made."""

from collections.abc import Mapping

from hemostat.core.model import ContainerInfo
from hemostat.core.units import duration
from hemostat.events import Container


def stop_timeout(labels: Mapping[str, str]) -> float | None:
    """Seconds that its label asks for; None is the container's own, also where the label cannot be read."""
    text = labels.get("hemostat.stop_timeout", labels.get("autoheal.stop.timeout"))
    try:
        return None if text is None else duration(text)
    except ValueError:
        return None


def patience(container: Container, found: ContainerInfo | None) -> float:
    """Seconds, where it or its label says so; 0 where neither does, or it asks for no end of them."""
    labelled, own = stop_timeout(container.labels), None if found is None else found.stop_timeout
    return max(0.0, (own if labelled is None else labelled) or 0.0)
