"""Draws a report: what has changed since the period before, and the numbers."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from hemostat.core.history import report_rows
from hemostat.core.history.comparison import PeriodReport, Trend
from hemostat.core.text import escape_controls
from hemostat.tui.render.text import BAD, FAINT, GOOD, PLAIN, fit

MAX_CELL_WIDTH = 40
GAP = "  "
TREND_STYLES = {str(Trend.NEW): BAD, str(Trend.MORE): BAD, str(Trend.ENDED): GOOD}


def draw_report(report: PeriodReport) -> list[Text]:
    changes = report_rows.list_changes(report)
    return [
        *_draw_table(
            "what has changed", report_rows.CHANGE_COLUMNS, changes, report_rows.describe_no_changes(report)
        ),
        *_draw_table("numbers", report_rows.COUNT_COLUMNS, report_rows.list_counts(report)),
        *_draw_table(
            "containers with most incidents", report_rows.OFFENDER_COLUMNS, report_rows.list_offenders(report)
        ),
        *_draw_table("time", report_rows.SPREAD_COLUMNS, report_rows.list_spreads(report)),
    ]


def _draw_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
) -> Iterator[Text]:
    if not rows and not note:
        return
    yield Text(title, "bold")
    if rows:
        cells = [tuple(map(escape_controls, row)) for row in rows]
        widths = [
            min(MAX_CELL_WIDTH, max(cell_len(row[column]) for row in (columns, *cells)))
            for column in range(len(columns))
        ]
        yield _draw_row(columns, widths, FAINT)
        for row in cells:
            yield _draw_row(row, widths, TREND_STYLES.get(row[0], PLAIN))
    if note:
        yield Text(note, FAINT)
    yield Text()


def _draw_row(cells: Sequence[str], widths: Sequence[int], style: str) -> Text:
    """The last cell has all the room that is left."""
    *first, last = cells
    fitted = [fit(cell, width) for cell, width in zip(first, widths, strict=False)]
    return Text(GAP.join([*fitted, last]), style)
