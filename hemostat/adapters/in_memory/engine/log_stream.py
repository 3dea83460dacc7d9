"""The log of a simulated container as a stream."""

from collections.abc import Iterator
from datetime import UTC, datetime

from hemostat.adapters.in_memory.engine.faults import EngineFaults


class SimulatedLogStream:
    def __init__(
        self, engine: EngineFaults, container: str, *, tail: int | None, since: float, follow: bool
    ) -> None:
        self._engine = engine
        self._container = container
        self._tail = tail
        self._since = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z".encode()
        self._follow = follow
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        lines, is_running = self._engine.read_log(self._container, 0)
        at = len(lines)
        yield from (line for line in lines[-self._tail if self._tail else 0 :] if line >= self._since)
        while self._follow and is_running and not self._is_closed:
            lines, is_running = self._engine.read_log(self._container, at, wait=lambda: self._is_closed)
            at += len(lines)
            yield from lines

    def close(self) -> None:
        self._is_closed = True
        self._engine.wake()
