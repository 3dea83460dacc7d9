"""The dashboard's lines, as styled text of exact widths. Pure; a colour never says what a word does not."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from hemostat.core.picture import ContainerState, Picture, RoleState
from hemostat.core.story import line, subject
from hemostat.core.text import clean
from hemostat.core.units import show_duration, show_size
from hemostat.events import Event, FalseAlarm, HealthAlert, Outcome, Phase, RemediationComplete

ROOMY: Final = 110
"""Columns from which on there is room for bars and limits."""
NAME: Final = 18
"""Cells for a container's name in the log."""
GOOD, BAD, BUSY, FAINT, PLAIN = "green", "bold red", "yellow", "dim", ""

_STATES: Final = {
    "healthy": ("✓", GOOD),
    "running": ("●", GOOD),
    "starting": ("◌", BUSY),
    "unhealthy": ("✗", BAD),
    "restarting": ("↻", BUSY),
    "paused": ("‖", BUSY),
    "dead": ("✗", BAD),
}


class Columns(NamedTuple):
    """Widths in cells; 0 is left out."""

    state: int
    name: int
    cpu: int
    memory: int
    restarts: int
    incident: int
    roomy: bool


def columns(width: int) -> Columns:
    """Shares `width` out: what identifies and what is wrong get what the figures leave over."""
    roomy = width >= ROOMY
    state, cpu, memory, restarts = 12, 17 if roomy else 7, 30 if roomy else 9, 8 if roomy else 0
    left = max(20, width - state - cpu - memory - restarts - (5 if restarts else 4))
    name = left * 11 // 20
    return Columns(state, name, cpu, memory, restarts, left - name, roomy)


def header(width: int) -> Text:
    at = columns(width)
    cells = [("state", at.state), ("container", at.name), ("cpu", at.cpu), ("memory", at.memory)]
    if at.restarts:
        cells.append(("restarts", at.restarts))
    return Text(" ".join(_fit(name, size) for name, size in [*cells, ("incident", at.incident)]))


def container(each: ContainerState, incident: str, width: int, *, several: bool) -> Text:
    """`several`: whether there are containers of several hosts, so that the host must be named."""
    at = columns(width)
    word = each.health if each.health and each.status == "running" else each.status
    glyph, style = _STATES.get(word, ("○", FAINT))
    cells = [
        (_fit(f"{glyph} {word}", at.state), style),
        (_fit(f"{each.host}/{each.name}" if several else each.name, at.name), "bold"),
        (_cpu(each, at), _load(_cpu_share(each))),
        (_memory(each, at), _load(_memory_share(each))),
    ]
    if at.restarts:
        cells.append((_fit(str(each.restarts), at.restarts, right=True), BUSY if each.restarts else FAINT))
    cells.append((_fit(incident, at.incident), BAD if incident else PLAIN))
    text = Text()
    for content, cell_style in cells:
        text.append(content + " ", cell_style)
    return text


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
        (_fit(told[0].name if told else event.host, NAME) + " ", "bold"),
        (clean(line(event)), style),
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


def _cpu_share(each: ContainerState) -> float | None:
    """Of its limit, of one core without one; 1 is all."""
    return None if each.cpu is None else each.cpu / 100 / (each.cpu_limit or 1.0)


def _memory_share(each: ContainerState) -> float | None:
    return each.memory / each.memory_limit if each.memory is not None and each.memory_limit else None


def _load(share: float | None) -> str:
    """The default thresholds' colours; the number says it too."""
    return FAINT if share is None else BAD if share >= 0.85 else BUSY if share >= 0.6 else PLAIN  # noqa: PLR2004


def _cpu(each: ContainerState, at: Columns) -> str:
    number = "-" if each.cpu is None else f"{each.cpu:.1f} %"
    if not at.roomy:
        return _fit(number, at.cpu, right=True)
    return f"{_bar(_cpu_share(each), 8)} {_fit(number, at.cpu - 9, right=True)}"


def _memory(each: ContainerState, at: Columns) -> str:
    number = "-" if each.memory is None else show_size(each.memory)
    if not at.roomy:
        return _fit(number, at.memory, right=True)
    limit = f" / {show_size(each.memory_limit)}" if each.memory_limit else ""
    return f"{_bar(_memory_share(each), 8)} {_fit(number + limit, at.memory - 9, right=True)}"


def _bar(share: float | None, width: int) -> str:
    filled = 0 if share is None else max(0, min(width, round(share * width)))
    return "█" * filled + "·" * (width - filled)


def _fit(text: str, size: int, *, right: bool = False) -> str:
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
