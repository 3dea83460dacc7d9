"""Replaces the bus by a replay: the dashboard receives recorded events by the replay's own clock.

Nothing can be published or ordered here: any call except reading is a programming error.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from hemostat.core.evidence.snapshot import MAX_POINTS, MetricPoint
from hemostat.core.history import playback
from hemostat.core.history.playback import PlaybackPosition
from hemostat.core.history.replay import Replay
from hemostat.events import Event
from hemostat.ports import Clock

MAX_ELAPSED_SECONDS: Final = 1.0
"""The most seconds that pass at once: a computer that slept does not skip part of the replay."""


class ReplayClock:
    """The replay's time: all events up to it were delivered. Safe to use from several threads."""

    def __init__(self, recording: Replay, wall: Clock, name: str) -> None:
        self.recording = recording
        self.name = name
        self._wall = wall
        self._changed = threading.Condition()
        self._playback_position = PlaybackPosition(recording.begin)
        self._since = wall.now()
        self._jump_count = 0

    def now(self) -> float:
        return self._playback_position.position

    def sleep(self, seconds: float) -> None:
        """Sleep in real seconds, whatever the speed."""
        self._wall.sleep(seconds)

    @property
    def playback_position(self) -> PlaybackPosition:
        return self._playback_position

    @property
    def jump_count(self) -> int:
        """The number of jumps. Data received before the last one is obsolete."""
        return self._jump_count

    def pass_time(self, jumps: int, seconds: float) -> float | None:
        """Wait, and return the new position for `note_reached`. None if a jump after `jumps` happened."""
        with self._changed:
            if self._changed.wait_for(lambda: self._jump_count != jumps, seconds):
                return None
            now = self._wall.now()
            elapsed, self._since = min(now - self._since, MAX_ELAPSED_SECONDS), now
            return playback.advance(self.recording, self._playback_position, elapsed).position

    def note_reached(self, jumps: int, position: float) -> None:
        """Note that everything up to `position` was delivered."""
        with self._changed:
            if self._jump_count == jumps:
                self._playback_position = msgspec.structs.replace(self._playback_position, position=position)

    # --- keys ---------------------------------------------------------------------------------------

    def toggle_pause(self) -> None:
        """Pause or continue. At the end, start from the beginning."""
        if playback.is_at_end(self.recording, self._playback_position):
            self._set_position(PlaybackPosition(self.recording.begin, self._playback_position.speed))
        else:
            self._set_position(
                msgspec.structs.replace(self._playback_position, paused=not self._playback_position.paused)
            )

    def step(self, seconds: float) -> None:
        self._set_position(
            playback.move_to(
                self.recording, self._playback_position, self._playback_position.position + seconds
            )
        )

    def go_to_incident(self, direction: int) -> None:
        self._set_position(playback.jump_to_incident(self.recording, self._playback_position, direction))

    def change_speed(self, steps: int) -> None:
        self._set_position(playback.change_speed(self._playback_position, steps))

    def _set_position(self, target: PlaybackPosition) -> None:
        with self._changed:
            if target.position != self._playback_position.position:
                self._jump_count += 1
                self._changed.notify_all()
            self._playback_position, self._since = target, self._wall.now()


class ReplayBus:
    """The reading part of the Bus port. `subscribe` ends after a jump and must then be called again."""

    def __init__(self, clock: ReplayClock) -> None:
        self._clock = clock
        self._replay = clock.recording

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        jumps, at = self._clock.jump_count, self._clock.now()
        yield None
        while (until := self._clock.pass_time(jumps, timeout)) is not None:
            yield from self._replay.iterate_between(at, until, streams)
            self._clock.note_reached(jumps, until)
            at = until
            yield None

    def read_recent(self, stream: str, count: int) -> list[Event]:
        return self._replay.find_recent_events(stream, count, self._clock.now())

    def read_last_values(self, stream: str) -> list[Event]:
        return self._replay.find_last_values(stream, self._clock.now())

    def read_metrics(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        return self._replay.find_points(host, container, self._clock.now(), count)

    def ping(self) -> None:
        """Always available."""

    def close(self) -> None:
        """Nothing to close."""
