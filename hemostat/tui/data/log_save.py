"""Writes all that the engine has of some logs to a file, masked, in a thread that the user can stop.

The logs are read once, from their beginning, a block at a time, so that memory does not grow with them. The
file gets its name at the end: a stopped or failed save leaves no file.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from hemostat.errors import HemoStatError
from hemostat.output_file import stream_output
from hemostat.ports import EngineReader
from hemostat.tui.data.container_poll import NO_ENGINE_TEXT
from hemostat.tui.data.log_lines import (
    BLOCK_LINES,
    CONTEXT_LINES,
    LOOKAHEAD_LINES,
    STAMP_LENGTH,
    LogLine,
    mask_lines,
)
from hemostat.tui.data.log_pages import LogAccess, StoppedError

PROGRESS_SECONDS: Final = 0.3
SAVE_BLOCK_LINES: Final = 4 * BLOCK_LINES
MAX_BLOCK_BYTES: Final = 1 << 19
"""Bytes of a block, with lines of any length."""


class SavePlan(msgspec.Struct, frozen=True):
    """`containers` are ids, `heads` stand between time and text, by log. `replace`: an existing file."""

    containers: Sequence[str]
    heads: Sequence[str]
    path: Path
    replace: bool = False


class LogSave:
    """A running save. `engine` returns the engine of the log with a number. `on_progress` gets a text,
    `on_end` the number of lines and an error, else empty. A save that was stopped calls neither."""

    def __init__(
        self,
        engine: Callable[[int], EngineReader | None],
        plan: SavePlan,
        on_progress: Callable[["LogSave", str], object],
        on_end: Callable[["LogSave", int, str], object],
    ) -> None:
        self.plan = plan
        self._engine = engine
        self._on_progress = on_progress
        self._on_end = on_end
        self._reported_at = 0.0
        self._accesses: list[LogAccess] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-save", daemon=True)
        self._thread.start()

    def stop(self, wait: float = 0.0) -> None:
        """Stop, and wait at most so many seconds until the unfinished file is removed."""
        self._stopped.set()
        for access in self._accesses:
            access.stop()
        if wait:
            self._thread.join(wait)

    def _run(self) -> None:
        count, why = 0, ""
        try:
            with stream_output(self.plan.path, replace=self.plan.replace) as file:
                count = self._write(file)
                self._require_going()
        except StoppedError:
            return
        except HemoStatError as error:
            why = error.message
        except (OSError, RuntimeError) as error:
            why = f"{self.plan.path}: {getattr(error, 'strerror', None) or error}"
        if not self._stopped.is_set():
            self._on_end(self, count, why)

    def _write(self, file: BinaryIO) -> int:
        count, heads = 0, self.plan.heads
        with ExitStack() as stack:
            logs = []
            for source, container in enumerate(self.plan.containers):
                engine = self._engine(source)
                if engine is None:
                    raise HemoStatError(NO_ENGINE_TEXT)
                access = LogAccess(engine, container)
                self._accesses.append(access)
                self._require_going()
                end = read_last_stamp(access)
                logs.append(mask_stream(stack.enter_context(access.open_lines()), end, source))
            for line in heapq.merge(*logs, key=lambda line: line.stamp):
                text = f"{line.stamp}{heads[line.source]} {line.text}\n"
                file.write(text.encode("utf-8", "replace"))
                count += 1
                self._report(count, line.stamp)
        return count

    def _require_going(self) -> None:
        if self._stopped.is_set():
            raise StoppedError

    def _report(self, count: int, stamp: str) -> None:
        now = time.monotonic()
        if now - self._reported_at >= PROGRESS_SECONDS:
            self._require_going()
            self._reported_at = now
            self._on_progress(self, f"{count:,} lines, at {stamp[:19].replace('T', ' ')}")


def read_last_stamp(access: LogAccess) -> bytes:
    """The time of the newest line: a save ends there, also if the log grows faster than it is read."""
    stamp = b""
    with access.open_lines(tail=1) as lines:
        for line in lines:
            stamp = line[:STAMP_LENGTH]
    return stamp


def mask_stream(lines: Iterable[bytes], end: bytes, source: int = 0) -> Iterator[LogLine]:
    """The lines up to this time, masked. Only a block and the lines before it are in memory."""
    before: deque[bytes] = deque(maxlen=CONTEXT_LINES)
    block: list[bytes] = []
    size = 0
    for line in lines:
        if line[:STAMP_LENGTH] > end:
            break
        block.append(line)
        size += len(line)
        if len(block) > LOOKAHEAD_LINES and (
            len(block) >= SAVE_BLOCK_LINES + LOOKAHEAD_LINES or size > MAX_BLOCK_BYTES
        ):
            done, block = block[:-LOOKAHEAD_LINES], block[-LOOKAHEAD_LINES:]
            yield from mask_lines(done, [*before], after=block, source=source)
            before.extend(done)
            size = sum(map(len, block))
    yield from mask_lines(block, [*before], source=source)
