"""`hemostat record`: writes the events that the dashboard receives to a replay file."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click
import msgspec

from hemostat import errors, ports
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.cli.run.roles import stop_on_signals
from hemostat.core.text import escape_controls
from hemostat.errors import BusError
from hemostat.events import DURABLE, TYPES, Event

if TYPE_CHECKING:
    from hemostat.core.history.replay import Replay

FIRST_EVENT_COUNT: Final = 500
"""Events of each stream at the start of a replay: as many as the dashboard's log shows."""
POLL_SECONDS: Final = 0.25
"""Seconds between two checks of the end."""
FLUSH_SECONDS: Final = 5.0
"""Seconds of a replay that may be lost if the process is killed."""
RETRY_SECONDS: Final = 1.0


class RecordResult(msgspec.Struct, frozen=True, kw_only=True):
    """The replay file, and the number of events in it."""

    path: str
    events: int


class ReplayOutput(Protocol):
    """The destination of a replay."""

    @property
    def is_full(self) -> bool: ...

    def write(self, line: bytes) -> None: ...

    def flush(self) -> None: ...


class Duration(click.ParamType[float]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from hemostat.core.units import parse_duration

        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", type=Duration(), help="Start this long ago. Without --for, stop at the present.")
@click.option("--for", "span", type=Duration(), help="Length of the recording.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_obj
@prints_json(JsonShape("cli.dashboard.record:RecordResult"))
def record(options: Globals, file: Path, since: float | None, span: float | None, force: bool) -> int:
    """Record events and statistics to the replay file FILE, until Ctrl-C. A name that ends in .gz compresses
    it.

    The past is available from the streams only: alerts and actions, without statistics. Secrets are masked.
    hemostat tui --replay FILE plays the file.
    """
    from hemostat import app
    from hemostat.adapters.replay_file import ReplayFile
    from hemostat.adapters.system_clock import SystemClock
    from hemostat.core.history.replay import encode_header

    options.start_logging()
    settings = options.load_settings()
    bus = app.open_bus(settings, start=False)
    try:
        with stop_on_signals() as stop, ReplayFile(file, force=force) as out:
            clock = SystemClock(stop.event)
            started_at = clock.now()
            out.write(encode_header(settings.host_name, started_at - (since or 0.0)))
            recorder = ReplayRecorder(bus, clock, out, stop.event, started_at - (since or 0.0))
            if since is not None and span is None:
                recorder.record_past()
            else:
                _print(f"recording to {file}: stop with Ctrl-C")
                recorder.record_live(None if span is None else started_at + span)
    finally:
        bus.close()
    _print_report(options, file, recorder)
    return errors.OK


def _print_report(options: Globals, file: Path, recorder: "ReplayRecorder") -> None:
    if options.json:
        write_json(RecordResult(path=str(file), events=recorder.count))
    else:
        _print(f"{recorder.count} events in {file}; play with: hemostat tui --replay {file}")


def _print(text: str) -> None:
    click.echo(escape_controls(f"hemostat: {text}"), err=True)


class ReplayRecorder:
    """Writes the events on the bus and new ones, each event of a stream once."""

    def __init__(
        self, bus: ports.Bus, clock: ports.Clock, out: ReplayOutput, stop: threading.Event, begin: float
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._out = out
        self._stop = stop
        self._begin_time = begin
        self._seen: set[str] = set()
        self._latest: dict[tuple[str, str], str] = {}
        self.count = 0
        """Events written."""

    def record_past(self) -> None:
        """Write the events on the bus since the beginning, and as many before it as the dashboard would
        show.
        """
        now = self._clock.now()
        for event in read_remembered(self._bus, self._begin_time):
            self._write(event, min(event.time, now))

    def record_live(self, until: float | None) -> None:
        """Write new events until stopped or full. After a lost connection, missed events come first."""
        while not self._is_over(until):
            try:
                self._listen(until)
            except BusError as error:
                if not error.transient:
                    raise
                _print(f"connection lost: {error}: reconnecting")
                self._stop.wait(RETRY_SECONDS)
        if self._out.is_full:
            _print("the replay file has reached its maximum size; the recording ends")

    def _listen(self, until: float | None) -> None:
        caught_up, flushed = False, self._clock.now()
        for event in self._bus.subscribe(tuple(TYPES), timeout=POLL_SECONDS):
            if not caught_up:
                self.record_past()
                caught_up = True
            if event is not None:
                self._write(event, self._clock.now())
            if self._clock.now() > flushed + FLUSH_SECONDS:
                self._out.flush()
                flushed = self._clock.now()
            if self._is_over(until):
                return

    def _is_over(self, until: float | None) -> bool:
        is_late = until is not None and self._clock.now() >= until
        return is_late or self._out.is_full or self._stop.is_set()

    def _write(self, event: Event, at: float) -> None:
        from hemostat.core.history.identity import identify_event
        from hemostat.core.history.replay import encode_event_line
        from hemostat.core.history.status import get_replacement_key

        name = identify_event(event)
        if name in self._seen or self._out.is_full:
            return
        self._out.write(encode_event_line(event, at))
        self.count += 1
        self._seen.add(name)
        if event.type not in DURABLE:
            # Of events that replace each other, only the latest can arrive again.
            key = (event.type, get_replacement_key(event))
            self._seen.discard(self._latest.get(key, ""))
            self._latest[key] = name


def read_remembered(bus: ports.Bus, begin: float) -> list[Event]:
    """The events on the bus since `begin`, and before that the newest of each stream."""
    streams = [event for name in DURABLE for event in _read_stream(bus, name, begin)]
    values = [event for name in TYPES if name not in DURABLE for event in bus.read_last_values(name)]
    return sorted([*streams, *values], key=lambda event: (event.time, event.id))


def _read_stream(bus: ports.Bus, name: str, begin: float) -> list[Event]:
    """The events since `begin`. The number read is doubled while there may be more."""
    count, before = FIRST_EVENT_COUNT, -1
    while True:
        events = bus.read_recent(name, count)
        if len(events) == before or not events or events[0].time < begin:
            return events
        count, before = 2 * count, len(events)


def make_replay(bus: ports.Bus, host: str, since: float, now: float) -> "Replay":
    """The streams' events of the last `since` seconds, as a replay."""
    from hemostat.core.history.replay import FORMAT_NAME, FORMAT_VERSION, ReplayHeader, build_replay

    begin = now - since
    header = ReplayHeader(format=FORMAT_NAME, version=FORMAT_VERSION, host=host, begin=begin)
    events = [each for name in DURABLE for each in _read_stream(bus, name, begin)]
    return build_replay(header, events, latest=now)
