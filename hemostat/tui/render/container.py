"""The container screen as styled text. Pure. Every colour is accompanied by a word or a glyph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

import msgspec
from rich.text import Text

from hemostat.core.evidence.render import list_creation_settings
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, HealthcheckRun, MetricPoint
from hemostat.core.history.brief import describe_closed, describe_incident
from hemostat.core.history.incident_log import SETTLED_STATUSES, IncidentLog, find_closer, find_subject
from hemostat.core.history.next_steps import describe_next_step
from hemostat.core.history.timeline import IncidentTimeline, TimelineStage, build_timeline, format_length
from hemostat.core.labels.mistakes import explain_protection, find_mistakes
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.model import ContainerInfo
from hemostat.core.redact import redact
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.wording import describe_kind, describe_status
from hemostat.events import Container, ContainerStats, Event, State
from hemostat.tui.data.state import select_events
from hemostat.tui.render import charts, limits
from hemostat.tui.render.charts import ChartLimits
from hemostat.tui.render.plot import LABEL_WIDTH, TimeSpan
from hemostat.tui.render.text import BAD, BUSY, FAINT, GOOD, fit
from hemostat.tui.render.wrap import clean_text, draw_paragraph, draw_row, format_clock, format_date

PLOT_SECONDS: Final = 300.0
"""Seconds that the plots show."""
MIN_WIDTH_BESIDE: Final = 76
"""Columns from which the plots are drawn side by side."""
STRIP_HEIGHT: Final = 3
"""Ratio of the height of the CPU and memory plots to that of the network's."""
MAX_CHECKS: Final = 50
"""Runs of the health check that are shown."""
PANES: Final = ("log", "health checks", "inspect", "incidents")

_MARKS: Final = {TimelineStage.ALERT: "!", TimelineStage.ACTION: "▲"}


Place = tuple[str, str]
"""Host and name of a container."""


def find_newest_stats(stats: Iterable[Event], key: Place) -> Event | None:
    """The newest statistics of the container. A recreated container has the same name and another id."""
    matches = (
        event
        for event in stats
        if isinstance(event.data, ContainerStats) and (event.host, event.data.container.name) == key
    )
    return max(matches, key=lambda event: event.time, default=None)


def find_container_id(stats: Event | None, log: Sequence[Event], key: Place) -> str:
    """The id of the container at this place, now or in its latest event. Empty if unknown.

    A name alone could refer to a container of another host.
    """
    if stats is not None and isinstance(stats.data, ContainerStats):
        return stats.data.container.id
    subjects = (find_subject(event) for event in reversed(select_events(log, *key)))
    return next((each[0].id for each in subjects if each is not None), "")


def draw_title(host: str, name: str, width: int) -> Text:
    return Text.assemble(
        (" container ", "bold reverse"), f"  {fit(f'{host}/{name}', max(8, width - 13)).rstrip()}"
    )


