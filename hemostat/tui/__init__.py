"""The dashboard: containers and the remediation log, live. It listens, and acknowledges nothing.

It is handed its model; Textual is imported when it is run.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hemostat.tui.model import Model


def unsuitable(environ: Mapping[str, str], is_tty: bool) -> str | None:
    """Why there can be no dashboard here; None if there can."""
    if not is_tty:
        return "the dashboard needs a terminal"
    term = environ.get("TERM") or "unset"
    if term in {"unset", "dumb", "unknown"}:
        return f"the dashboard needs a terminal that can move its cursor, and TERM is {term}"
    return None


def run(model: "Model", *, mouse: bool = True) -> int:
    """Show the dashboard until the user quits; the exit code."""
    from hemostat.tui.app import Dashboard
    from hemostat.tui.replay_app import Replayed

    colourless = bool(os.environ.get("NO_COLOR") or os.environ.get("HEMOSTAT_NO_COLOR"))
    # Textual takes a variable that is set and empty for a wish; the convention does not.
    os.environ.pop("NO_COLOR", None)
    if colourless:
        os.environ["NO_COLOR"] = "1"
    if model.replay is None:
        Dashboard(model, colourless=colourless).run(mouse=mouse)
    else:
        Replayed(model, model.replay, colourless=colourless).run(mouse=mouse)
    return 0
