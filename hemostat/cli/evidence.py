"""`hemostat evidence INCIDENT`: prints the evidence snapshots of an incident."""

from collections.abc import Iterator
from datetime import datetime

import click

from hemostat.cli.options import Globals
from hemostat.cli.terminal import write_json
from hemostat.core.evidence.render import build_sections, format_heading
from hemostat.core.evidence.snapshot import EvidenceSnapshot, encode
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError


@click.command()
@click.argument("incident")
@click.pass_obj
def evidence(given: Globals, incident: str) -> None:
    """Print the evidence saved before each action on an incident. Secrets are masked."""
    from hemostat import app

    with app.open_dossiers(given.settings()) as dossiers:
        kept = dossiers.get(incident)
    if not kept:
        raise HemoStatError(f"no evidence is stored for incident {incident!r}", hint="see: hemostat events")
    for dossier in kept:
        if given.json:
            write_json(encode(dossier))
        else:
            click.echo("\n".join(escape_controls(line) for line in format_snapshot(dossier)))


def format_snapshot(kept: EvidenceSnapshot) -> Iterator[str]:
    moment = datetime.fromtimestamp(kept.time).astimezone()
    yield f"{moment:%Y-%m-%d %H:%M:%S}  {format_heading(kept)}"
    for title, rows in build_sections(kept, _format_time):
        yield f"{title}:"
        yield from (f"  {row}" for row in rows)


def _format_time(time: float) -> str:
    return f"{datetime.fromtimestamp(time).astimezone():%H:%M:%S}"
