"""That a role is alive, said every other second."""

from typing import Final

import msgspec

from hemostat.events import Event, Heartbeat
from hemostat.ports import Bus, Clock

BEAT: Final = 2.0
"""Seconds between two heartbeats; one is believed for three of them."""


class Pulse:
    """A role's heartbeat: what it is, how it is, how much waits for it."""

    def __init__(
        self, role: str, *, bus: Bus, clock: Clock, host: str, instance: str, pid: int, mode: str = ""
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._host = host
        self._source = f"{role}@{instance}"
        self._fact = Heartbeat(
            role=role, instance=instance, pid=pid, started=clock.now(), every=BEAT, mode=mode
        )
        self._due = 0.0
        self.handled = 0

    def due(self) -> bool:
        """A clock that was set back does not silence it."""
        return not 0 < self._due - self._clock.now() <= BEAT

    def beat(self, trouble: str, lag: int) -> None:
        now = self._clock.now()
        self._due = now + BEAT
        fact = msgspec.structs.replace(self._fact, lag=lag, handled=self.handled, trouble=trouble)
        event = Event.make(fact, time=now, host=self._host, source=self._source)
        self._bus.show([event], ttl=3 * BEAT)
