"""`hemostat evidence INCIDENT`: prints the evidence snapshots of an incident."""

from collections.abc import Iterator
from datetime import datetime

import click

from hemostat.cli.completion.names import complete_incidents
from hemostat.cli.options import Globals
from hemostat.cli.output.terminal import write_json
from hemostat.core.evidence.render import build_sections, format_heading
from hemostat.core.evidence.snapshot import EvidenceSnapshot, encode
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError


@click.command()
@click.argument("incident", shell_complete=complete_incidents)
@click.pass_obj
def evidence(options: Globals, incident: str) -> None:
    """Print the evidence saved before each action on an incident. Secrets are masked."""
    from hemostat import app

    with app.open_evidence_store(options.load_settings()) as evidence_store:
        snapshots = evidence_store.get(incident)
    if not snapshots:
        raise HemoStatError(f"no evidence is stored for incident {incident!r}", hint="see: hemostat events")
    for snapshot in snapshots:
        if options.json:
            write_json(encode(snapshot))
        else:
            click.echo("\n".join(escape_controls(line) for line in format_snapshot(snapshot)))


def format_snapshot(snapshot: EvidenceSnapshot) -> Iterator[str]:
    moment = datetime.fromtimestamp(snapshot.time).astimezone()
    yield f"{moment:%Y-%m-%d %H:%M:%S}  {format_heading(snapshot)}"
    for title, rows in build_sections(snapshot, _format_time):
        yield f"{title}:"
        yield from (f"  {row}" for row in rows)


def _format_time(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%H:%M:%S}"
