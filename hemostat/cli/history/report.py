"""`hemostat report`: statistics of the incidents of the last days."""

import sys
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
from hemostat.cli.output.terminal import fold_line, write_json
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError, UsageError

if TYPE_CHECKING:
    from hemostat.config import Settings
    from hemostat.core.history.comparison import PeriodReport

WEEK_SECONDS = 7 * 86_400.0
MINUTES_FORMAT = "%Y-%m-%d %H:%M"
SHORT_FORMAT = "%m-%d %H:%M"


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
@prints_json(JsonShape("core.history.comparison:PeriodReport"))
def report(
    options: Globals,
    since: float | None,
    until: float | None,
    host: str | None,
    project: str | None,
    markdown: bool,
    chart: Path | None,
) -> None:
    """Summarize incidents: number, outcomes, time to recovery, and the containers that fail most.

    Every number comes with that of the period of the same length before, and with what fails more often or
    no longer: `report --since 24h` compares with yesterday.
    """
    from hemostat.core.history.dry_run_rows import describe_dry_run
    from hemostat.core.history.report_rows import describe_no_changes

    if markdown and options.json:
        raise UsageError("--markdown and --json cannot be combined")
    since, until = resolve_span(since, until, WEEK_SECONDS)
    statistics = read_report(options.load_settings(), since, until, host=host, project=project)
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
        if why := describe_no_changes(statistics):
            click.echo(f"\n{why}")
        for table in _make_dry_run_tables(statistics):
            show_table(table)
        for line in describe_dry_run(statistics):
            click.echo(f"\n{fold_line(escape_controls(line), sys.stdout)}")


def read_report(
    settings: "Settings", since: float, until: float, *, host: str | None = None, project: str | None = None
) -> "PeriodReport":
    """Return the report of the period from `since` up to `until` (epoch seconds), from the event store.
    Raises HemoStatError."""
    from hemostat import app
    from hemostat.cli.history.incident import decode_events
    from hemostat.core.history.comparison import build_report, compute_previous_start

    query = build_query(compute_previous_start(since, until), until=until, host=host, project=project)
    with app.open_event_store(settings) as records:
        events = decode_events(records.find_incident_rows(query))
        return build_report(events, list_starts(since, until), until, settings.responder)


def _format_title(statistics: "PeriodReport") -> str:
    since = format_local(statistics.since, MINUTES_FORMAT)
    return f"HemoStat from {since} to {format_local(statistics.until, f'{MINUTES_FORMAT} %Z')}"


def _make_tables(statistics: "PeriodReport") -> Iterator[Table]:
    from hemostat.core.history import report_rows as rows

    for title, columns, cells in (
        ("What has changed", rows.CHANGE_COLUMNS, rows.list_changes(statistics)),
        ("Incidents", rows.COUNT_COLUMNS, rows.list_counts(statistics)),
        ("Time", rows.SPREAD_COLUMNS, rows.list_spreads(statistics)),
        ("Containers with most incidents", rows.OFFENDER_COLUMNS, rows.list_offenders(statistics)),
    ):
        yield Table(title, columns, [Row(each) for each in cells])


def _make_dry_run_tables(statistics: "PeriodReport") -> Iterator[Table]:
    from hemostat.core.history import dry_run_rows

    for title, columns, cells in (
        ("Dry run", dry_run_rows.END_COLUMNS, dry_run_rows.list_ends(statistics.dry_run)),
        (
            "Latest decisions of the dry run",
            dry_run_rows.CASE_COLUMNS,
            dry_run_rows.list_cases(statistics, lambda time: format_local(time, SHORT_FORMAT)),
        ),
    ):
        yield Table(title, columns, [Row(each) for each in cells])


def _format_markdown(statistics: "PeriodReport") -> Iterator[str]:
    from hemostat.core.history.dry_run_rows import describe_dry_run
    from hemostat.core.history.export import escape_markdown

    yield f"# {escape_markdown(_format_title(statistics))}"
    for table in (*_make_tables(statistics), *_make_dry_run_tables(statistics)):
        if not table.rows:
            continue
        yield from ("", f"## {table.title}", "")
        yield f"| {' | '.join(table.columns)} |"
        yield f"|{'---|' * len(table.columns)}"
        for row in table.rows:
            yield f"| {' | '.join(escape_markdown(cell) for cell in row.cells)} |"
    for line in describe_dry_run(statistics):
        yield from ("", escape_markdown(line))


def _write_chart(statistics: "PeriodReport", path: Path) -> None:
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
