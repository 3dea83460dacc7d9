"""`hemostat report`: statistics of the incidents of the last days."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hemostat.cli.asking import build_query, resolve_span
from hemostat.cli.options import Globals
from hemostat.cli.tables import Row, Table, show_table
from hemostat.cli.when import MAX_HOURLY_SECONDS, Moment, format_local, list_starts
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.errors import HemoStatError, UsageError

if TYPE_CHECKING:
    from hemostat.core.history.summary import DurationSpread, IncidentSummary, Offender

WEEK_SECONDS = 7 * 86_400.0
MINUTES_FORMAT = "%Y-%m-%d %H:%M"


@click.command()
@click.option("--since", type=Moment(), metavar="WHEN", help="Start of the period. Default: 7d ago.")
@click.option("--until", type=Moment(), metavar="WHEN", help="End of the period. Default: now.")
@click.option("--host", metavar="NAME", help="Only this host.")
@click.option("--project", metavar="NAME", help="Only this compose project.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option(
    "--chart", type=click.Path(path_type=Path), metavar="FILE", help="Also write an SVG chart to this file."
)
@click.pass_obj
def report(
    given: Globals,
    since: float | None,
    until: float | None,
    host: str | None,
    project: str | None,
    markdown: bool,
    chart: Path | None,
) -> None:
    """Summarize incidents: number, outcomes, time to recovery, and the containers that fail most."""
    from hemostat import app
    from hemostat.cli.incident import decode_events
    from hemostat.core.history.incident_log import build_incident_logs
    from hemostat.core.history.summary import summarize

    if markdown and given.json:
        raise UsageError("--markdown and --json cannot be combined")
    since, until = resolve_span(since, until, WEEK_SECONDS)
    with app.open_event_store(given.settings()) as records:
        rows = records.incidents(build_query(since, until=until, host=host, project=project))
    past = [event for event in decode_events(rows) if event.time < until]
    told = summarize(build_incident_logs(past), list_starts(since, until), until)
    if chart is not None:
        _write_chart(told, chart)
    if given.json:
        click.echo(json.dumps(msgspec.to_builtins(told)))
    elif markdown:
        click.echo("\n".join(_format_markdown(told)))
    else:
        click.echo(escape_controls(_format_title(told)))
        for table in _make_tables(told):
            show_table(table)


def _format_title(told: "IncidentSummary") -> str:
    since = format_local(told.since, MINUTES_FORMAT)
    return f"HemoStat from {since} to {format_local(told.until, f'{MINUTES_FORMAT} %Z')}"


def _make_tables(told: "IncidentSummary") -> Iterator[Table]:
    yield Table("Incidents", ("what", "number"), [Row(row) for row in _format_counts(told)])
    times = [("detect", told.detect), ("heal", told.heal)]
    yield Table("Time", ("to", "mean", "p95", "of"), [Row(_format_spread(*each)) for each in times])
    yield Table(
        "Containers with most incidents",
        ("container", "alerts", "incidents", "healed", "kinds"),
        [Row(_format_offender(each)) for each in told.offenders],
    )


def _format_counts(told: "IncidentSummary") -> Iterator[tuple[str, str]]:
    yield "incidents", f"{told.incidents} with {told.alerts} alerts"
    yield "healed by HemoStat", _format_share(told.healed, told.incidents)
    yield "ended without action", _format_share(told.recovered, told.incidents)
    yield "false alarms", _format_share(told.false_alarms, told.incidents)
    yield "action failed", _format_share(told.failed, told.incidents)
    yield "still open", _format_share(told.open, told.incidents)
    yield "action refused", _format_share(told.refused, told.incidents)
    yield "escalated", _format_share(told.escalated, told.incidents)
    if told.dry_runs:
        times, where = _format_times(told.dry_runs), _format_containers(told.dry_run_containers)
        yield "would have acted", f"{times} on {where} (dry run)"
    yield "operator orders", str(told.orders)
    spend = told.spend
    yield "model queries", f"{spend.diagnoses} diagnoses, {spend.tokens:,} tokens, ${spend.cost:.2f}"


def _format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _format_containers(count: int) -> str:
    return "1 container" if count == 1 else f"{count} containers"


def _format_share(count: int, whole: int) -> str:
    return f"{count} ({count / whole:.0%})" if whole and count else str(count)


def _format_spread(name: str, told: "DurationSpread | None") -> tuple[str, ...]:
    if told is None:
        return name, "-", "-", "0"
    return name, show_duration(told.mean), show_duration(told.p95), str(told.count)


def _format_offender(each: "Offender") -> tuple[str, ...]:
    kinds = ", ".join(f"{kind} {count}" for kind, count in each.kinds.items())
    where = f"{each.host}/{each.container}"
    return where, str(each.alerts), str(each.incidents), str(each.healed), kinds


def _format_markdown(told: "IncidentSummary") -> Iterator[str]:
    from hemostat.core.history.export import escape_markdown

    yield f"# {escape_markdown(_format_title(told))}"
    for table in _make_tables(told):
        yield from ("", f"## {table.title}", "")
        yield f"| {' | '.join(table.columns)} |"
        yield f"|{'---|' * len(table.columns)}"
        for row in table.rows:
            yield f"| {' | '.join(escape_markdown(cell) for cell in row.cells)} |"


def _write_chart(told: "IncidentSummary", path: Path) -> None:
    from hemostat.core.history.summary_chart import render_svg
    from hemostat.output_file import write_output

    form = "%H:%M" if told.until - told.since <= MAX_HOURLY_SECONDS else "%d %b"
    title = (
        f"Incidents, {format_local(told.since, MINUTES_FORMAT)} to {format_local(told.until, MINUTES_FORMAT)}"
    )
    try:
        drawn = render_svg(told, lambda moment: format_local(moment, form), title)
        write_output(path, drawn.encode(), replace=True)
    except OSError as error:
        raise HemoStatError(f"{path}: {error.strerror}") from None
    click.echo(f"{path} written", err=True)
