"""The dashboard's text around the table, styled. Pure. Every colour is accompanied by a word."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from hemostat.core.history.incident_log import find_subject, qualify_subject
from hemostat.core.history.sentences import format_event_line
from hemostat.core.history.status import RoleState, SystemStatus
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.events import Decided, Event, FalseAlarm, HealthAlert, Outcome, Phase, RemediationComplete

NAME_WIDTH: Final = 18
"""Cells for a container's name in the log."""
QUALIFIED_NAME_WIDTH: Final = 26
"""The same with the name of its host."""
MAX_LINE_CHARACTERS: Final = 400
"""Characters of an event in a line of the log: reasons come from outside and may be very long."""
LATE_SECONDS: Final = 3.0
"""Seconds after which a heartbeat's age is shown: heartbeats come every two."""
GOOD, BAD, BUSY, FAINT, PLAIN = "green", "bold red", "yellow", "dim", ""


def draw_log_line(event: Event, *, has_several_hosts: bool = False) -> Text:
    """Time, container and event. With several hosts, containers of the same name are told apart."""
    width = QUALIFIED_NAME_WIDTH if has_several_hosts else NAME_WIDTH
    name = qualify_subject(_name_subject(event), event) if has_several_hosts else _name_subject(event)
    moment = datetime.fromtimestamp(event.time).astimezone()
    glyph, style = _choose_mark(event)
    return Text.assemble(
        (f"{moment:%H:%M:%S} ", FAINT),
        (f"{glyph} ", style),
        (fit(name, width) + " ", "bold"),
        (escape_controls(format_event_line(event)[:MAX_LINE_CHARACTERS]), style),
    )


def _name_subject(event: Event) -> str:
    if isinstance(event.data, Decided):
        return "everything" if event.data.container == ALL_CONTAINERS else event.data.container
    subject = find_subject(event)
    return subject[0].name if subject else event.host


def draw_loading_title() -> Text:
    return Text.assemble((" HemoStat ", "bold reverse"), "  loading")


def draw_title(
    containers: int, incidents: int, hidden: Sequence[str], stale: str, *, order: str = "", width: int = 0
) -> Text:
    """The title.

    `hidden`: active filters, so that hidden containers are not taken for gone. `stale`: that no event
    has arrived for a while. `order`: the order of the rows, shown if the title fits in `width` cells with it.
    """
    incident_text = (
        (f"✗ {_format_count(incidents, 'open incident')}", BAD) if incidents else ("✓ no open incident", GOOD)
    )
    if stale and not incidents:
        incident_text = ("", "")
    text = Text.assemble(
        (" HemoStat ", "bold reverse"), f"  {_format_count(containers, 'container')}  ", incident_text
    )
    if stale:
        text.append(f"  ! {stale} ", "bold red reverse")
    for each in hidden:
        text.append(f"  [{escape_controls(each)}]", "bold")
    if order and text.cell_len + cell_len(order) + len("  ") <= width:
        text.append(f"  {order}", FAINT)
    return text


def draw_status(status: SystemStatus, mode: str, paused: str = "", *, is_lost: bool) -> Text:
    """One line about the responders' mode, the roles, the bus and the engine. Narrow screens cut the end.
    `paused`: what is paused, a part of the mode."""
    text = Text()
    if mode or paused:
        modes = ", ".join(filter(None, (mode, paused)))
        text.append(f"mode {escape_controls(modes)} ", PLAIN if modes == "auto" else BUSY)
    for name in status.missing:
        text.append(f"✗ {name} missing  ", BAD)
    hosts = {role.host for role in status.roles}
    for role in status.roles:
        where = f"@{role.host}" if len(hosts) > 1 else ""
        role_text, style = _format_role(role)
        text.append(escape_controls(f"{role_text[0]} {role.role}{where}{role_text[1:]}  "), style)
    text.append(*(("✗ bus  ", BAD) if is_lost else ("✓ bus  ", GOOD)))
    text.append(*_format_engine([role for role in status.roles if role.role == "monitor"]))
    text.rstrip()
    return text


