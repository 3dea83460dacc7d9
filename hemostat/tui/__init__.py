"""The dashboard: containers and events, live. It reads the bus and acknowledges nothing.

The caller provides the DashboardContext. Textual is imported when the dashboard is run.
"""

import difflib
import gc
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hemostat.errors import ConfigError, HemoStatError
from hemostat.terminal import is_colour_off

if TYPE_CHECKING:
    from hemostat.tui.context import DashboardContext

SWITCH_SECONDS: Final = 0.001
"""Seconds after which a thread must let another continue."""


FRAMES_PER_SECOND: Final = "250"
"""A key soon after an update waits for up to two frames, which would be 33 ms at Textual's 60."""


def find_obstacle(environ: Mapping[str, str], *, screen: bool, keyboard: bool) -> str | None:
    """Why no dashboard can be shown here. None if one can.

    `screen` and `keyboard`: whether standard output and standard input are terminals.
    """
    if not screen:
        return "the dashboard needs a terminal, but standard output is not a terminal"
    if not keyboard:
        return "the dashboard needs a terminal, but standard input is not a terminal"
    term = environ.get("TERM") or "unset"
    if term in {"unset", "dumb", "unknown"}:
        return f"the dashboard needs a terminal with cursor control, but TERM is {term}"
    return None


def suggest_hint(environ: Mapping[str, str], *, slow: bool) -> str:
    """A hint for a dashboard opened over SSH, else empty."""
    remote = environ.get("SSH_TTY") or environ.get("SSH_CONNECTION")
    return (
        "over SSH, hemostat tui --slow sends less data, and ssh -C compresses it"
        if remote and not slow
        else ""
    )


def run(model: "DashboardContext") -> int:
    """Show the dashboard until the user quits. Returns the exit code.

    Raises ConfigError for an unknown theme, and HemoStatError for orders that were not carried out when the
    user quit.
    """
    if not model.looks.slow:
        os.environ.setdefault("TEXTUAL_FPS", FRAMES_PER_SECOND)
    from hemostat.tui.app import Dashboard
    from hemostat.tui.render.themes import list_theme_names

    appearance = model.looks
    if appearance.theme and appearance.theme not in (names := list_theme_names()):
        near = difflib.get_close_matches(appearance.theme, names, n=1, cutoff=0.0)[0]
        raise ConfigError(f"tui.theme: unknown theme {appearance.theme!r}", hint=f"did you mean {near}?")
    colourless = is_colour_off(os.environ)
    # Textual applies NO_COLOR also if it is set and empty. By convention an empty value has no effect.
    os.environ.pop("NO_COLOR", None)
    if colourless:
        os.environ["NO_COLOR"] = "1"
    # The listening threads must not delay keys during heavy traffic.
    sys.setswitchinterval(SWITCH_SECONDS)
    # The imported modules stay: a collection that looks at all of their objects would pause the screen.
    gc.freeze()
    hint = suggest_hint(os.environ, slow=appearance.slow)
    if model.replay is None:
        Dashboard(model, colourless=colourless, hint=hint).run(mouse=appearance.mouse)
    else:
        from hemostat.tui.replay_app import ReplayDashboard

        ReplayDashboard(model, model.replay, colourless=colourless, hint=hint).run(mouse=appearance.mouse)
    if failed := model.order_runner.finish():
        raise HemoStatError("; ".join(failed))
    return 0
