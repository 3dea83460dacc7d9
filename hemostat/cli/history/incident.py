"""`hemostat incident`: lists stored incidents, and shows one step by step."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import click
import msgspec

from hemostat.cli.completion.names import complete_incidents
from hemostat.cli.history.filters import add_filters, build_query
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.local_time import format_local
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.cli.root import Group
from hemostat.core.history.event_row import EventQuery, EventRow
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.errors import BusError, DecodeError, HemoStatError, UsageError
from hemostat.events import Epoch, Kind
from hemostat.events.fields import renamed_to

if TYPE_CHECKING:
    from hemostat.config import Settings
    from hemostat.core.evidence.snapshot import EvidenceSnapshot
    from hemostat.core.history.incident_log import IncidentLog
    from hemostat.core.history.timeline import IncidentTimeline
    from hemostat.ports import EventStore


class ListedIncident(msgspec.Struct, frozen=True, kw_only=True):
    """`began` is when the failure began, `seconds` from then to its end, null for an open incident. `events`
    is their number."""

    incident: str
    host: str
    container: str
    kind: Kind
    status: str
    open: bool
    began: Annotated[Epoch, renamed_to("since")]
    seconds: Annotated[float | None, renamed_to("duration_seconds")]
    events: int


@click.group(cls=Group)
def incident() -> None:
    """List stored incidents or show one."""


@incident.command("list")
@add_filters
@click.option(
    "-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="Maximum number. 0: all."
)
@click.pass_obj
@prints_json(JsonShape("cli.history.incident:ListedIncident", "array"))
def list_(options: Globals, /, lines: int, **filters: Any) -> None:
    """List the newest incidents, oldest first."""
    from hemostat import app
    from hemostat.core.history.incident_log import build_incident_logs

    with app.open_event_store(options.load_settings()) as records:
        query = build_query(**filters)
        incident_logs = build_incident_logs(
            decode_events(records.find_incident_rows(_limit_query(records, query, lines)))
        )
    if lines and len(incident_logs) > lines:
        incident_logs = incident_logs[-lines:]
        click.echo(f"hemostat: only the newest {lines} incidents are printed; -n 0 prints all", err=True)
    if options.json:
        write_json([_build_listed(incident_log) for incident_log in incident_logs])
        return
    columns = ("incident", "began", "container", "what", "status", "took")
    several = len({incident_log.host for incident_log in incident_logs}) > 1
    rows = [_make_row(incident_log, has_several_hosts=several) for incident_log in incident_logs]
    show_table(Table("Incidents", columns, rows))
    if not incident_logs:
        click.echo("no stored incident matches")


def _limit_query(records: "EventStore", query: EventQuery, lines: int) -> EventQuery:
    """The query restricted to the newest `lines` incidents, so that the others are not read."""
    if not lines:
        return query
    newest: dict[str, float] = {}
    for row in records.find(query):
        if row.incident:
            newest[row.incident] = row.time
        if len(newest) > lines:
            return msgspec.structs.replace(query, since=row.time)
    return query


def _build_listed(incident_log: "IncidentLog") -> ListedIncident:
    from hemostat.core.history.timeline import build_timeline

    return ListedIncident(
        incident=incident_log.incident,
        host=incident_log.host,
        container=incident_log.container.name,
        kind=incident_log.kind,
        status=incident_log.status,
        open=incident_log.is_open,
        began=incident_log.since,
        seconds=build_timeline(incident_log).seconds,
        events=len(incident_log.steps),
    )


def _make_row(incident_log: "IncidentLog", *, has_several_hosts: bool) -> Row:
    from hemostat.core.history.brief import describe_state
    from hemostat.core.history.timeline import build_timeline
    from hemostat.core.wording import describe_kind, describe_status

    seconds = build_timeline(incident_log).seconds_without_approval
    took = "-" if seconds is None else show_duration(seconds)
    name = incident_log.container.name
    name = f"{incident_log.host}/{name}" if has_several_hosts else name
    cells = (
        incident_log.incident,
        format_local(incident_log.since),
        name,
        describe_kind(incident_log.kind),
        describe_state(incident_log) or describe_status(incident_log.status),
        took,
    )
    return Row(cells, fault=incident_log.is_open)


@incident.command("show")
@click.argument("name", metavar="INCIDENT", shell_complete=complete_incidents)
@click.option(
    "--export", type=click.Choice(["md", "json"]), help="Print an export for sharing. Secrets are masked."
)
@click.pass_obj
@prints_json(JsonShape("core.history.export:IncidentExport"))
def show_(options: Globals, name: str, export: str | None) -> None:
    """Show an incident step by step, with durations, reasons and saved evidence. INCIDENT is an id, a prefix
    of an id, or the name of a container, for its latest incident.
    """
    from hemostat import app
    from hemostat.core.history import export as report
    from hemostat.core.history.timeline import build_timeline

    if export == "md" and options.json:
        raise UsageError("--export md and --json cannot be combined")
    settings = options.load_settings()
    with app.open_event_store(settings) as records:
        incident_log = find_incident(records, name)
    try:
        with app.open_evidence_store(settings) as evidence_store:
            snapshots = evidence_store.get(incident_log.incident)
    except BusError:
        snapshots = []
    timeline = build_timeline(incident_log)
    if export == "md":
        click.echo(report.render_markdown(timeline, snapshots, format_local), nl=False)
    elif export == "json" or options.json:
        write_json(report.build_export(timeline, snapshots))
    else:
        progress = _find_progress(settings, incident_log) if incident_log.status == "acting" else ""
        click.echo("\n".join(map(escape_controls, format_timeline(timeline, snapshots, progress))))


def _find_progress(settings: "Settings", incident_log: "IncidentLog") -> str:
    """What the action under way waits for; empty if that is not known."""
    from contextlib import closing

    from hemostat import app
    from hemostat.cli.output.progress import ProgressReader

    try:
        with closing(app.open_bus(settings, start=False)) as bus, app.open_operator(settings) as orders:
            reader = ProgressReader(bus, orders.read_overview)
            for step in incident_log.steps:
                reader.add(step)
            return next((progress for _, progress in reader.take_changes()), "")
    except BusError:
        return ""


def decode_events(rows: Iterable[EventRow]) -> Iterator[Any]:
    """The decoded events. Those of another version in another format are left out."""
    for row in rows:
        try:
            yield row.event
        except DecodeError:
            continue


def find_incident(records: "EventStore", name: str) -> "IncidentLog":
    """The incident. Raises HemoStatError if there is not exactly one match."""
    from hemostat.core.history.incident_log import build_incident_logs

    ids = [name, *_find_latest(records, name), *_find_beginning(records, name)]
    for each in ids:
        if incident_logs := build_incident_logs(
            decode_events(records.find_incident_rows(EventQuery(incident=each)))
        ):
            return incident_logs[0]
    raise HemoStatError(f"no incident {name!r} is stored", hint="see: hemostat incident list")


def _find_latest(records: "EventStore", name: str) -> Iterator[str]:
    return islice((row.incident for row in records.find(EventQuery(container=name)) if row.incident), 1)


def _find_beginning(records: "EventStore", name: str) -> Sequence[str]:
    known = records.find_incident_ids(name) if name else []
    if len(known) > 1:
        hint = f"such as {', '.join(known[:3])}"
        raise HemoStatError(f"several incidents begin with {name!r}", hint=hint)
    return known


def format_timeline(
    timeline: "IncidentTimeline", snapshots: "Sequence[EvidenceSnapshot]", progress: str = ""
) -> Iterator[str]:
    """`progress`: what an action under way waits for."""
    from hemostat.core.evidence.render import build_sections, format_heading
    from hemostat.core.history.next_steps import describe_next_step
    from hemostat.core.history.timeline import (
        TimelineStage,
        explain_diagnosis,
        format_head,
        format_length,
        format_spans,
        get_diagnosis,
    )

    took = format_length(timeline, " in total") or "still open"
    yield format_head(timeline)
    zone = time.strftime("%Z", time.localtime(timeline.began)) if 0 <= timeline.began < 1e11 else ""  # noqa: PLR2004
    yield f"on {timeline.host}, started {format_local(timeline.began)} {zone}, {took}"
    yield ""
    for step in timeline.steps:
        diagnosis = get_diagnosis(step.event) if step.stage is TimelineStage.DIAGNOSIS else None
        after = f"+{show_duration(step.after)}"
        yield f"{format_local(step.time)}  {after:>14}  {step.stage:<12}  {step.text}"
        for label, text in () if diagnosis is None else list(explain_diagnosis(diagnosis, timeline.kind))[1:]:
            yield f"{'':51}{label}: {text}"
    yield from ("", format_spans(timeline))
    yield f"next: {progress or describe_next_step(timeline)}"
    for snapshot in snapshots:
        yield from ("", f"evidence saved at {format_local(snapshot.time)}: {format_heading(snapshot)}")
        for title, rows in build_sections(snapshot, format_local):
            yield f"{title}:"
            yield from (f"  {row}" for row in rows)
