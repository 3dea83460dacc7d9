"""Loads and searches parts of several logs in a thread that the user can stop.

A job is a daemon thread: an engine that does not answer must not delay quitting.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hemostat.errors import HemoStatError
from hemostat.ports import EngineReader
from hemostat.tui.data.container_poll import NO_ENGINE_TEXT
from hemostat.tui.data.log_lines import LogLine
from hemostat.tui.data.log_pages import (
    LogAccess,
    RawPage,
    StoppedError,
    read_after,
    read_before,
    read_start,
)
from hemostat.tui.data.log_search import find_after, find_before

PROGRESS_SECONDS: Final = 0.3
AROUND_LINES: Final = 400
"""Lines of the other logs that are loaded around a match."""


class LoadedPage(msgspec.Struct, frozen=True):
    """Masked lines of one log."""

    source: int
    lines: Sequence[LogLine]
    depth: int = 0
    at_start: bool = False
    at_end: bool = False


class JobResult(msgspec.Struct, frozen=True):
    """What a job has loaded. `match` is the time of the line to go to; `at_end`: there are no newer lines."""

    pages: Sequence[LoadedPage] = ()
    match: str = ""
    at_end: bool = False


class LogPlace(msgspec.Struct, frozen=True):
    """Where one log is to be read. `stamp` is the time of its first line in memory, None without a line."""

    source: int
    container: str
    stamp: str | None = None
    depth: int = 0


class LogJob:
    """A running job. `engine` returns the engine of the log with a number. `on_progress` gets a text,
    `on_result` the result or an error."""

    def __init__(
        self,
        engine: Callable[[int], EngineReader | None],
        work: Callable[["LogJob"], JobResult],
        on_progress: Callable[["LogJob", str], object],
        on_result: Callable[["LogJob", JobResult | None, str], object],
    ) -> None:
        self._engine = engine
        self._work = work
        self._on_progress = on_progress
        self._on_result = on_result
        self._access: LogAccess | None = None
        self._reported_at = 0.0
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="log-job", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        if self._access is not None:
            self._access.stop()

    def open(self, place: LogPlace) -> LogAccess:
        engine = self._engine(place.source)
        if engine is None:
            raise HemoStatError(NO_ENGINE_TEXT)
        self._access = access = LogAccess(engine, place.container)
        if self._stopped.is_set():
            raise StoppedError
        return access

    def report(self, count: int, stamp: str) -> None:
        now = time.monotonic()
        if now - self._reported_at >= PROGRESS_SECONDS:
            self._reported_at = now
            self._on_progress(self, f"{count:,} lines, at {stamp[:19].replace('T', ' ')}")

    def _run(self) -> None:
        result, why = None, ""
        try:
            result = self._work(self)
        except StoppedError:
            return
        except HemoStatError as error:
            why = error.message
        if not self._stopped.is_set():
            self._on_result(self, result, why)


# --- what a job does ----------------------------------------------------------------------------------


def load_older(job: LogJob, place: LogPlace) -> JobResult:
    page = read_before(job.open(place), place.stamp or "", place.depth)
    return JobResult([_mask(place.source, page)])


def load_start(job: LogJob, places: Sequence[LogPlace]) -> JobResult:
    """The oldest lines of all logs."""
    return _join_forward([(each.source, read_start(job.open(each))) for each in places])


def load_newer(job: LogJob, places: Sequence[LogPlace], stamp: str) -> JobResult:
    """The lines of all logs after this time."""
    return _join_forward([(each.source, read_after(job.open(each), stamp)) for each in places])


def _join_forward(pages: Sequence[tuple[int, RawPage]]) -> JobResult:
    """The lines up to the time until which all logs are known."""
    loaded = [_mask(source, page) for source, page in pages]
    horizon = min((each.lines[-1].stamp for each in loaded if each.lines and not each.at_end), default=None)
    if horizon is not None:
        loaded = [
            msgspec.structs.replace(each, lines=[line for line in each.lines if line.stamp <= horizon])
            for each in loaded
        ]
    return JobResult(loaded, at_end=horizon is None)


def search_before(job: LogJob, places: Sequence[LogPlace], stamp: str, term: str) -> JobResult:
    """The last match before this time in all logs, with the lines around it."""
    best, found = "", None
    for place in places:
        page = find_before(job.open(place), stamp, place.depth, term, job.report, floor=best)
        if page is None:
            continue
        loaded = _mask(place.source, page)
        match = _find_match([line for line in reversed(loaded.lines) if line.stamp < stamp], term)
        if found is None or match > best:
            best, found = match, loaded
    return _load_around(job, places, found, best)


def search_after(job: LogJob, places: Sequence[LogPlace], stamp: str, term: str) -> JobResult:
    """The first match after this time in all logs, with the lines around it."""
    best, found = "", None
    for place in places:
        page = find_after(job.open(place), stamp, term, job.report)
        if page is None:
            continue
        loaded = _mask(place.source, page)
        match = _find_match([line for line in loaded.lines if line.stamp > stamp], term)
        if found is None or match < best:
            best, found = match, loaded
    return _load_around(job, places, found, best)


def _find_match(lines: Sequence[LogLine], term: str) -> str:
    """The time of the first of the lines that matches."""
    return next(
        (line.stamp for line in lines if term.lower() in line.text.lower()), lines[0].stamp if lines else ""
    )


def _load_around(
    job: LogJob, places: Sequence[LogPlace], match_page: LoadedPage | None, match: str
) -> JobResult:
    if match_page is None:
        return JobResult()
    pages, end = [match_page], match_page.lines[-1].stamp
    for place in places:
        if place.source != match_page.source:
            page = read_before(job.open(place), end, place.depth, AROUND_LINES)
            loaded = _mask(place.source, page)
            pages.append(
                msgspec.structs.replace(loaded, lines=[line for line in loaded.lines if line.stamp <= end])
            )
    return JobResult(pages, match)


def _mask(source: int, page: RawPage) -> LoadedPage:
    return LoadedPage(source, page.mask(source), page.depth, at_start=page.at_start, at_end=page.at_end)
