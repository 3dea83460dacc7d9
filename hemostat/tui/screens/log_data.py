"""The data of the log screen: the lines in memory, and what is loaded when the user gets to their ends."""

from collections.abc import Callable, Sequence
from typing import Final

from textual.message import Message

from hemostat.ports import EngineReader
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.log_feed import LogBatch, LogFeed
from hemostat.tui.data.log_jobs import JobResult, LogJob, LogPlace, load_newer, load_older
from hemostat.tui.data.log_lines import LogLine
from hemostat.tui.data.log_window import LogWindow
from hemostat.tui.render.container import Place, find_container_id, find_newest_stats
from hemostat.tui.render.log import LogLook, LogRows
from hemostat.tui.screens.live import LiveScreen
from hemostat.tui.widgets.lines import Lines

UPDATE_SECONDS: Final = 0.25
SLOW_UPDATE_SECONDS: Final = 2.0
"""Seconds between two deliveries of new lines."""
MAX_LOGS: Final = 20
"""Containers whose logs are shown together."""


class BatchRead(Message):
    def __init__(self, feed: LogFeed, batch: LogBatch) -> None:
        super().__init__()
        self.feed = feed
        self.batch = batch


class JobReported(Message):
    """Progress of a job."""

    def __init__(self, job: LogJob, text: str) -> None:
        super().__init__()
        self.job = job
        self.text = text


class JobDone(Message):
    def __init__(self, job: LogJob, result: JobResult | None, why: str) -> None:
        super().__init__()
        self.job = job
        self.result = result
        self.why = why


