"""The data and services of the screens, provided by the code that opens the dashboard."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.settings.tui import DEFAULT_TUI_SETTINGS, TuiSettings
from hemostat.ports import Clock, ContainerShell, EngineReader, Listener
from hemostat.tui.actions.runner import OrderRunner
from hemostat.tui.data.state import DashboardState
from hemostat.tui.saved_view import SavedView, load_view, save_view

if TYPE_CHECKING:
    from hemostat.core.history.comparison import PeriodReport
    from hemostat.tui.actions.build import OrderBuilder
    from hemostat.tui.data.replay import ReplayClock


class Exports(StrEnum):
    """Where exports go, and so whether the dashboard may write to this machine's disk."""

    FILE = "file"
    """A file that the user names."""
    DOWNLOAD = "download"
    """The user's browser: the disk is the server's."""
    NONE = "none"
    """Nowhere: the user may only view."""


def _find_no_evidence(_: str) -> Sequence[EvidenceSnapshot]:
    return ()


class DashboardContext:
    """The context of all screens. `state` is replaced with every update; the rest stays.

    `evidence`, `engine` and `safety` may be slow and raise AdapterError: call them from a worker, never from
    the drawing loop. `engine` and `find_shell` are given the name of a host.

    `act` builds operators' orders. None: the dashboard is read-only. `saved` is the file of the saved view.
    None: the view is not saved. It is written, like exports, only if `exports` is FILE.
    """

    def __init__(
        self,
        bus: Listener,
        clock: Clock,
        *,
        appearance: TuiSettings = DEFAULT_TUI_SETTINGS,
        evidence: Callable[[str], Sequence[EvidenceSnapshot]] = _find_no_evidence,
        engine: Callable[[str], EngineReader] | None = None,
        act: "OrderBuilder | None" = None,
        replay: "ReplayClock | None" = None,
        safety: Callable[[str], HostLimitStatus] | None = None,
        saved: Path | None = None,
        exports: Exports = Exports.FILE,
        find_shell: Callable[[str], ContainerShell] | None = None,
        read_report: Callable[[float, float], "PeriodReport"] | None = None,
    ) -> None:
        self.bus = bus
        self.clock = clock
        self.looks = appearance
        self.evidence = evidence
        """Returns an incident's evidence snapshots, oldest first."""
        self.act = act
        self.order_runner = OrderRunner()
        self.replay = replay
        """The clock of the replay. None: the data is live."""
        self.safety = safety
        """Returns the limit status of a host's containers, by the host's name. None: unknown."""
        self.state = DashboardState(heard=clock.now())
        self.exports = exports
        self.find_shell = find_shell
        """Returns what opens shells in the containers of a host. None: the user may open none."""
        self.read_report = read_report
        """Returns the report of a period (epoch seconds) from the event store. May be slow. None: there is no
        event store."""
        self._saved = saved
        self.view, self.save_error = load_view(saved)
        """How the dashboard is displayed, and the error of the file with the saved view, else empty."""
        self._engine = engine

    def change_view(self, view: SavedView) -> None:
        """Change the view, and save it if files may be written."""
        if view != self.view:
            self.view = view
            self.save_error = save_view(self._saved, view) if self.exports is Exports.FILE else ""

    def read_metrics(self, host: str, name: str) -> list[MetricPoint]:
        """The latest measurements of the container of this name, oldest first."""
        return self.bus.read_metrics(host, name)

    def engine(self, host: str) -> EngineReader | None:
        """The engine of the host. None if there is no engine. Raises EngineError. May be slow."""
        return None if self._engine is None else self._engine(host)
