"""`hemostat watch`: prints a summary, and then one plain line for each change, for screen readers and logs.

The cursor is never moved and no line is printed twice. No information is in colours or signs.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat.cli.completion.names import complete_containers, complete_files, complete_hosts
from hemostat.cli.dashboard.watch_summary import WatchFilter, list_summary
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import is_interactive, write_json
from hemostat.cli.status.events import RETRY_SECONDS, Reader
from hemostat.core.history.changes import Change, ChangeTracker
from hemostat.core.history.repeats import RepeatFilter, mask_figures
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.errors import BusError, UsageError
from hemostat.events import DURABLE, TYPES, Event
from hemostat.ports import Bus

if TYPE_CHECKING:
    from hemostat.core.history.replay import Replay

LIVE_TYPES: Final = tuple(name for name in TYPES if name not in DURABLE)
BELL: Final = "\a"


@click.command()
@click.option("--host", metavar="NAME", shell_complete=complete_hosts, help="Only what happens on this host.")
@click.option(
    "--container",
    metavar="NAME",
    shell_complete=complete_containers,
    help="Of containers, only this one. Roles and hosts are always watched.",
)
@click.option("--bell", is_flag=True, help="Ring the terminal's bell when something needs a person.")
@click.option(
    "--replay",
    metavar="FILE",
    shell_complete=complete_files,
    help="Print the changes in a replay file of hemostat record, or demo, and end.",
)
@click.option("--demo", is_flag=True, help="Print the changes in HemoStat's own replay file: --replay demo.")
@click.pass_obj
@prints_json(JsonShape("core.history.changes:Change", "lines"))
def watch(
    options: Globals, host: str | None, container: str | None, bell: bool, replay: str | None, demo: bool
) -> None:
    """Print the state now, and then one plain line for each change, until Ctrl-C.

    For screen readers, pipes and logs: the cursor is not moved, and nothing depends on colours or signs.
    Lines that repeat are joined once a minute.
    """
    from hemostat.cli.dashboard.tui import DEMO_NAME

    if demo and replay is not None:
        raise UsageError("--demo and --replay cannot be combined", hint="use one of them")
    options.start_logging()
    chosen = WatchFilter(host or "", container or "")
    output = WatchOutput(chosen, as_json=options.json, bell=bell and is_interactive())
    replay = DEMO_NAME if demo else replay
    if replay is not None:
        _print_replay(replay, output)
        return
    from hemostat import app

    settings = options.load_settings()
    bus = app.open_bus(settings, start=False)
    try:
        watcher = Watcher(bus, output)
        with app.open_operator(settings) as orders:
            watcher.begin()
            output.write_summary(list_summary(bus, orders, chosen, time.time()))
        watcher.run()
    finally:
        output.write_joined(time.time(), all_of_them=True)
        bus.close()


class WatchOutput:
    """Writes changes, each at once. Repeated ones are joined. Times are epoch seconds."""

    def __init__(self, chosen: WatchFilter, *, as_json: bool, bell: bool) -> None:
        self._chosen = chosen
        self._as_json = as_json
        self._bell = bell
        self._repeats: RepeatFilter[Change] = RepeatFilter()
        self._hosts: set[str] = set()
        self._day = ""

    def write_summary(self, lines: Iterator[str]) -> None:
        """With --json there are only changes: hemostat status --json has the state."""
        if not self._as_json:
            for line in lines:
                click.echo(escape_controls(line))

    def note_host(self, host: str) -> None:
        """From the second host on, the lines name the host."""
        if host:
            self._hosts.add(host)

    def write(self, change: Change, now: float) -> None:
        self.note_host(change.host)
        if not self._chosen.includes(change):
            return
        key = (change.host, change.subject, change.what, mask_figures(change.text))
        if change.is_single or self._repeats.is_new(key, change, now):
            self._print(change)

    def write_joined(self, now: float, *, all_of_them: bool = False) -> None:
        for each in self._repeats.take_joined(now, all_of_them=all_of_them):
            text = each.describe(each.last.text)
            self._print(msgspec.structs.replace(each.last, time=now, text=text))

    def _print(self, change: Change) -> None:
        if self._as_json:
            write_json(change)
            return
        moment = datetime.fromtimestamp(change.time).astimezone()
        if (day := f"{moment:%Y-%m-%d}") != self._day:
            self._day = day
            click.echo(f"date: {day}")
        subject = self._describe_subject(change)
        bell = BELL if self._bell and change.needs_person else ""
        click.echo(f"{moment:%H:%M:%S} {escape_controls(f'{subject}: {change.text}')}{bell}")

    def _describe_subject(self, change: Change) -> str:
        match change.what:
            case "connection":
                return "connection"
            case "host":
                return f"host {change.host}"
            case "role":
                on_host = f" on {change.host}" if len(self._hosts) > 1 else ""
                return f"role {change.subject}{on_host}"
        name = change.subject or f"host {change.host}"
        return f"{change.host}/{name}" if len(self._hosts) > 1 and change.subject else name


class Watcher:
    """Passes the changes on the bus to an output, also after the connection was lost."""

    def __init__(self, bus: Bus, output: WatchOutput, clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._output = output
        self._clock = clock
        self._tracker = ChangeTracker()
        self._reader = Reader(bus, tuple(TYPES), None, lambda _: None)
        self._lost_at: float | None = None

    def begin(self) -> None:
        """Note the present state. Changes from now on are written."""
        self._reader.read_past(0)
        values = self._read_last_values()
        for event in values:
            self._output.note_host(event.host)
        self._tracker.begin(values, self._clock())

    def run(self) -> None:
        while True:
            self.follow()
            time.sleep(RETRY_SECONDS)

    def follow(self) -> None:
        """Write changes until the connection is lost. The loss and the return are told once."""
        try:
            for events in self._reader.iterate_live():
                now = self._clock()
                if self._lost_at is not None:
                    self._note_return(now)
                for event in events:
                    self._write_all(self._tracker.handle(event, now), now)
                self._write_all(self._tracker.check_time(now), now)
                self._output.write_joined(now)
        except BusError as error:
            if not error.transient:
                raise
            if self._lost_at is None:
                self._lost_at = self._clock()
                text = f"lost, nothing is known until it is back: {error}"
                self._write_connection(text, self._lost_at, needs_person=True)
            self._output.write_joined(self._clock())

    def _note_return(self, now: float) -> None:
        duration = show_duration(max(0.0, now - (self._lost_at or now)))
        values = self._read_last_values()
        self._lost_at = None
        self._write_connection(f"back after {duration}", now)
        self._write_all(self._tracker.resume(values, now), now)

    def _read_last_values(self) -> list[Event]:
        return [event for name in LIVE_TYPES for event in self._bus.read_last_values(name)]

    def _write_all(self, changes: list[Change], now: float) -> None:
        for change in changes:
            self._output.write(change, now)

    def _write_connection(self, text: str, now: float, *, needs_person: bool = False) -> None:
        self._output.write(
            Change(
                time=now,
                host="",
                subject="",
                what="connection",
                text=text,
                needs_person=needs_person,
                is_single=True,
            ),
            now,
        )


def _print_replay(replay: str, output: WatchOutput) -> None:
    """Print all changes of a replay file, without waiting."""
    from pathlib import Path

    from hemostat.adapters.replay_file import read_replay
    from hemostat.cli.dashboard.tui import DEMO_NAME, find_demo_file

    recording = read_replay(find_demo_file() if replay == DEMO_NAME else Path(replay))
    for note in recording.notes:
        click.echo(escape_controls(f"hemostat: {note}"), err=True)
    output.write_summary(iter([_describe_replay(recording, Path(replay).name)]))
    tracker, now = ChangeTracker(), recording.begin
    tracker.begin((event for name in LIVE_TYPES for event in recording.find_last_values(name, now)), now)
    while now < recording.end:
        after, now = now, min(now + 1.0, recording.end)
        for event in recording.iterate_between(after, now, tuple(TYPES)):
            for change in tracker.handle(event, now):
                output.write(change, now)
        for change in tracker.check_time(now):
            output.write(change, now)
        output.write_joined(now)
    output.write_joined(now, all_of_them=True)


def _describe_replay(recording: "Replay", name: str) -> str:
    count = len(recording.incident_starts)
    incidents = "1 incident" if count == 1 else f"{count} incidents"
    return f"replay {name}: {show_duration(recording.end - recording.begin)}, {incidents}"
