"""`hemostat incident`: lists stored incidents, and shows one step by step."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hemostat.cli.asking import add_filters, build_query
from hemostat.cli.options import Globals
from hemostat.cli.root import Group
from hemostat.cli.tables import Row, Table, show_table
from hemostat.cli.terminal import write_json
from hemostat.cli.when import format_local
from hemostat.core.history.event_row import EventQuery, EventRow
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.errors import BusError, DecodeError, HemoStatError

if TYPE_CHECKING:
    from hemostat.core.evidence.snapshot import EvidenceSnapshot
    from hemostat.core.history.incident_log import IncidentLog
    from hemostat.core.history.timeline import IncidentTimeline
    from hemostat.ports import EventStore


@click.group(cls=Group)
def incident() -> None:
    """List stored incidents or show one."""


@incident.command("list")
@add_filters
@click.option(
    "-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="Maximum number. 0: all."
)
@click.pass_obj
def list_(given: Globals, /, lines: int, **asked: Any) -> None:
    """List the newest incidents, oldest first."""
    from hemostat import app
    from hemostat.core.history.incident_log import build_incident_logs

    with app.open_event_store(given.settings()) as records:
        query = build_query(**asked)
        told = build_incident_logs(decode_events(records.incidents(_limit_query(records, query, lines))))
    told = told[-lines:] if lines else told
    if given.json:
        write_json(msgspec.json.encode([_build_object(story) for story in told]))
        return
    columns = ("incident", "began", "container", "kind", "status", "took")
    show_table(Table("Incidents", columns, [_make_row(story) for story in told]))
    if not told:
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


def _build_object(story: "IncidentLog") -> dict[str, Any]:
    from hemostat.core.history.timeline import build_timeline

    return {
        "incident": story.incident,
        "host": story.host,
        "container": story.container.name,
        "kind": story.kind,
        "status": story.status,
        "open": story.open,
        "began": story.since,
        "seconds": build_timeline(story).seconds,
        "events": len(story.steps),
    }


def _make_row(story: "IncidentLog") -> Row:
    from hemostat.core.history.timeline import build_timeline

    seconds = build_timeline(story).seconds
    took = "-" if seconds is None else show_duration(seconds)
    name = story.container.name
    cells = (story.incident, format_local(story.since), name, str(story.kind), story.status, took)
    return Row(cells, fault=story.open)


@incident.command("show")
@click.argument("name", metavar="INCIDENT")
@click.option(
    "--export", type=click.Choice(["md", "json"]), help="Print an export for sharing. Secrets are masked."
)
@click.pass_obj
def show_(given: Globals, name: str, export: str | None) -> None:
    """Show an incident step by step, with durations, reasons and saved evidence. INCIDENT is an id, a prefix
    of an id, or the name of a container, for its latest incident.
    """
    from hemostat import app
    from hemostat.core.history import export as report
    from hemostat.core.history.timeline import build_timeline

    settings = given.settings()
    with app.open_event_store(settings) as records:
        story = find_incident(records, name)
    try:
        with app.open_dossiers(settings) as dossiers:
            kept = dossiers.get(story.incident)
    except BusError:
        kept = []
    told = build_timeline(story)
    if export == "md":
        click.echo(report.render_markdown(told, kept, format_local), nl=False)
    elif export == "json" or given.json:
        write_json(msgspec.json.encode(report.build_export(told, kept)))
    else:
        click.echo("\n".join(map(escape_controls, format_timeline(told, kept))))


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
        if told := build_incident_logs(decode_events(records.incidents(EventQuery(incident=each)))):
            return told[0]
    raise HemoStatError(f"no incident {name!r} is stored", hint="see: hemostat incident list")


def _find_latest(records: "EventStore", name: str) -> Iterator[str]:
    return islice((row.incident for row in records.find(EventQuery(container=name)) if row.incident), 1)


def _find_beginning(records: "EventStore", name: str) -> Sequence[str]:
    known = records.named(name) if name else []
    if len(known) > 1:
        hint = f"such as {', '.join(known[:3])}"
        raise HemoStatError(f"several incidents begin with {name!r}", hint=hint)
    return known


def format_timeline(told: "IncidentTimeline", kept: "Sequence[EvidenceSnapshot]") -> Iterator[str]:
    from hemostat.core.evidence.render import build_sections, format_heading
    from hemostat.core.history.timeline import TimelineStage, explain_diagnosis, format_spans, get_diagnosis

    took = "still open" if told.seconds is None else f"{show_duration(told.seconds)} in total"
    yield f"incident {told.incident}  {told.container.name}  {told.kind}  {told.status}"
    zone = time.strftime("%Z", time.localtime(told.began)) if 0 <= told.began < 1e11 else ""  # noqa: PLR2004
    yield f"on {told.host}, started {format_local(told.began)} {zone}, {took}"
    yield ""
    for step in told.steps:
        made = get_diagnosis(step.event) if step.stage is TimelineStage.DIAGNOSIS else None
        after = f"+{show_duration(step.after)}"
        yield f"{format_local(step.time)}  {after:>14}  {step.stage:<12}  {step.text}"
        for label, text in () if made is None else list(explain_diagnosis(made))[1:]:
            yield f"{'':51}{label}: {text}"
    yield from ("", format_spans(told))
    for dossier in kept:
        yield from ("", f"evidence saved at {format_local(dossier.time)}: {format_heading(dossier)}")
        for title, rows in build_sections(dossier, format_local):
            yield f"{title}:"
            yield from (f"  {row}" for row in rows)
