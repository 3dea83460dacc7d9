"""A clock that tests advance."""

from collections.abc import Callable


class FakeClock:
    """`sleep` advances the time at once. `on_sleep`, if given, is called meanwhile."""

    def __init__(self, now: float = 1_795_480_000.0, on_sleep: Callable[[float], None] | None = None) -> None:
        self.time = now
        self.on_sleep = on_sleep

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.on_sleep is not None:
            self.on_sleep(seconds)

    def advance(self, seconds: float) -> float:
        self.time += seconds
        return self.time
