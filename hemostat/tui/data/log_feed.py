"""Follows the logs of several containers from threads, and delivers masked lines a few times a second.

A log may grow faster than its secrets can be masked. Then lines are left out, and a line says so: the reader
opens the log again at its present end.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import msgspec

from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError, NoSuchContainerError
from hemostat.ports import EngineReader
from hemostat.tui.data.container_poll import NO_ENGINE_TEXT, NOT_FOUND_TEXT
from hemostat.tui.data.log_lines import (
    CONTEXT_LINES,
    LOOKAHEAD_LINES,
    STAMP_LENGTH,
    LogLine,
    mask_lines,
    parse_stamp,
)
from hemostat.tui.data.log_pages import LogAccess, StoppedError

FIRST_LINES: Final = 300
"""Lines of each log that are shown at first."""
MAX_PENDING_LINES: Final = 2000
MAX_PENDING_BYTES: Final = 1 << 20
"""Lines and bytes of a log that wait to be masked."""
GATHER_SECONDS: Final = 0.05
"""Seconds between a line and its masking."""
BATCH_LINES: Final = 200
RETRY_SECONDS: Final = 2.0
"""Seconds until a log that ended is opened again: its container may be started."""
SKIPPED_TEXT: Final = "… lines are left out: the log grows faster than it can be shown"


class LogBatch(msgspec.Struct, frozen=True):
    """New lines of one container. `why` is the reason for no log."""

    source: int
    lines: Sequence[LogLine] = ()
    why: str = ""


class _Source:
    """One container. The reading thread adds lines, the masking thread takes them."""

    def __init__(self, number: int, container: str) -> None:
        self.number = number
        self.container = container
        self.access: LogAccess | None = None
        self.pending: deque[bytes] = deque()
        self.size = 0
        self.last = b""
        """The time of the last line that was read."""
        self.has_gap = False
        self.why: str | None = None
        """What was reported last. None: nothing yet."""
        self.context: list[bytes] = []

    def is_full(self) -> bool:
        return len(self.pending) >= MAX_PENDING_LINES or self.size > MAX_PENDING_BYTES


class LogFeed:
    """Follows the containers. `engine` returns the engine of the container with a number: it may be slow to
    connect, and returns None if there is no engine."""

    def __init__(
        self,
        engine: Callable[[int], EngineReader | None],
        containers: Sequence[str],
        deliver: Callable[[LogBatch], object],
        *,
        every: float,
    ) -> None:
        self._engine = engine
        self._deliver = deliver
        self._every = every
        self._sources = [_Source(number, container) for number, container in enumerate(containers)]
        self._stopped = threading.Event()
        self._changed = threading.Condition()

    def start(self) -> None:
        for source in self._sources:
            threading.Thread(target=self._follow, args=(source,), name="log", daemon=True).start()
        threading.Thread(target=self._mask, name="log-mask", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        for source in self._sources:
            if source.access is not None:
                source.access.stop()

    def replace(self, number: int, container: str) -> None:
        """Follow another container under this number: it was recreated."""
        self._sources[number].container = container

    # --- reading ------------------------------------------------------------------------------------

    def _follow(self, source: _Source) -> None:
        while not self._stopped.is_set():
            why = ""
            try:
                why = self._read(source)
            except StoppedError:
                return
            except NoSuchContainerError:
                why = NOT_FOUND_TEXT
            except HemoStatError as error:
                why = error.message
            self._report(source, why)
            self._stopped.wait(RETRY_SECONDS)

    def _read(self, source: _Source) -> str:
        """Read until the log ends. Returns why there is no log."""
        engine = self._engine(source.number)
        if engine is None or not source.container:
            return NOT_FOUND_TEXT if engine else NO_ENGINE_TEXT
        source.access = access = LogAccess(engine, source.container)
        if self._stopped.is_set():
            access.stop()
        since = int(parse_stamp(source.last.decode())) if source.last else 0
        is_first = True
        with access.open_lines(tail=FIRST_LINES, since=since, follow=True) as lines:
            self._report(source, "")
            for line in lines:
                at = line[:STAMP_LENGTH]
                if at <= source.last:
                    is_first = False
                    continue
                self._add(source, line, is_after_gap=is_first and bool(source.last))
                is_first = False
                if source.is_full():
                    break
        if source.is_full():
            self._wait_for_room(source)
        return ""

    def _add(self, source: _Source, line: bytes, *, is_after_gap: bool) -> None:
        with self._changed:
            if is_after_gap and source.has_gap:
                source.pending.append(line[: STAMP_LENGTH + 1] + SKIPPED_TEXT.encode())
            source.has_gap = False
            source.last = line[:STAMP_LENGTH]
            source.pending.append(line)
            source.size += len(line)
            self._changed.notify_all()

    def _wait_for_room(self, source: _Source) -> None:
        with self._changed:
            source.has_gap = True
            self._changed.wait_for(lambda: self._stopped.is_set() or not source.pending)

    def _report(self, source: _Source, why: str) -> None:
        if why != source.why and not self._stopped.is_set():
            source.why = why
            self._deliver(LogBatch(source.number, why=escape_controls(why)))

    # --- masking ------------------------------------------------------------------------------------

    def _mask(self) -> None:
        while not self._stopped.is_set():
            begin = time.monotonic()
            more = False
            for source in self._sources:
                more |= self._mask_some(source)
            took = time.monotonic() - begin
            # At most half of the time: keys and updates need the rest.
            self._stopped.wait(took if more else max(took, self._every))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopped.is_set() or any(each.pending for each in self._sources)
                )
            # The lines that follow at once may show that a line has a secret.
            self._stopped.wait(GATHER_SECONDS)

    def _mask_some(self, source: _Source) -> bool:
        """Deliver some lines. Returns whether more are pending."""
        with self._changed:
            raw = [source.pending.popleft() for _ in range(min(BATCH_LINES, len(source.pending)))]
            source.size = sum(map(len, source.pending)) if source.pending else 0
            self._changed.notify_all()
            after = list(islice(source.pending, LOOKAHEAD_LINES))
        if raw:
            lines = mask_lines(raw, source.context, after, source=source.number)
            source.context = [*source.context, *raw][-CONTEXT_LINES:]
            if not self._stopped.is_set():
                self._deliver(LogBatch(source.number, lines))
        return bool(after)