class LogDataScreen(LiveScreen):
    def __init__(self, model: DashboardContext, places: Sequence[Place]) -> None:
        super().__init__(model)
        self._places = tuple(places)[:MAX_LOGS]
        self._window = LogWindow(len(self._places))
        self._feed: LogFeed | None = None
        self._containers: list[str] = []
        self._errors: dict[int, str] = {}
        """By number of the container: why there is no log."""
        self._job: LogJob | None = None
        self._apply: Callable[[JobResult], None] = lambda _: None
        self._note = ""
        self._is_blocked = False
        """Whether a job failed, so that none is started without a key."""
        self._match: LogLine | None = None
        self._version = 0
        """Changes with the lines in memory."""
        self._rows = LogRows((), LogLook(80, ()))

    @property
    def _lines(self) -> Lines:
        return self.query_one("#lines", Lines)

    @property
    def _is_following(self) -> bool:
        return self._feed is not None and self._window.at_end and self._lines.is_at_end

    def on_unmount(self) -> None:
        self._stop()

    def _stop(self) -> None:
        self._stop_job()
        if self._feed is not None:
            self._feed.stop()
            self._feed = None

    def _stop_job(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._job = None
        self._note = ""

    def _find_engine(self, source: int) -> EngineReader | None:
        """Return the engine of the container with this number. Called in threads."""
        return self.model.engine(self._places[source][0])

    def _find_containers(self) -> list[str]:
        """The containers' ids. A container that no role reports any more may still have a log."""
        state = self.model.state
        before = self._containers if len(self._containers) == len(self._places) else [""] * len(self._places)
        return [
            find_container_id(find_newest_stats(state.stats.values(), place), state.log, place) or known
            for place, known in zip(self._places, before, strict=True)
        ]

    def _follow(self) -> None:
        """Forget the lines, and follow the end again."""
        self._stop()
        self._window = LogWindow(len(self._places))
        self._errors, self._match = {}, None
        self._version += 1
        self._containers = self._find_containers()
        slow = self.model.looks.slow
        feed = LogFeed(
            self._find_engine,
            self._containers,
            lambda batch: self.post_message(BatchRead(feed, batch)),
            every=SLOW_UPDATE_SECONDS if slow else UPDATE_SECONDS,
        )
        self._feed = feed
        feed.start()
        self._lines.go_to_end()

    def _update_containers(self) -> None:
        """A container may have been recreated."""
        if self._feed is None:
            return
        for number, container in enumerate(self._find_containers()):
            if container and container != self._containers[number]:
                self._containers[number] = container
                self._feed.replace(number, container)

    def on_batch_read(self, message: BatchRead) -> None:
        if message.feed is not self._feed:
            return
        batch = message.batch
        if not batch.lines:
            self._errors[batch.source] = batch.why
        elif not self._lines.is_at_end and self._window.is_full:
            # The lines that are being read must not be dropped.
            self._detach()
        elif self._window.at_end:
            self._window.append(batch.lines)
            self._version += 1
        self.redraw()

    def _detach(self) -> None:
        """Stop following: the memory is full, and older lines are shown."""
        self._window.at_end = False
        if self._feed is not None:
            self._feed.stop()
            self._feed = None

    # --- jobs ---------------------------------------------------------------------------------------

    def _start_job(
        self, note: str, work: Callable[[LogJob], JobResult], apply: Callable[[JobResult], None]
    ) -> None:
        self._stop_job()
        self._note, self._apply, self._is_blocked = note, apply, False
        self._job = LogJob(
            self._find_engine,
            work,
            lambda job, text: self.post_message(JobReported(job, f"{note}: {text}")),
            lambda job, result, why: self.post_message(JobDone(job, result, why)),
        )
        self.redraw()

    def on_job_reported(self, message: JobReported) -> None:
        if message.job is self._job:
            self._note = f"{message.text}; esc stops"
            self.redraw()

    def on_job_done(self, message: JobDone) -> None:
        if message.job is not self._job:
            return
        self._job, self._note = None, ""
        if message.result is None:
            self._note, self._is_blocked = message.why, True
            self.redraw()
        else:
            self._apply(message.result)
            self._report_missing(message.result)

    def _report_missing(self, result: JobResult) -> None:
        """Name the logs that the job could not read. A new job hides this."""
        if result.missing and self._job is None:
            whys = (f"{self._places[number][1]}: {why}" for number, why in sorted(result.missing.items()))
            self._note = f"not read: {'; '.join(whys)}"
            self.redraw()

    def _list_places(self) -> list[LogPlace]:
        return [
            LogPlace(
                number,
                container,
                self._window.get_first(number),
                self._window.depths[number],
                self._places[number][0],
            )
            for number, container in enumerate(self._containers)
            if container and not self._errors.get(number)
        ]

    def _load_if_needed(self) -> None:
        """Load what comes before or after the lines in memory when the user gets there."""
        lines, window = self._lines, self._window
        if self._job is not None or self._is_blocked or not window.lines:
            return
        fits = len(self._rows) <= lines.size.height
        if lines.scroll_offset.y <= 0 and (fits or not lines.is_at_end):
            source = window.find_source_to_extend()
            place = next((each for each in self._list_places() if each.source == source), None)
            if place is not None:
                self._start_job("loading older lines", lambda job: load_older(job, place), self._prepend)
                return
        if not window.at_end and lines.scroll_offset.y >= lines.max_scroll_y:
            places, stamp = self._list_places(), window.lines[-1].stamp
            self._start_job("loading newer lines", lambda job: load_newer(job, places, stamp), self._extend)

    def _prepend(self, result: JobResult) -> None:
        for page in result.pages:
            self._window.prepend(page.source, page.lines, page.depth, at_start=page.at_start)
        if not self._window.at_end:
            self._detach()
        self._version += 1
        self.redraw()

    def _extend(self, result: JobResult) -> None:
        if any(page.lines for page in result.pages):
            self._window.extend([page.lines for page in result.pages])
            self._version += 1
        else:
            self._follow()
        self.redraw()

    def _replace(self, result: JobResult) -> None:
        """Show other lines than before: those at the beginning, or around a match."""
        self._detach()
        self._window = LogWindow(len(self._places))
        self._window.at_end = False
        for page in result.pages:
            self._window.prepend(page.source, page.lines, page.depth, at_start=page.at_start)
        self._window.at_end = False
        self._version += 1
        self._match = next((line for line in self._window.lines if line.stamp == result.match), None)
        self._lines.stay()
        self._lines.scroll_to(y=0, animate=False, immediate=True)
        self.redraw()
