"""The changes of a container's state, in words."""

from hemostat.events import State


def describe_new_container(state: State) -> str:
    """A container that was not known before."""
    return f"new: {_describe(state)}"


def describe_state_change(before: State, after: State) -> str | None:
    """The change between two reported states; None if it does not matter.

    Between them the container may have started and ended again.
    """
    if after.status != before.status:
        return _describe_status_change(before, after)
    if after.started_at != before.started_at:
        return "restarted" if after.status == "running" else f"started again, then {_describe(after)}"
    if after.health != before.health and after.health in {"healthy", "unhealthy"}:
        return str(after.health)
    return None


def _describe_status_change(before: State, after: State) -> str:
    if after.status == "running":
        started = "no longer paused" if before.status == "paused" else "started"
        return f"{started}, unhealthy" if after.health == "unhealthy" else started
    return _describe(after)


def _describe(state: State) -> str:
    match state.status:
        case "exited":
            return f"exited with code {state.exit_code}"
        case "removing":
            return "being removed"
        case "running" if state.health:
            return f"running, {'health check not run yet' if state.health == 'starting' else state.health}"
    return state.status
