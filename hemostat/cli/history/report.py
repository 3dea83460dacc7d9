"""`hemostat report`: statistics of the incidents of the last days."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemostat.cli.completion.names import complete_hosts, complete_projects
from hemostat.cli.history.filters import build_query, resolve_span
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.local_time import MAX_HOURLY_SECONDS, Moment, format_local, list_starts
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
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
@click.option("--host", metavar="NAME", shell_complete=complete_hosts, help="Only this host.")
@click.option(
    "--project", metavar="NAME", shell_complete=complete_projects, help="Only this compose project."
)
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option(
    "--chart", type=click.Path(path_type=Path), metavar="FILE", help="Also write an SVG chart to this file."
)
@click.pass_obj
@prints_json(JsonShape("core.history.summary:IncidentSummary"))
def report(
    options: Globals,
    since: float | None,
    until: float | None,
    host: str | None,
    project: str | None,
    markdown: bool,
    chart: Path | None,
) -> None:
    """Summarize incidents: number, outcomes, time to recovery, and the containers that fail most."""
    from hemostat import app
    from hemostat.cli.history.incident import decode_events
    from hemostat.core.history.incident_log import build_incident_logs
    from hemostat.core.history.summary import summarize

    if markdown and options.json:
        raise UsageError("--markdown and --json cannot be combined")
    since, until = resolve_span(since, until, WEEK_SECONDS)
    with app.open_event_store(options.load_settings()) as records:
        rows = records.find_incident_rows(build_query(since, until=until, host=host, project=project))
    events = [event for event in decode_events(rows) if event.time < until]
    statistics = summarize(build_incident_logs(events), list_starts(since, until), until)
    if chart is not None:
        _write_chart(statistics, chart)
    if options.json:
        write_json(statistics)
    elif markdown:
        click.echo("\n".join(_format_markdown(statistics)))
    else:
        click.echo(escape_controls(_format_title(statistics)))
        for table in _make_tables(statistics):
            show_table(table)


def _format_title(statistics: "IncidentSummary") -> str:
    since = format_local(statistics.since, MINUTES_FORMAT)
    return f"HemoStat from {since} to {format_local(statistics.until, f'{MINUTES_FORMAT} %Z')}"


def _make_tables(statistics: "IncidentSummary") -> Iterator[Table]:
    yield Table("Incidents", ("what", "number"), [Row(row) for row in _format_counts(statistics)])
    times = [("detect", statistics.detect), ("heal", statistics.heal)]
    yield Table("Time", ("to", "mean", "p95", "of"), [Row(_format_spread(*each)) for each in times])
    yield Table(
        "Containers with most incidents",
        ("container", "alerts", "incidents", "healed", "kinds"),
        [Row(_format_offender(each)) for each in statistics.offenders],
    )


def _format_counts(statistics: "IncidentSummary") -> Iterator[tuple[str, str]]:
    yield "incidents", f"{statistics.incidents} with {statistics.alerts} alerts"
    yield "healed by HemoStat", _format_share(statistics.healed, statistics.incidents)
    yield "ended without action", _format_share(statistics.recovered, statistics.incidents)
    yield "false alarms", _format_share(statistics.false_alarms, statistics.incidents)
    yield "action failed", _format_share(statistics.failed, statistics.incidents)
    yield "still open", _format_share(statistics.open, statistics.incidents)
    yield "action refused", _format_share(statistics.refused, statistics.incidents)
    yield "escalated", _format_share(statistics.escalated, statistics.incidents)
    if statistics.closed:
        yield "closed by people", _format_share(statistics.closed, statistics.incidents)
    if statistics.dry_runs:
        times, where = _format_times(statistics.dry_runs), _format_containers(statistics.dry_run_containers)
        yield "would have acted", f"{times} on {where} (dry run)"
    yield "operator orders", str(statistics.orders)
    spend = statistics.spend
    yield "model queries", f"{spend.diagnoses} diagnoses, {spend.tokens:,} tokens, ${spend.cost:.2f}"


def _format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _format_containers(count: int) -> str:
    return "1 container" if count == 1 else f"{count} containers"


def _format_share(count: int, total: int) -> str:
    return f"{count} ({count / total:.0%})" if total and count else str(count)


def _format_spread(name: str, spread: "DurationSpread | None") -> tuple[str, ...]:
    if spread is None:
        return name, "-", "-", "0"
    return name, show_duration(spread.mean), show_duration(spread.p95), str(spread.count)


def _format_offender(each: "Offender") -> tuple[str, ...]:
    kinds = ", ".join(f"{kind} {count}" for kind, count in each.kinds.items())
    where = f"{each.host}/{each.container}"
    return where, str(each.alerts), str(each.incidents), str(each.healed), kinds


def _format_markdown(statistics: "IncidentSummary") -> Iterator[str]:
    from hemostat.core.history.export import escape_markdown

    yield f"# {escape_markdown(_format_title(statistics))}"
    for table in _make_tables(statistics):
        yield from ("", f"## {table.title}", "")
        yield f"| {' | '.join(table.columns)} |"
        yield f"|{'---|' * len(table.columns)}"
        for row in table.rows:
            yield f"| {' | '.join(escape_markdown(cell) for cell in row.cells)} |"


def _write_chart(statistics: "IncidentSummary", path: Path) -> None:
    from hemostat.core.history.summary_chart import render_svg
    from hemostat.output_file import write_output

    form = "%H:%M" if statistics.until - statistics.since <= MAX_HOURLY_SECONDS else "%d %b"
    since, until = (format_local(time, MINUTES_FORMAT) for time in (statistics.since, statistics.until))
    title = f"Incidents, {since} to {until}"
    try:
        drawn = render_svg(statistics, lambda moment: format_local(moment, form), title)
        write_output(path, drawn.encode(), replace=True)
    except OSError as error:
        raise HemoStatError(f"{path}: {error.strerror}") from None
    click.echo(f"{path} written", err=True)
