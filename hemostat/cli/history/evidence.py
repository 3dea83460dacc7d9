"""`hemostat evidence INCIDENT`: prints the evidence snapshots of an incident."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from hemostat.cli.completion.names import complete_incidents
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.core.evidence.render import build_sections, format_heading
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError


@click.command()
@click.argument("name", metavar="INCIDENT", shell_complete=complete_incidents)
@click.pass_obj
@prints_json(JsonShape("core.evidence.snapshot:EvidenceSnapshot", "lines"))
def evidence(options: Globals, name: str) -> None:
    """Print the evidence saved before each action on INCIDENT: an id, a prefix of an id, or the name of a
    container, for its latest incident. Secrets are masked.
    """
    from hemostat import app

    settings = options.load_settings()
    with app.open_evidence_store(settings) as evidence_store:
        snapshots = evidence_store.get(name)
        if not snapshots:
            with app.open_operator(settings) as orders:
                known_ids = _find_incidents(orders.list_incidents(), name)
            snapshots = next(filter(None, map(evidence_store.get, known_ids)), [])
    if not snapshots:
        raise HemoStatError(f"no evidence is stored for incident {name!r}", hint="see: hemostat events")
    for snapshot in snapshots:
        if options.json:
            write_json(snapshot)
        else:
            click.echo("\n".join(escape_controls(line) for line in format_snapshot(snapshot)))


def _find_incidents(incident_logs: Sequence[IncidentLog], name: str) -> list[str]:
    """The ids of incidents of the container `name`, else those that begin with `name`; the latest first. The
    ids of other containers' incidents may begin like the name of a container."""
    latest = list(reversed(incident_logs))
    named = [each.incident for each in latest if each.container.name == name]
    return named or [each.incident for each in latest if name and each.incident.startswith(name)]


def format_snapshot(snapshot: EvidenceSnapshot) -> Iterator[str]:
    moment = datetime.fromtimestamp(snapshot.time).astimezone()
    yield f"{moment:%Y-%m-%d %H:%M:%S}  {format_heading(snapshot)}"
    for title, rows in build_sections(snapshot, _format_time):
        yield f"{title}:"
        yield from (f"  {row}" for row in rows)


def _format_time(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%H:%M:%S}"
