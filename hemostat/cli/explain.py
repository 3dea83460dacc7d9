"""`hemostat explain INCIDENT`: shows how an incident was diagnosed, from the alert to the outcome."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemostat.cli import analysis
from hemostat.cli.options import Globals
from hemostat.cli.terminal import write_json
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError

if TYPE_CHECKING:
    from hemostat.core.diagnosis.case import EvalCase
    from hemostat.core.history.incident_log import IncidentLog


@click.command()
@click.argument("incident")
@analysis.advisor_option
@analysis.prompt_option
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE", help="Write the case to this file instead."
)
@click.pass_obj
def explain(
    given: Globals, incident: str, advisor: str | None, show_prompt: bool, export: Path | None
) -> None:
    """Explain how an incident was diagnosed: alert, diagnosis and decision. INCIDENT is an id, a prefix of an
    id, or the name of a container, for its latest incident.

    With --advisor or --show-prompt, the incident is analysed again. No action runs. `hemostat analyze --once
    FILE` reads the file of --export; secrets in it are masked.
    """
    from hemostat import app

    with app.open_eval_capture(given.settings()) as archive:
        if export is not None:
            _export(archive.recording(archive.raised(incident)), export)
            return
        if advisor is not None or show_prompt:
            recording = archive.recording(archive.raised(incident))
            analysis.show_analysis(given, recording, advisor=advisor, show_prompt=show_prompt)
            return
        story = archive.story(incident)
    if given.json:
        _write_events(story)
        return
    for line in format_incident(story):
        click.echo(escape_controls(line))


def format_incident(story: "IncidentLog") -> Iterator[str]:
    from hemostat.core.history.timeline import TimelineStage, build_timeline, explain_diagnosis, get_diagnosis

    told = build_timeline(story)
    yield f"incident {told.incident}  {told.container.name}  {told.kind}  {told.status}"
    told_at = 0.0
    for step in told.steps:
        moment = f"{datetime.fromtimestamp(step.time).astimezone():%Y-%m-%d %H:%M:%S}"
        made = get_diagnosis(step.event) if step.stage is TimelineStage.DIAGNOSIS else None
        first, *rest = explain_diagnosis(made) if made else [(str(step.stage), step.text)]
        yield f"{'' if step.time == told_at else moment:<21}{analysis.format_row(*first)}"
        yield from (f"{'':21}{analysis.format_row(*each)}" for each in rest)
        told_at = step.time


def _write_events(story: "IncidentLog") -> None:
    """The original events."""
    import msgspec

    told = {
        "incident": story.incident,
        "host": story.host,
        "container": story.container.name,
        "kind": story.kind,
        "status": story.status,
        "events": story.steps,
    }
    write_json(msgspec.json.encode(told))


def _export(recording: "EvalCase", path: Path) -> None:
    from hemostat.core.diagnosis.case import encode
    from hemostat.output_file import write_output

    try:
        write_output(path, encode(recording) + b"\n", replace=True)
    except OSError as error:
        raise HemoStatError(f"{path}: {error.strerror}") from None
    click.echo(f"{path} written", err=True)
