"""Loads and searches parts of several logs in a thread that the user can stop.

A job is a daemon thread, and each host that it reads from has another: an engine that does not answer must
delay neither quitting nor the results of the other engines.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from queue import Empty, SimpleQueue
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
SILENT_SECONDS: Final = 5.0
"""Seconds without a line after which a job goes on without the logs of a host, once the others are read."""
POLL_SECONDS: Final = 0.1
SILENT_TEXT: Final = "its engine does not answer"
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
    """What a job has loaded. `match` is the time of the line to go to; `at_end`: there are no newer lines.
    `missing`: why a log was not read, by its number."""

    pages: Sequence[LoadedPage] = ()
    match: str = ""
    at_end: bool = False
    missing: Mapping[int, str] = {}


class LogPlace(msgspec.Struct, frozen=True):
    """Where one log is to be read. Logs of one `host` are read one after the other. `stamp` is the time of
    its first line in memory, None without a line."""

    source: int
    container: str
    stamp: str | None = None
    depth: int = 0
    host: str = ""


ReadLog = Callable[[LogPlace], RawPage | None]
"""Reads one log. None: it has no such lines."""


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
        self._accesses: dict[str, LogAccess] = {}
        """By host."""
        self._heard_at: dict[str, float] = {}
        """By host: when it was last asked (monotonic seconds)."""
        self._reported_at = 0.0
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="log-job", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        for access in list(self._accesses.values()):
            access.stop()

    def open(self, place: LogPlace) -> LogAccess:
        self._heard_at[place.host] = time.monotonic()
        engine = self._engine(place.source)
        if engine is None:
            raise HemoStatError(NO_ENGINE_TEXT)
        self._accesses[place.host] = access = LogAccess(engine, place.container)
        if self._stopped.is_set():
            raise StoppedError
        return access

    def read_each(
        self, places: Sequence[LogPlace], read: ReadLog
    ) -> tuple[dict[int, RawPage], dict[int, str]]:
        """Read all logs, those of different hosts at the same time. Returns the pages and why others are
        missing, both by the log's number. Of several hosts, one that gives no line for SILENT_SECONDS is left
        out once the others are read.

        Raises StoppedError, and HemoStatError if no log could be read.
        """
        by_host: dict[str, list[LogPlace]] = {}
        for place in places:
            by_host.setdefault(place.host, []).append(place)
        ends: SimpleQueue[tuple[LogPlace, RawPage | None, str]] = SimpleQueue()
        for host, own in by_host.items():
            self._heard_at[host] = time.monotonic()
            threading.Thread(
                target=self._read_host, args=(own, read, ends), name="log-job-host", daemon=True
            ).start()
        pages: dict[int, RawPage] = {}
        missing: dict[int, str] = {}
        waiting = {place.source: place for place in places}
        while waiting:
            try:
                place, page, why = ends.get(timeout=POLL_SECONDS)
            except Empty:
                if self._stopped.is_set():
                    raise StoppedError from None
                if len(by_host) > 1 and all(self._is_silent(each.host) for each in waiting.values()):
                    missing |= dict.fromkeys(waiting, SILENT_TEXT)
                    break
                continue
            del waiting[place.source]
            if page is not None:
                pages[place.source] = page
            elif why:
                missing[place.source] = why
        if missing and len(missing) == len(places):
            raise HemoStatError(next(iter(missing.values())))
        return pages, missing

    def _read_host(
        self,
        places: Sequence[LogPlace],
        read: ReadLog,
        ends: SimpleQueue[tuple[LogPlace, RawPage | None, str]],
    ) -> None:
        for place in places:
            page, why = None, ""
            try:
                page = read(place)
            except StoppedError:
                return
            except HemoStatError as error:
                why = error.message
            ends.put((place, page, why))

    def _is_silent(self, host: str) -> bool:
        access = self._accesses.get(host)
        heard_at = max(self._heard_at[host], access.heard_at if access else 0.0)
        return time.monotonic() - heard_at >= SILENT_SECONDS

    def report(self, place: LogPlace, count: int, stamp: str) -> None:
        now = self._heard_at[place.host] = time.monotonic()
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
    return _join_forward(*job.read_each(places, lambda place: read_start(job.open(place))))


def load_newer(job: LogJob, places: Sequence[LogPlace], stamp: str) -> JobResult:
    """The lines of all logs after this time."""
    return _join_forward(*job.read_each(places, lambda place: read_after(job.open(place), stamp)))


def _join_forward(pages: Mapping[int, RawPage], missing: Mapping[int, str]) -> JobResult:
    """The lines up to the time until which all logs are known, except the missing ones."""
    loaded = [_mask(source, page) for source, page in pages.items()]
    horizon = min((each.lines[-1].stamp for each in loaded if each.lines and not each.at_end), default=None)
    if horizon is not None:
        loaded = [
            msgspec.structs.replace(each, lines=[line for line in each.lines if line.stamp <= horizon])
            for each in loaded
        ]
    return JobResult(loaded, at_end=horizon is None, missing=missing)


def search_before(job: LogJob, places: Sequence[LogPlace], stamp: str, term: str) -> JobResult:
    """The last match before this time in all logs, with the lines around it."""
    matches: list[tuple[str, LoadedPage]] = []

    def read(place: LogPlace) -> RawPage | None:
        floor = max((match for match, _ in matches), default="")
        report = partial(job.report, place)
        page = find_before(job.open(place), stamp, place.depth, term, report, floor=floor)
        if page is not None:
            loaded = _mask(place.source, page)
            earlier = [line for line in reversed(loaded.lines) if line.stamp < stamp]
            matches.append((_find_match(earlier, term), loaded))
        return page

    _, missing = job.read_each(places, read)
    best = max(matches, key=itemgetter(0), default=None)
    return _load_around(job, places, best, missing)


def search_after(job: LogJob, places: Sequence[LogPlace], stamp: str, term: str) -> JobResult:
    """The first match after this time in all logs, with the lines around it."""
    matches: list[tuple[str, LoadedPage]] = []

    def read(place: LogPlace) -> RawPage | None:
        page = find_after(job.open(place), stamp, term, partial(job.report, place))
        if page is not None:
            loaded = _mask(place.source, page)
            matches.append((_find_match([line for line in loaded.lines if line.stamp > stamp], term), loaded))
        return page

    _, missing = job.read_each(places, read)
    best = min(matches, key=itemgetter(0), default=None)
    return _load_around(job, places, best, missing)


def _find_match(lines: Sequence[LogLine], term: str) -> str:
    """The time of the first of the lines that matches."""
    return next(
        (line.stamp for line in lines if term.lower() in line.text.lower()), lines[0].stamp if lines else ""
    )


def _load_around(
    job: LogJob,
    places: Sequence[LogPlace],
    best: tuple[str, LoadedPage] | None,
    missing: Mapping[int, str],
) -> JobResult:
    """The page of the best match, and the lines of the other logs around it. A log that could not be searched
    is not asked again."""
    if best is None:
        return JobResult(missing=missing)
    match, match_page = best
    end = match_page.lines[-1].stamp
    others = [each for each in places if each.source != match_page.source and each.source not in missing]
    pages, silent = job.read_each(
        others, lambda place: read_before(job.open(place), end, place.depth, AROUND_LINES)
    )
    loaded = [match_page]
    for source, page in pages.items():
        masked = _mask(source, page)
        loaded.append(
            msgspec.structs.replace(masked, lines=[line for line in masked.lines if line.stamp <= end])
        )
    return JobResult(loaded, match, missing={**missing, **silent})


def _mask(source: int, page: RawPage) -> LoadedPage:
    return LoadedPage(source, page.mask(source), page.depth, at_start=page.at_start, at_end=page.at_end)