def draw_facts(stats: ContainerStats | None, bounds: str, width: int) -> Text:
    """The container's current state. `bounds` is the text of describe_limit_status."""
    if stats is None:
        return Text(fit("no longer reported", width), FAINT)
    state, ref = stats.state, stats.container
    label, style = _format_state(state)
    label = fit(label, min(len(clean_text(label)), width // 2))
    started = f"started {format_date(state.started_at)}" if state.started_at else ""
    parts = [started, f"{state.restart_count} restarts" if state.restart_count else ""]
    parts += [f"compose {ref.project}/{ref.service}" if ref.project else ""]
    parts += [bounds]
    line = Text.assemble((label, style), f"  {clean_text('  '.join(filter(None, parts)))}")
    line.truncate(width, overflow="ellipsis")
    return line


def draw_notes(
    container: Container | None,
    pauses: Sequence[limits.NamedPause],
    incident_logs: Sequence[IncidentLog],
    now: float,
    width: int,
) -> list[Text]:
    """What keeps HemoStat from acting on the container, and its open incidents with their next step, a line
    each. `pauses`: all that are in force. `incident_logs`: those of the container that are open, or closed
    while their failure lasts."""
    notes: list[tuple[str, str]] = []
    if container is not None:
        why = explain_protection(container.labels)
        notes += [(f"‖ protected, HemoStat never touches it: {why}", BUSY)] if why else []
        mistakes = [] if why else find_mistakes(container.labels)
        notes += [(f"! {each}; actions need an approval", BAD) for each in mistakes[:1]]
        own = [each for each in pauses if each[0] in {ALL_CONTAINERS, container.name}]
        notes += [(f"‖ {each}", BUSY) for each in limits.describe_all_pauses(own, now)]
    for each in incident_logs:
        is_closed = bool(find_closer(each))
        what = describe_closed(each) if is_closed else describe_incident(each)
        next_step = describe_next_step(build_timeline(each))
        notes.append((f"✗ {what}; next: {next_step}", FAINT if is_closed else BAD))
    return [Text(fit(text, width).rstrip(), style) for text, style in notes]


def describe_limit_status(overviews: Mapping[str, HostLimitStatus], key: Place, now: float) -> str:
    """The container's breaker and budget. Empty if unknown."""
    if (overview := overviews.get(key[0])) is None:
        return ""
    stands = overview.get_container_status(key[1])
    return f"breaker {limits.format_breaker(stands, now)[0]}, actions {limits.format_budget(stands, now)[0]}"


def _format_state(state: State) -> tuple[str, str]:
    label = state.health if state.health and state.status == "running" else state.status
    exit_text = f", exit code {state.exit_code}" if state.status in {"exited", "dead"} else ""
    if label in {"unhealthy", "dead", "restarting"}:
        return f"✗ {label}{exit_text}", BAD
    return (f"✓ {label}", GOOD) if label in {"healthy", "running"} else (f"○ {label}{exit_text}", BUSY)


def draw_plots(
    points: Sequence[MetricPoint], limit: ChartLimits, marks: Mapping[float, str], width: int, height: int
) -> list[Text]:
    """The last minutes of CPU and memory, `height` lines each, and of the network in fewer lines below.

    Plots are side by side if there is room.
    """
    room = width if width < MIN_WIDTH_BESIDE else (width - 1) // 2
    span = TimeSpan.ending_at(points[-1].time if points else 0.0, PLOT_SECONDS, room - LABEL_WIDTH - 1)
    here = {time: mark for time, mark in marks.items() if span.begin <= time <= span.end}
    visible = charts.select_points(points, *span)
    cpu, memory = (
        list(draw(visible, span, limit, width=room, height=height, marks=here))
        for draw in (charts.draw_cpu, charts.draw_memory)
    )
    low, has_network = height // STRIP_HEIGHT, charts.has_network(visible)
    received, sent_plot = (
        list(draw(visible, span, width=room, height=low)) if has_network else []
        for draw in (charts.draw_received, charts.draw_sent)
    )
    network = [] if has_network else [charts.explain_no_network(visible, width)]
    if width < MIN_WIDTH_BESIDE:
        # One time axis serves all plots. It is last, so it is cut off first if there is no room.
        end = 1 + height
        return [*cpu[:end], *memory[:end], *received, *sent_plot, *network, *memory[end:]]
    return [*_put_beside(cpu, memory, room), *_put_beside(received, sent_plot, room), *network]


def _put_beside(left: Sequence[Text], right: Sequence[Text], room: int) -> list[Text]:
    both = zip_longest(left, right, fillvalue=Text(" " * room))
    return [Text.assemble(one, " ", right_line) for one, right_line in both]


def find_marks(steps: Iterable[IncidentTimeline]) -> dict[float, str]:
    """Marks of alerts, actions and outcomes, by time."""
    return {
        step.time: mark
        for each in steps
        for step in each.steps
        if (mark := "✓" if _is_settled(step.stage, step.status) else _MARKS.get(step.stage))
    }


def _is_settled(stage: TimelineStage, status: str) -> bool:
    return stage is TimelineStage.OUTCOME and status in SETTLED_STATUSES


def draw_tabs(pane: str, note: str, width: int) -> Text:
    """The tabs. `note` is a note on the open pane: the search text, or why it is empty."""
    text = Text()
    for number, name in enumerate(PANES, 1):
        text.append(f" {number} {name} ", "bold reverse" if name == pane else FAINT)
    text.append(f"  {clean_text(note)}" if note else "", BUSY)
    text.truncate(width, overflow="ellipsis")
    return text


# --- the log --------------------------------------------------------------------------------------------


class LogMatches(msgspec.Struct, frozen=True):
    """A log as displayed: its rows, and the index of the row in which each matching line begins."""

    rows: tuple[Text, ...]
    matches: tuple[int, ...]


def is_match(line: str, pattern: str) -> bool:
    """Whether the line matches. `!text` matches lines without the text."""
    text = pattern.removeprefix("!").lower()
    return bool(text) and (text in line.lower()) != pattern.startswith("!")


def draw_log(text: str, pattern: str, width: int, *, only: bool) -> LogMatches:
    """The log. `only`: only matching lines."""
    rows: list[Text] = []
    match_rows: list[int] = []
    for line in text.splitlines():
        holds = is_match(line, pattern)
        if only and pattern and not holds:
            continue
        if holds:
            match_rows.append(len(rows))
        rows += draw_paragraph([line], width)
        if holds and not pattern.startswith("!"):
            for each in rows[match_rows[-1] :]:
                each.highlight_words([clean_text(pattern)], "bold reverse", case_sensitive=False)
    return LogMatches(tuple(rows), tuple(match_rows))


# --- the other panes ------------------------------------------------------------------------------------


def merge_checks(
    now: Sequence[HealthcheckRun], snapshots: Iterable[EvidenceSnapshot]
) -> list[HealthcheckRun]:
    """The newest runs of the health check, oldest first, each once."""
    before = (each for snapshot in snapshots if snapshot.details for each in snapshot.details.checks)
    by_time = {each.time: each for each in (*before, *now)}
    return [by_time[time] for time in sorted(by_time)][-MAX_CHECKS:]


def draw_checks(runs: Sequence[HealthcheckRun], width: int) -> list[Text]:
    """The runs, newest first, after a line that shows all as glyphs."""
    if not runs:
        return [Text("no results: it has no health check, or none has run yet", FAINT)]
    strip = "".join("✓" if each.exit_code == 0 else "✗" for each in runs)
    failed = sum(each.exit_code != 0 for each in runs)
    lines = [Text.assemble((strip[-max(1, width - 24) :], "bold"), f"  {failed} of {len(runs)} failed")]
    for each in reversed(runs):
        passed = each.exit_code == 0
        verdict = "passed" if passed else f"failed, {each.exit_code}"
        glyph = "✓" if passed else "✗"
        lines += draw_row(
            format_clock(each.time), f"{glyph} {verdict}  {each.output}", width, GOOD if passed else BAD
        )
    return lines


def draw_inspection(info: ContainerInfo | None, details: ContainerDetails | None, width: int) -> list[Text]:
    return list(_draw_inspection(info, details, width))


def _draw_inspection(
    info: ContainerInfo | None, details: ContainerDetails | None, width: int
) -> Iterator[Text]:
    if info is not None:
        facts = (
            ("image", info.ref.image),
            ("id", info.ref.id),
            ("created", format_date(info.created_at) if info.created_at else ""),
            ("started", format_date(info.started_at) if info.started_at else ""),
            (
                "ended",
                f"{format_date(info.finished_at)} with {info.exit_code}" if info.finished_at > 0 else "",
            ),
            ("oom", "it was killed at its memory limit" if info.oom_killed else ""),
            ("restarts", str(info.restart_count)),
            ("network", " ".join(filter(None, (info.network_mode, info.address)))),
            ("log file", info.log_path),
        )
        for label, text in facts:
            if text:
                yield from draw_row(label, text, width)
        for key, value in sorted(info.ref.labels.items()):
            yield from draw_row("label", f"{key}={redact(value)}", width)
    if details is not None:
        for label, text in list_creation_settings(details):
            yield from draw_row(label, text, width)


def draw_incident(timeline: IncidentTimeline, width: int) -> Text:
    settled = timeline.status in SETTLED_STATUSES
    glyph, style = ("✓", GOOD) if settled else ("✗", BAD)
    length = format_length(timeline)
    took = f" in {length}" if length else ""
    last = "" if settled else f": {timeline.steps[-1].text}"
    text = f"{describe_kind(timeline.kind)}, {describe_status(timeline.status)}{took}{last}"
    line = Text.assemble((f"{format_date(timeline.began)} ", FAINT), (f"{glyph} ", style))
    return line.append(fit(text, max(1, width - line.cell_len)))
