"""`hemostat events`: prints past events and, with -f, new ones, one line an event."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import click

from hemostat import ports
from hemostat.cli.completion.names import complete_containers
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.progress import ProgressReader
from hemostat.cli.output.terminal import fold_line, write_json
from hemostat.core.history.identity import identify_event
from hemostat.core.history.incident_log import find_subject, qualify_subject
from hemostat.core.history.sentences import format_event_line
from hemostat.core.text import escape_controls
from hemostat.core.wording import describe_event_type
from hemostat.errors import BusError
from hemostat.events import DURABLE, TYPES, ContainerStats, Decided, Event, Heartbeat
from hemostat.terminal import is_reader_gone

SILENCE_SECONDS: Final = 1.0
"""Seconds of silence after which the subscription yields None."""
RETRY_SECONDS: Final = 1.0
TIME_WIDTH: Final = len("2026-01-31 23:59:59  ")
"""Cells before the container's name. Lines that are too long for the terminal continue below the name."""
MAX_CATCH_UP_EVENTS: Final = 200
"""Events of each type that are read after a gap."""
MAX_SEEN: Final = 2 * MAX_CATCH_UP_EVENTS
"""Events of each type that are recognised when they are read again."""


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Follow new events.")
@click.option("--type", "kind", type=click.Choice(list(TYPES)), help="Only events of this type.")
@click.option(
    "--container",
    metavar="NAME",
    shell_complete=complete_containers,
    help="Only events about this container.",
)
@click.option(
    "-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="Number of past events."
)
@click.pass_obj
@prints_json(JsonShape("events:Event", "lines"))
def events(options: Globals, follow: bool, kind: str | None, container: str | None, lines: int) -> None:
    """Print events, oldest first. -f follows new events."""
    from hemostat import app

    options.start_logging()
    types = (kind,) if kind else DURABLE
    settings = options.load_settings()
    has_several_hosts = len(settings.engines) > 1
    write = write_json if options.json else partial(_write_line, has_several_hosts=has_several_hosts)
    bus = app.open_bus(settings, start=False)
    try:
        with app.open_operator(settings) as orders:
            progress = None if options.json or kind else ProgressReader(bus, orders.read_overview)
            reader = Reader(bus, types, container, write, progress, has_several_hosts=has_several_hosts)
            reader.read_past(lines)
            while follow:
                _require_reader()
                reader.read_live()
                time.sleep(RETRY_SECONDS)
    finally:
        bus.close()


class Reader:
    """Passes each matching event to `write` once. With `progress`, prints what actions wait for."""

    def __init__(
        self,
        bus: ports.Bus,
        types: Sequence[str],
        container: str | None,
        write: Callable[[Event], None],
        progress: ProgressReader | None = None,
        *,
        has_several_hosts: bool = False,
    ) -> None:
        self._bus = bus
        self._types = types
        self._container = container
        self._write = write
        self._progress = progress
        self._has_several_hosts = has_several_hosts
        self._seen: dict[str, dict[str, None]] = {name: {} for name in DURABLE}
        """Keys of durable events, by type."""
        self._is_lost = False
        """Whether the loss of the connection was reported."""

    def read_past(self, lines: int) -> None:
        """Write the newest `lines` events on the bus."""
        fleeting = [
            event for name in self._types if name not in DURABLE for event in self._bus.read_last_values(name)
        ]
        unseen = self._select_unseen([*self._read_stored(max(lines, MAX_CATCH_UP_EVENTS)), *fleeting])
        for event in unseen[len(unseen) - min(lines, len(unseen)) :]:
            self._write_event(event)
        self._write_progress()

    def read_live(self) -> None:
        """Write new events until the connection is lost, after those missed before."""
        try:
            for events in self.iterate_live():
                for each in events:
                    self._write_event(each)
                self._write_progress()
        except BusError as error:
            if not error.transient:
                raise
            if not self._is_lost:
                click.echo(escape_controls(f"hemostat: connection lost: {error}: reconnecting"), err=True)
            self._is_lost = True

    def iterate_live(self) -> Iterator[list[Event]]:
        """Yield new events until the connection is lost, first those missed before. A list is empty after
        SILENCE_SECONDS without an event. Raises BusError."""
        caught_up = False
        for event in self._bus.subscribe(self._types, timeout=SILENCE_SECONDS):
            _require_reader()
            self._is_lost = False
            missed_events = [] if caught_up else self._read_stored(MAX_CATCH_UP_EVENTS)
            caught_up = True
            yield self._select_unseen([*missed_events, *([event] if event else [])])

    def _write_event(self, event: Event) -> None:
        self._write(event)
        if self._progress is not None:
            self._progress.add(event)

    def _write_progress(self) -> None:
        if self._progress is not None:
            for incident_log, progress in self._progress.take_changes():
                name = incident_log.container.name
                name = f"{incident_log.host}/{name}" if self._has_several_hosts else name
                _write_columns(time.time(), name, "progress", progress)

    def _read_stored(self, count: int) -> list[Event]:
        return [
            event for name in self._types if name in DURABLE for event in self._bus.read_recent(name, count)
        ]

    def _select_unseen(self, events: Iterable[Event]) -> list[Event]:
        """New events that match the filter, by time. They are marked as seen."""
        wanted = {identify_event(event): event for event in events if self._is_wanted(event)}
        new = [(key, event) for key, event in wanted.items() if key not in self._seen.get(event.type, ())]
        new.sort(key=lambda item: (item[1].time, item[0]))
        for key, event in new:
            if (seen := self._seen.get(event.type)) is not None:
                seen[key] = None
                if len(seen) > MAX_SEEN:
                    del seen[next(iter(seen))]
        return [event for _, event in new]

    def _is_wanted(self, event: Event) -> bool:
        return not self._container or self._container == name_subject(event)


def _require_reader() -> None:
    """Raise BrokenPipeError if writing the next event would, without waiting for an event."""
    if is_reader_gone(sys.stdout):
        raise BrokenPipeError


def name_subject(event: Event) -> str:
    """The event's container, else the role's instance, else the host."""
    match event.data:
        case ContainerStats(container=container):
            return container.name
        case Decided(container=container):
            return container
        case Heartbeat(instance=instance):
            return instance
    subject = find_subject(event)
    return subject[0].name if subject else event.host


def _write_line(event: Event, *, has_several_hosts: bool) -> None:
    subject = name_subject(event)
    subject = qualify_subject(subject, event) if has_several_hosts else subject
    _write_columns(event.time, subject, describe_event_type(event.type), format_event_line(event))


def _write_columns(at: float, subject: str, kind: str, text: str) -> None:
    moment = datetime.fromtimestamp(at).astimezone()
    line = escape_controls(f"{moment:%Y-%m-%d %H:%M:%S}  {subject:<16}  {kind:<11}  {text}")
    click.echo(fold_line(line, sys.stdout, indent=TIME_WIDTH))
