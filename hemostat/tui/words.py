"""What the dashboard says around its grid, as styled text. Pure; a colour never says what a word does not."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from hemostat.core.picture import ContainerState, Picture, RoleState
from hemostat.core.story import line, subject
from hemostat.core.text import clean
from hemostat.core.units import show_duration
from hemostat.events import Event, FalseAlarm, HealthAlert, Outcome, Phase, RemediationComplete

NAME: Final = 18
"""Cells for a container's name in the log."""
LONGEST: Final = 400
"""Characters of an event that a line of the log holds: reasons come from outside, and may be a book."""
GOOD, BAD, BUSY, FAINT, PLAIN = "green", "bold red", "yellow", "dim", ""


def incidents(shown: Picture) -> dict[tuple[str, str], str]:
    """What is open, by host and container, in words."""
    found: dict[tuple[str, str], str] = {}
    for each in shown.incidents:
        words = f"{each.kind} {each.status.replace('_', ' ')}"
        place = (each.host, each.container)
        found[place] = f"{found[place]}, {words}" if place in found else words
    return found


def log_line(event: Event) -> Text:
    """Time, container, what happened."""
    moment = datetime.fromtimestamp(event.time).astimezone()
    told = subject(event)
    glyph, style = _mark(event)
    return Text.assemble(
        (f"{moment:%H:%M:%S} ", FAINT),
        (f"{glyph} ", style),
        (fit(told[0].name if told else event.host, NAME) + " ", "bold"),
        (clean(line(event)[:LONGEST]), style),
    )


def title(shown: Picture) -> Text:
    count = len(shown.incidents)
    opened = (f"✗ {_count(count, 'open incident')}", BAD) if count else ("✓ no open incident", GOOD)
    boxes = _count(len(shown.containers), "container")
    return Text.assemble((" HemoStat ", "bold reverse"), f"  {boxes}  ", opened)


def status(shown: Picture, silence: str) -> Text:
    """One line about the roles and the bus."""
    if silence:
        return Text.assemble((f"! {clean(silence)}", BAD))
    text = Text()
    for name in shown.missing:
        text.append(f"✗ {name} missing  ", BAD)
    hosts = {role.host for role in shown.roles}
    for role in shown.roles:
        where = f"@{role.host}" if len(hosts) > 1 else ""
        words, style = _role(role)
        text.append(clean(f"{words[0]} {role.role}{where}{words[1:]}  "), style)
    return text


def recorded_status(shown: Picture) -> Text:
    """The same of a recording, which may have no signs of life: that is no fault of the roles."""
    return status(shown, "") if shown.roles else Text("nothing was recorded of the roles here", FAINT)


def _role(role: RoleState) -> tuple[str, str]:
    if role.stale:
        return f"✗ STALE {show_duration(float(int(role.age)))}", BAD
    if role.trouble:
        return f"! {role.trouble}", BAD
    return ("✓" + (f" lag {role.lag}" if role.lag else ""), GOOD)


def _mark(event: Event) -> tuple[str, str]:
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
    """Exactly `size` cells: cleaned, cut with an ellipsis, filled up with blanks."""
    text = clean(text)
    if cell_len(text) > size:
        return set_cell_size(text, size - 1) + "…"
    return " " * (size - cell_len(text)) + text if right else set_cell_size(text, size)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def matching(containers: Iterable[ContainerState], wanted: str, *, faults: bool) -> list[ContainerState]:
    """Those whose name, state or incident holds `wanted`, or does not hold it after `!`."""
    inverse, text = wanted.startswith("!"), wanted.removeprefix("!").lower()

    def holds(each: ContainerState) -> bool:
        words = (each.host, each.name, each.status, each.health or "", *each.incidents)
        return text in " ".join(words).lower()

    return [
        each for each in containers if (each.fault or not faults) and (not text or holds(each) != inverse)
    ]
