"""`hemostat incident`: incidents that were stored, however long ago, and one of them step by step."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hemostat.cli.asking import filters, wanted
from hemostat.cli.options import Globals
from hemostat.cli.root import Group
from hemostat.cli.tables import Row, Table, show
from hemostat.cli.terminal import write_json
from hemostat.cli.when import local
from hemostat.core.history.event_row import EventQuery, EventRow
from hemostat.core.text import clean
from hemostat.core.units import show_duration
from hemostat.errors import BusError, DecodeError, HemoStatError

if TYPE_CHECKING:
    from hemostat.core.evidence.snapshot import EvidenceSnapshot
    from hemostat.core.history.incident_log import IncidentLog
    from hemostat.core.history.timeline import IncidentTimeline
    from hemostat.ports import EventStore


@click.group(cls=Group)
def incident() -> None:
    """Show incidents that were stored."""


@incident.command("list")
@filters
@click.option(
    "-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="How many, 0 for all."
)
@click.pass_obj
def list_(given: Globals, /, lines: int, **asked: Any) -> None:
    """List the newest incidents, oldest first."""
    from hemostat import app
    from hemostat.core.history.incident_log import stories

    with app.open_records(given.settings()) as records:
        query = wanted(**asked)
        told = stories(events(records.incidents(_of(records, query, lines))))
    told = told[-lines:] if lines else told
    if given.json:
        write_json(msgspec.json.encode([_brief(story) for story in told]))
        return
    columns = ("incident", "began", "container", "kind", "status", "took")
    show(Table("Incidents", columns, [_row(story) for story in told]))
    if not told:
        click.echo("no incident was stored that is asked for")


def _of(records: "EventStore", query: EventQuery, lines: int) -> EventQuery:
    """The same from the newest `lines` incidents on: the others need not be read."""
    if not lines:
        return query
    newest: dict[str, float] = {}
    for row in records.find(query):
        if row.incident:
            newest[row.incident] = row.time
        if len(newest) > lines:
            return msgspec.structs.replace(query, since=row.time)
    return query


def _brief(story: "IncidentLog") -> dict[str, Any]:
    from hemostat.core.history.timeline import chronicle

    return {
        "incident": story.incident,
        "host": story.host,
        "container": story.container.name,
        "kind": story.kind,
        "status": story.status,
        "open": story.open,
        "began": story.since,
        "seconds": chronicle(story).seconds,
        "events": len(story.steps),
    }


def _row(story: "IncidentLog") -> Row:
    from hemostat.core.history.timeline import chronicle

    seconds = chronicle(story).seconds
    took = "-" if seconds is None else show_duration(seconds)
    name = story.container.name
    cells = (story.incident, local(story.since), name, str(story.kind), story.status, took)
    return Row(cells, fault=story.open)


@incident.command("show")
@click.argument("name", metavar="INCIDENT")
@click.option("--export", type=click.Choice(["md", "json"]), help="Print it to be handed on, secrets masked.")
@click.pass_obj
def show_(given: Globals, name: str, export: str | None) -> None:
    """Tell an incident step by step: how long each took, why, and what was kept of the container. INCIDENT
    is an id, the beginning of one, or a container's name for its latest."""
    from hemostat import app
    from hemostat.core.history import export as report
    from hemostat.core.history.timeline import chronicle

    settings = given.settings()
    with app.open_records(settings) as records:
        story = found(records, name)
    try:
        with app.open_dossiers(settings) as dossiers:
            kept = dossiers.get(story.incident)
    except BusError:
        kept = []
    told = chronicle(story)
    if export == "md":
        click.echo(report.markdown(told, kept, local), nl=False)
    elif export == "json" or given.json:
        write_json(msgspec.json.encode(report.record(told, kept)))
    else:
        click.echo("\n".join(map(clean, lines(told, kept))))


def events(rows: Iterable[EventRow]) -> Iterator[Any]:
    """What a version wrote that said things otherwise is passed over."""
    for row in rows:
        try:
            yield row.event
        except DecodeError:
            continue


def found(records: "EventStore", name: str) -> "IncidentLog":
    """Raises HemoStatError where there is none, or more than one."""
    from hemostat.core.history.incident_log import stories

    ids = [name, *_latest(records, name), *_beginning(records, name)]
    for each in ids:
        if told := stories(events(records.incidents(EventQuery(incident=each)))):
            return told[0]
    raise HemoStatError(f"no incident {name!r} is stored", hint="see: hemostat incident list")


def _latest(records: "EventStore", name: str) -> Iterator[str]:
    return islice((row.incident for row in records.find(EventQuery(container=name)) if row.incident), 1)


def _beginning(records: "EventStore", name: str) -> Sequence[str]:
    known = records.named(name) if name else []
    if len(known) > 1:
        hint = f"such as {', '.join(known[:3])}"
        raise HemoStatError(f"more than one incident begins with {name!r}", hint=hint)
    return known


def lines(told: "IncidentTimeline", kept: "Sequence[EvidenceSnapshot]") -> Iterator[str]:
    from hemostat.core.evidence.render import heading, sections
    from hemostat.core.history.timeline import TimelineStage, diagnosis_of, summary, why

    took = "still open" if told.seconds is None else f"{show_duration(told.seconds)} in all"
    yield f"incident {told.incident}  {told.container.name}  {told.kind}  {told.status}"
    zone = time.strftime("%Z", time.localtime(told.began)) if 0 <= told.began < 1e11 else ""  # noqa: PLR2004
    yield f"on {told.host}, began {local(told.began)} {zone}, {took}"
    yield ""
    for step in told.steps:
        made = diagnosis_of(step.event) if step.stage is TimelineStage.DIAGNOSIS else None
        yield f"{local(step.time)}  {'+' + show_duration(step.after):>14}  {step.stage:<12}  {step.text}"
        for label, text in () if made is None else list(why(made))[1:]:
            yield f"{'':51}{label}: {text}"
    yield from ("", summary(told))
    for dossier in kept:
        yield from ("", f"kept at {local(dossier.time)}: {heading(dossier)}")
        for title, rows in sections(dossier, local):
            yield f"{title}:"
            yield from (f"  {row}" for row in rows)