def draw_recorded_status(status: SystemStatus, mode: str, paused: str = "", *, is_lost: bool) -> Text:
    """The same for a replay. Missing heartbeats there are not a fault of the roles."""
    drawn = draw_status(status, mode, paused, is_lost=is_lost)
    return drawn if status.roles else Text("no heartbeats were recorded at this time", FAINT)


def draw_notice(
    status: SystemStatus,
    silence: str,
    waiting_text: str = "",
    pauses: Callable[[int], str] = lambda _: "",
    width: int = 0,
) -> Text:
    """A line about what waits for a person, pauses and problems; empty without any.

    `waiting_text`: how much waits. `pauses`: the pauses in at most as many cells as it is called with.
    """
    if silence:
        return Text(f"! {escape_controls(silence)}", BAD)
    has_several_hosts = len({role.host for role in status.roles}) > 1
    problems = [
        escape_controls(f"{role.role}{f'@{role.host}' if has_several_hosts else ''}: {role.trouble}")
        for role in status.roles
        if role.trouble and not role.stale
    ]
    text = Text(f"? {escape_controls(waiting_text)}  " if waiting_text else "", BUSY)
    # Beside a problem, the pauses are only counted.
    room = 0 if problems else width - text.cell_len - len("‖ ")
    if paused := pauses(room):
        text.append(f"‖ {paused}  ", BUSY)
    text.append("! " + "; ".join(dict.fromkeys(problems)) if problems else "", BAD)
    text.rstrip()
    return text


def _format_role(role: RoleState) -> tuple[str, str]:
    lag = f" lag {role.lag}" if role.lag else ""
    if role.stale:
        return f"✗ silent {show_duration(float(int(role.age)))}{lag}", BAD
    # The age of a timely heartbeat would be redrawn every second.
    age = f" {format_age(role.age)}" if role.age >= LATE_SECONDS else ""
    return (f"!{age}{lag}", BAD) if role.trouble else (f"✓{age}{lag}", GOOD)


def format_age(seconds: float) -> str:
    return f"{int(seconds)} s ago"


def _format_engine(monitors: Sequence[RoleState]) -> tuple[str, str]:
    """The engine's state as reported by the monitors, whose only longer waits are for the engine."""
    if not monitors or all(role.stale for role in monitors):
        return "? engine  ", BUSY
    return ("✗ engine  ", BAD) if any(role.trouble for role in monitors) else ("✓ engine  ", GOOD)


def _choose_mark(event: Event) -> tuple[str, str]:
    match event.data:
        case HealthAlert(phase=Phase.CLEARED):
            return "○", GOOD
        case HealthAlert():
            return "!", BAD
        case FalseAlarm():
            return "○", FAINT
        case RemediationComplete(outcome=outcome):
            return _OUTCOMES.get(outcome, ("■", BUSY))
    return "→", PLAIN


_OUTCOMES: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.HEALED: ("✓", GOOD),
    Outcome.FAILED: ("✗", BAD),
    Outcome.ESCALATED: ("✗", BAD),
    Outcome.NOT_APPLICABLE: ("○", FAINT),
}


def fit(text: str, size: int, *, right: bool = False) -> str:
    """The text in exactly `size` cells: cleaned, cut with an ellipsis, padded with blanks."""
    text = escape_controls(text).translate(VARIATION_SELECTORS)
    if text.isascii():
        # Most text is ASCII, whose cells need not be counted.
        if len(text) > size:
            return text[: size - 1] + "…"
        return text.rjust(size) if right else text.ljust(size)
    if cell_len(text) > size:
        return set_cell_size(text, size - 1) + "…"
    return " " * (size - cell_len(text)) + text if right else set_cell_size(text, size)


VARIATION_SELECTORS: Final = dict.fromkeys((0xFE0E, 0xFE0F))
"""Variation selectors: terminals disagree about the width of the character before them."""


def format_countdown(seconds: float) -> str:
    """`04:12`, `1:04:12`."""
    minutes, left_seconds = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left_seconds:02}" if hours else f"{minutes:02}:{left_seconds:02}"


def _format_count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
