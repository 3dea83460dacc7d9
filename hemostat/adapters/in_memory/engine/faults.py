"""Faults of the simulated engine and its containers, which then behaves as Docker does."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hemostat.adapters.in_memory.engine.box import Process, SimulatedContainer
from hemostat.core.model import Connected, Disconnected, EngineEvent, PrunableItem, Service
from hemostat.errors import EngineError, EngineUnreachableError, NoSuchContainerError
from hemostat.ports import Clock

KILLED = 137
TERMINATED = 143
SIGKILL = 9
SIGTERM = 15


class EngineFaults:
    """The containers, their events, and methods that cause faults. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.on_exec: Callable[[str, Sequence[str]], tuple[int, str]] = lambda _container, _command: (0, "")
        """May raise TimeoutError: the command exceeds its time limit."""
        self.is_behind = False
        self.prunable_items: list[PrunableItem] = []
        """Unused images, volumes and build cache."""
        self.services: dict[str, Service] = {}
        self._boxes: dict[str, SimulatedContainer] = {}
        self._made_count = 0
        self._history: list[EngineEvent] = []
        self._turn = 0
        """Counts connection losses and returns. Even while connected."""
        self._closed = False
        self._error: EngineError | None = None
        self._changed = threading.Condition(threading.RLock())

    def crash(self, container: str, exit_code: int = 1) -> None:
        with self._box(container) as box:
            self._die(box, exit_code)
            self._follow_policy(box)

    def oom(self, container: str) -> None:
        with self._box(container) as box:
            box.oom_killed = True
            self._emit(box, "oom")
            self._die(box, KILLED)
            self._follow_policy(box)

    def set_health(self, container: str, health: str) -> None:
        with self._box(container) as box:
            box.health = health
            self._emit(box, health)

    def pause(self, container: str) -> None:
        with self._box(container) as box:
            box.status = "paused"
            self._emit(box, "pause")

    def spin(self, container: str, cores: float) -> None:
        with self._process(container) as process:
            process.cores = cores

    def use(self, container: str, memory: int, growth: float = 0.0) -> None:
        """`memory` in bytes, now; `growth` in bytes a second from now on."""
        with self._process(container) as process:
            process.memory, process.growth = memory, growth

    def write(self, container: str, *, size: int = 0, log: str = "") -> None:
        """Add `size` bytes to the writable layer, and lines to the log."""
        with self._box(container) as box:
            box.writable += size
            box.write_log(log.splitlines(), self.clock.now())
            self._changed.notify_all()

    def read_log(
        self, container: str, at: int, *, wait: Callable[[], bool] | None = None
    ) -> tuple[list[bytes], bool]:
        """The lines from this position on, and whether the container runs. `wait`: with a running container,
        wait for a line until this is true."""
        with self._box(container) as box:
            if wait is not None:
                self._changed.wait_for(
                    lambda: self._closed or wait() or box.process is None or len(box.log) > at
                )
            pairs = zip(box.log_stamps[at:], box.log[at:], strict=True)
            lines = [f"{stamp} {line}".encode() for stamp, line in pairs]
            return lines, box.process is not None and not self._closed

    def wake(self) -> None:
        """Let waiting readers look again."""
        with self._changed:
            self._changed.notify_all()

    def fail(self, error: EngineError | None) -> None:
        """Let every call raise `error`, until None is given."""
        with self._changed:
            self._error = error

    def disconnect(self) -> None:
        """Make the engine unreachable: calls fail, and listeners are informed."""
        self._set_turn(1)

    def reconnect(self) -> None:
        self._set_turn(0)

    def _set_turn(self, parity: int) -> None:
        with self._changed:
            self._turn += self._turn % 2 != parity
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def events(self, since: float | None = None) -> Iterator[EngineEvent | Connected | Disconnected]:
        with self._changed:
            past_events = (event for event in self._history if since is not None and event.time >= since)
            return self._follow(len(self._history) - sum(1 for _ in past_events), self._turn - 1)

    def _follow(self, position: int, turn: int) -> Iterator[EngineEvent | Connected | Disconnected]:
        """Yield events from `position` in the history.

        Changes of connection up to `turn` were yielded before.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._has_news(turn, position))  # noqa: B023 - called here and now
                if self._closed:
                    return
                item: EngineEvent | Connected | Disconnected
                if turn == self._turn:
                    item, position = self._history[position], position + 1
                else:
                    turn += 1
                    item = Disconnected("the simulated engine is stopped") if turn % 2 else Connected()
            yield item

    def _has_news(self, turn: int, position: int) -> bool:
        return turn < self._turn or (turn % 2 == 0 and position < len(self._history))

    @contextmanager
    def _available(self) -> Iterator[None]:
        with self._changed:
            if self._error is not None:
                raise self._error
            if self._turn % 2:
                raise EngineUnreachableError(
                    "no Docker Engine answers", hint="the simulated engine is stopped"
                )
            yield

    @contextmanager
    def _box(self, container: str) -> Iterator[SimulatedContainer]:
        """The container by id, id prefix or name, with the lock held."""
        with self._available():
            for box in self._boxes.values():
                if container and (box.id.startswith(container) or box.spec.name == container):
                    yield box
                    return
            raise NoSuchContainerError(f"no such container: {container}")

    @contextmanager
    def _process(self, container: str) -> Iterator[Process]:
        """The running process, its counters settled."""
        with self._box(container) as box:
            if box.process is None:
                raise EngineError(f"container {container} is not running")
            box.process.settle(self.clock.now())
            yield box.process

    def _start(self, box: SimulatedContainer) -> None:
        self._made_count += 1
        box.begin(self._made_count, self.clock.now())
        self._emit(box, "start")
        if box.spec.health is not None:
            box.health = "healthy"
            self._emit(box, "healthy")

    def _die(self, box: SimulatedContainer, exit_code: int) -> None:
        box.end(exit_code, self.clock.now())
        self._emit(box, "die", exit_code=exit_code)

    def _kill(self, box: SimulatedContainer, signal: int, exit_code: int) -> None:
        self._emit(box, "kill", signal=signal)
        self._die(box, exit_code)

    def _follow_policy(self, box: SimulatedContainer) -> None:
        if box.is_restarted_by_policy():
            box.restart_count += 1
            self._start(box)

    def _emit(
        self, box: SimulatedContainer, action: str, *, exit_code: int | None = None, signal: int | None = None
    ) -> None:
        self._history.append(
            EngineEvent(
                time=self.clock.now(), action=action, container=box.ref, exit_code=exit_code, signal=signal
            )
        )
        self._changed.notify_all()
