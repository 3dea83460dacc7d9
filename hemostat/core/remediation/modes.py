"""Lists the modes of a responder for its heartbeat."""

from typing import Final

import msgspec

from hemostat.core.remediation.policy import MODES_BY_STRICTNESS
from hemostat.core.remediation.windows import WindowState
from hemostat.core.settings.responder import ResponderSettings

STRICTNESS: Final = {str(mode): number for number, mode in enumerate((*MODES_BY_STRICTNESS, "off"))}
"""The modes, including those that only a window has, and how strict each is."""


class CurrentModes(msgspec.Struct, frozen=True, kw_only=True):
    """The modes of a responder at one moment. `mode` applies to everything; `stricter` are those of single
    actions (`restart`) and projects (`project shop`). `since` is when a window last opened or closed (epoch
    seconds), 0 without any. `windows` are the open ones, as text."""

    mode: str = ""
    stricter: dict[str, str] = {}
    since: float = 0.0
    windows: tuple[str, ...] = ()


def find_current_modes(limits: ResponderSettings, windows: WindowState) -> CurrentModes:
    opened = windows.opened
    general = max(
        (limits.mode, *(each.mode for each in opened if not each.projects)), key=STRICTNESS.__getitem__
    )
    modes = [(str(action), str(mode)) for action, mode in limits.modes.items()]
    modes += [(f"project {name}", str(mode)) for name, mode in limits.project_modes.items()]
    modes += [(f"project {name}", str(each.mode)) for each in opened for name in each.projects]
    stricter: dict[str, str] = {}
    for name, mode in modes:
        if STRICTNESS[mode] > STRICTNESS[stricter.get(name, general)]:
            stricter[name] = mode
    return CurrentModes(
        mode=general,
        stricter=stricter,
        since=windows.changed,
        windows=tuple(map(str, opened)),
    )
