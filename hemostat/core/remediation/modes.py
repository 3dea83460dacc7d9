"""Lists the modes of a responder that are stricter than its general mode, for its heartbeat."""

from hemostat.core.remediation.policy import MODES_BY_STRICTNESS
from hemostat.core.settings.responder import ResponderSettings


def list_stricter_modes(limits: ResponderSettings) -> dict[str, str]:
    """Return the modes that are stricter than `mode`, by action, and by project as `project NAME`."""
    modes = {str(action): str(mode) for action, mode in limits.modes.items()}
    modes |= {f"project {name}": str(mode) for name, mode in limits.project_modes.items()}
    order = [str(mode) for mode in MODES_BY_STRICTNESS]
    return {name: mode for name, mode in modes.items() if order.index(mode) > order.index(limits.mode)}
