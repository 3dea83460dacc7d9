"""`hemostat explain INCIDENT`: shows how an incident was diagnosed, from the alert to the outcome."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hemostat.cli.advisor import analysis
from hemostat.cli.completion.names import complete_incidents
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError
from hemostat.events import Event, Kind

if TYPE_CHECKING:
    from hemostat.core.diagnosis.case import EvalCase
    from hemostat.core.history.incident_log import IncidentLog


class ExplainedIncident(msgspec.Struct, frozen=True, kw_only=True):
    """`events` are the incident's, as published."""

    incident: str
    host: str
    container: str
    kind: Kind
    status: str
    events: tuple[Event, ...]


@click.command()
@click.argument("incident", shell_complete=complete_incidents)
@analysis.advisor_option
@analysis.prompt_option
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE", help="Write the case to this file instead."
)
@click.pass_obj
@prints_json(
    JsonShape("cli.advisor.explain:ExplainedIncident"),
    analysis.ANALYSIS_SHAPE._replace(when="--advisor or --show-prompt"),
)
def explain(
    options: Globals, incident: str, advisor: str | None, show_prompt: bool, export: Path | None
) -> None:
    """Explain how an incident was diagnosed: alert, diagnosis and decision. INCIDENT is an id, a prefix of an
    id, or the name of a container, for its latest incident.

    With --advisor or --show-prompt, the incident is analysed again. No action runs. `hemostat analyze --once
    FILE` reads the file of --export; secrets in it are masked.
    """
    from hemostat import app

    with app.open_eval_capture(options.load_settings()) as archive:
        if export is not None:
            _export(archive.build_eval_case(archive.find_last_alert(incident)), export)
            return
        if advisor is not None or show_prompt:
            recording = archive.build_eval_case(archive.find_last_alert(incident))
            analysis.show_analysis(options, recording, advisor=advisor, show_prompt=show_prompt)
            return
        incident_log = archive.find_incident(incident)
    if options.json:
        _write_events(incident_log)
        return
    for line in format_incident(incident_log):
        click.echo(escape_controls(line))


def format_incident(incident_log: "IncidentLog") -> Iterator[str]:
    """The steps of the incident, with their reasons, and the next step."""
    from hemostat.core.history.next_steps import describe_next_step
    from hemostat.core.history.timeline import (
        TimelineStage,
        build_timeline,
        explain_diagnosis,
        format_head,
        get_diagnosis,
    )

    timeline = build_timeline(incident_log)
    yield format_head(timeline)
    told_at = 0.0
    for step in timeline.steps:
        moment = f"{datetime.fromtimestamp(step.time).astimezone():%Y-%m-%d %H:%M:%S}"
        diagnosis = get_diagnosis(step.event) if step.stage is TimelineStage.DIAGNOSIS else None
        parts = explain_diagnosis(diagnosis, timeline.kind) if diagnosis else [(str(step.stage), step.text)]
        first, *rest = parts
        yield f"{'' if step.time == told_at else moment:<21}{analysis.format_row(*first)}"
        yield from (f"{'':21}{analysis.format_row(*each)}" for each in rest)
        told_at = step.time
    yield f"{'':<21}{analysis.format_row('next', describe_next_step(timeline))}"


def _write_events(incident_log: "IncidentLog") -> None:
    """The original events."""
    write_json(
        ExplainedIncident(
            incident=incident_log.incident,
            host=incident_log.host,
            container=incident_log.container.name,
            kind=incident_log.kind,
            status=incident_log.status,
            events=incident_log.steps,
        )
    )


def _export(recording: "EvalCase", path: Path) -> None:
    from hemostat.core.diagnosis.case import encode
    from hemostat.output_file import write_output

    try:
        write_output(path, encode(recording) + b"\n", replace=True)
    except OSError as error:
        raise HemoStatError(f"{path}: {error.strerror}") from None
    click.echo(f"{path} written", err=True)
