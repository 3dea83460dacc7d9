"""Draws the list of what waits for a person."""

from collections.abc import Iterable

from rich.cells import cell_len
from rich.text import Text

from hemostat.core.history.waiting_list import WaitingItem, WaitingKind, describe_acknowledgement
from hemostat.core.ledger.controls import Approval
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.core.wording import describe_cause, describe_status
from hemostat.events import Kind
from hemostat.tui.render.text import BAD, BUSY, FAINT, fit, format_countdown
from hemostat.tui.render.wrap import format_clock

KIND_WIDTH = 12
TIME_WIDTH = 14
MAX_SUBJECT_WIDTH = 24


def measure_subjects(items: Iterable[WaitingItem]) -> int:
    """The cells that the longest subject needs, at most MAX_SUBJECT_WIDTH: the rest is for the reasons."""
    widths = (cell_len(escape_controls(item.subject)) for item in items)
    return min(MAX_SUBJECT_WIDTH, max(widths, default=0))


def draw_item(item: WaitingItem, ended: str, now: float, subject_width: int = MAX_SUBJECT_WIDTH) -> Text:
    """`ended`: why the item no longer waits, else empty."""
    style = FAINT if ended or item.acknowledged_by else BUSY if item.kind is WaitingKind.APPROVAL else BAD
    text = "; ".join(filter(None, (describe_acknowledgement(item), item.why)))
    time_left = "" if ended else _describe_time(item, now)
    return Text.assemble(
        (f"{fit(describe_status(item.kind), KIND_WIDTH)} ", style),
        (f"{fit(time_left, TIME_WIDTH)} ", style),
        (fit(item.subject, subject_width), FAINT if ended or item.acknowledged_by else "bold"),
        (f" {escape_controls(ended or text)}", FAINT),
    )


def _describe_time(item: WaitingItem, now: float) -> str:
    if item.until is not None:
        return f"{format_countdown(item.until - now)} left"
    return "" if item.since is None else f"for {show_duration(float(int(max(0.0, now - item.since))))}"


def draw_plan(
    item: WaitingItem, approval: Approval | None, kind: Kind | None, now: float, ended: str = ""
) -> Text:
    """What, where, since when and why, in full, and how to settle it from the command line. `kind`: what is
    wrong with the container, None if that is not known. `ended`: why the item no longer waits, else empty."""
    if approval is not None:
        what = approval.plan or f"{approval.action} {approval.container}"
        why, incident = describe_cause(approval.cause, kind) or "unknown", f"incident {approval.incident}"
    else:
        what, why = f"{describe_status(item.kind)}: {item.subject}", item.why
        incident = f"incident {item.id}" if item.id else ""
    lines = [("what   ", FAINT), (escape_controls(what), "bold")]
    if item.host:
        place = item.subject if item.subject == item.host else f"{item.host}/{item.subject}"
        lines += [("\nwhere  ", FAINT), (escape_controls(place), "")]
    if item.since is not None:
        age = show_duration(float(int(max(0.0, now - item.since))))
        left = "" if item.until is None or ended else f", {format_countdown(item.until - now)} left"
        lines += [("\nsince  ", FAINT), (f"{format_clock(item.since)}, {age} ago{left}", "")]
    if item.acknowledged_by:
        lines += [("\nwho    ", FAINT), (escape_controls(describe_acknowledgement(item)), "")]
    lines += [("\nwhy    ", FAINT), (escape_controls(why), "")]
    if ended:
        lines += [("\nend    ", FAINT), (escape_controls(ended), "")]
    last = "   ".join(filter(None, (incident, "" if ended else item.command)))
    lines += [("\n       ", FAINT), (escape_controls(last), FAINT)]
    return Text.assemble(*lines)
