"""What the screens look at and may ask for, handed in by whoever opens the dashboard."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.settings.tui import DEFAULT_TUI_SETTINGS, TuiSettings
from hemostat.ports import Clock, Engine, Listener
from hemostat.tui.actions.runner import OrderRunner
from hemostat.tui.data.lazy import Lazy
from hemostat.tui.data.state import DashboardState
from hemostat.tui.saved_view import SavedView, load_view, save_view

if TYPE_CHECKING:
    from hemostat.tui.actions.build import OrderBuilder
    from hemostat.tui.data.replay import ReplayClock


class Exports(StrEnum):
    """Where an export goes, which says as well whether the dashboard may write on this machine's disk."""

    FILE = "file"
    """A file that the user names."""
    DOWNLOAD = "download"
    """The browser of the user: the disk is the server's."""
    NONE = "none"
    """Nowhere: the user may look, and no more."""


def _find_no_evidence(_: str) -> Sequence[EvidenceSnapshot]:
    return ()


class DashboardContext:
    """`state` is replaced with every news; the rest stays. What `evidence`, `history` and `engine` answer may
    take long, and they raise AdapterError: ask from a worker, never from the loop that draws.

    `act` has done what people order; None: the dashboard only shows. `saved` is the file in which the view
    is kept; None: it is not. It is written, as exports are, only where `exports` is FILE.
    """

    def __init__(
        self,
        bus: Listener,
        clock: Clock,
        *,
        looks: TuiSettings = DEFAULT_TUI_SETTINGS,
        evidence: Callable[[str], Sequence[EvidenceSnapshot]] = _find_no_evidence,
        engine: Callable[[], Engine] | None = None,
        act: "OrderBuilder | None" = None,
        replay: "ReplayClock | None" = None,
        safety: Callable[[str], HostLimitStatus] | None = None,
        saved: Path | None = None,
        exports: Exports = Exports.FILE,
    ) -> None:
        self.bus = bus
        self.clock = clock
        self.looks = looks
        self.evidence = evidence
        """What was kept of an incident before its actions, oldest first."""
        self.act = act
        self.courier = OrderRunner()
        self.replay = replay
        """The clock of the recording that is shown; None: what is shown is live."""
        self.safety = safety
        """Where a host's containers stand towards the limits, by its name; None: it is not known."""
        self.state = DashboardState(heard=clock.now())
        self.exports = exports
        self._saved = saved
        self.view, self.complaint = load_view(saved)
        """How the dashboard is looked at, and what is wrong with the file that it is kept in, if anything."""
        self._engine = None if engine is None else Lazy(engine)

    def look(self, view: SavedView) -> None:
        """Change the view, and keep it where files may be written."""
        if view != self.view:
            self.view = view
            self.complaint = save_view(self._saved, view) if self.exports is Exports.FILE else ""

    def history(self, host: str, name: str) -> list[MetricPoint]:
        """The latest numbers of the container of this name, oldest first."""
        return self.bus.history(host, name)

    def engine(self) -> Engine | None:
        """The engine, connected when the first thread asks it something; None where there is none to ask."""
        return cast("Engine | None", self._engine)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
