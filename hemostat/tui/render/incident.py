"""The incident screen as styled text. Pure. Every colour is accompanied by a word or a glyph."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from hemostat.core.evidence.render import build_sections, format_occasion
from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.history.incident_log import SETTLED_STATUSES, IncidentLog
from hemostat.core.history.next_steps import build_ladder, describe_next_step
from hemostat.core.history.timeline import (
    IncidentTimeline,
    TimelineStage,
    TimelineStep,
    explain_diagnosis,
    format_length,
    format_spans,
    select_known_snapshots,
    truncate_at_step,
)
from hemostat.core.units import show_duration
from hemostat.core.wording import describe_kind, describe_status
from hemostat.events import Decided, HealthAlert, Outcome, RemediationComplete
from hemostat.tui.render import charts
from hemostat.tui.render.charts import ChartLimits
from hemostat.tui.render.plot import TimeSpan
from hemostat.tui.render.text import BAD, BUSY, FAINT, GOOD, PLAIN, fit
from hemostat.tui.render.wrap import draw_heading, draw_paragraph, draw_row, format_clock

SECONDS_BEFORE: Final = 60.0
SECONDS_AFTER: Final = 30.0
"""Seconds of measurements shown before the failure began and after it ended."""
STRIDE_SECONDS: Final = 15.0
"""Seconds by which the time of an open incident's plots grows at once: each step redraws everything."""
MAX_LOG_LINES: Final = 40
"""Lines of a log that are shown."""
ROOMY_WIDTH: Final = 64
"""Columns from which a step's time is shown beside it."""
HOUR_SECONDS: Final = 3600.0
ACTED_OUTCOMES: Final = frozenset({Outcome.HEALED, Outcome.FAILED})

_GLYPHS: Final = {
    TimelineStage.ALERT: ("!", BAD),
    TimelineStage.DIAGNOSIS: ("?", PLAIN),
    TimelineStage.DECISION: ("→", PLAIN),
    TimelineStage.ACTION: ("▲", BUSY),
    TimelineStage.VERIFICATION: ("◌", BUSY),
}
_FAULTS: Final = frozenset({"failed", "escalated", "refused", "expired"})


class IncidentContent(NamedTuple):
    """The incident's data. `step_index` is the selected step, counted from 0; `points` are in order of
    time."""

    timeline: IncidentTimeline
    step_index: int
    snapshots: tuple[EvidenceSnapshot, ...] = ()
    points: tuple[MetricPoint, ...] = ()
    limits: ChartLimits = ChartLimits()

    @property
    def timeline_so_far(self) -> IncidentTimeline:
        return truncate_at_step(self.timeline, self.step_index)

    @property
    def step(self) -> TimelineStep:
        return self.timeline.steps[self.step_index]


def draw_title(incident: str, timeline: IncidentTimeline | None, position: str, width: int) -> Text:
    """The title. `position` is this incident's position among all."""
    if timeline is None:
        return Text.assemble(
            (" incident ", "bold reverse"), f"  {fit(incident, 20).rstrip()} is not in the log"
        )
    problem, stands = describe_kind(timeline.kind), describe_status(timeline.status)
    style = GOOD if timeline.status in SETTLED_STATUSES else BAD
    room = max(8, width - len(f" incident   : {problem}, {stands}  {position}"))
    name = fit(timeline.container.name, room).rstrip()
    line = Text.assemble((" incident ", "bold reverse"), f"  {name}: {problem}, ", (stands, style))
    line.append(f"  {position}", FAINT).truncate(width)
    return line


def draw_lead(content: IncidentContent, width: int) -> Text:
    """The duration, in all and by stage."""
    then, count = content.timeline_so_far, len(content.timeline.steps)
    at = f"step {content.step_index + 1} of {count}: " if content.step_index + 1 < count else ""
    took = format_length(then, " total") or f"open since {format_clock(then.began)}"
    return Text(fit(f"{at}{took}; {format_spans(then)}", width), "bold")


def draw_next(content: IncidentContent, progress: str, width: int) -> Text:
    """The next step, wrapped. `progress`: what an action under way waits for."""
    text = progress or describe_next_step(content.timeline_so_far)
    return Text("\n").join(draw_row("next", text, width))


def draw_steps(content: IncidentContent, width: int) -> list[Text]:
    """The timeline. Steps after the selected one are faint: the reasons and the evidence do not know them."""
    return [
        _draw_step(step, width, is_later=number > content.step_index)
        for number, step in enumerate(content.timeline.steps)
    ]


def _draw_step(step: TimelineStep, width: int, *, is_later: bool) -> Text:
    glyph, style = ("·", FAINT) if is_later else _choose_glyph(step)
    stage_style = FAINT if is_later else "bold"
    line = Text.assemble(
        (_format_moment(step, width), FAINT), (f"{glyph} ", style), (fit(step.stage, 13), stage_style)
    )
    return line.append(fit(step.text, max(1, width - line.cell_len)), style)


def _format_moment(step: TimelineStep, width: int) -> str:
    after = f"+{show_duration(step.after)}"
    return f"{format_clock(step.time)} {after:>12} " if width >= ROOMY_WIDTH else f"{after:>12} "


_LEAD_WIDTH: Final = 37
"""Cells before a step's text, at most."""


def _choose_glyph(step: TimelineStep) -> tuple[str, str]:
    if step.status in _FAULTS and not isinstance(step.event.data, Decided):
        return "✗", BAD
    if isinstance(step.event.data, HealthAlert) and step.stage is TimelineStage.OUTCOME:
        return "○", GOOD
    if step.stage is TimelineStage.OUTCOME:
        return ("✓", GOOD) if step.status in SETTLED_STATUSES else ("■", BUSY)
    return _GLYPHS[step.stage]


def draw_reasons(
    content: IncidentContent, lately: int | None, width: int, *, bounds: str = "", room: int = 0
) -> list[Text]:
    """The actions and the reasons.

    `lately`: the container's actions in the hour before, None if not shown. `bounds`: the current limit
    status. `room`: cells of the timeline; a step's text that does not fit there is completed here.
    """
    return list(_draw_reasons(content, lately, bounds, width, (room or width) - _LEAD_WIDTH))


def _draw_reasons(
    content: IncidentContent, lately: int | None, bounds: str, width: int, step_room: int
) -> Iterator[Text]:
    then, step = content.timeline_so_far, content.step
    if cell_len(step.text) > step_room:
        yield draw_heading(f"{step.stage}, {format_clock(step.time)}", width)
        yield from draw_paragraph([step.text], width, _choose_glyph(step)[1])
    yield draw_heading("actions", width)
    for number, rung in enumerate(build_ladder(then)):
        yield from draw_row("ladder" if number == 0 else "", f"{number + 1}. {rung.text}", width)
    if lately is not None:
        actions_text = "1 action" if lately == 1 else f"{lately or 'no'} actions"
        yield from draw_row("budget", f"{actions_text} on this container in the hour up to this step", width)
    if bounds:
        yield from draw_row("now", bounds, width)
    yield draw_heading("why", width)
    if then.diagnosis is None:
        yield Text("no diagnosis yet", FAINT)
    else:
        for label, text in explain_diagnosis(then.diagnosis, then.kind):
            yield from draw_row(label, text, width)


def count_recent_actions(
    stories: Sequence[IncidentLog], timeline: IncidentTimeline, step: TimelineStep
) -> int:
    """Actions on the container in the hour up to this step, as far as the log goes back."""
    events = (
        event
        for incident_log in stories
        if incident_log.host == timeline.host and incident_log.container.name == timeline.container.name
        for event in incident_log.steps
        if step.time - HOUR_SECONDS < event.time <= step.time
    )
    return sum(
        isinstance(each.data, RemediationComplete) and each.data.outcome in ACTED_OUTCOMES for each in events
    )


def draw_evidence(content: IncidentContent, width: int, plots: int) -> list[Text]:
    """The measurements around the incident, `plots` lines each, and its evidence snapshots."""
    return [*_draw_figures(content, width, plots), *_draw_snapshots(content, width)]


def find_window(content: IncidentContent) -> TimeSpan:
    """The plots' time span, the same for all steps so that progress is visible, and no longer than the
    measurements.
    """
    steps, times = content.timeline.steps, [point.time for point in content.points]
    last = steps[-1].time
    begin = max(content.timeline.began - SECONDS_BEFORE, min(times, default=0.0))
    newest = max(times, default=last)
    end = (
        min(newest, last + SECONDS_AFTER)
        if content.timeline.status in SETTLED_STATUSES
        else ceil(newest / STRIDE_SECONDS) * STRIDE_SECONDS
    )
    return TimeSpan(min(begin, last), max(last, end))


def _draw_figures(content: IncidentContent, width: int, height: int) -> Iterator[Text]:
    span, step = find_window(content), content.step
    latest = content.step_index + 1 == len(content.timeline.steps)
    points = charts.select_points(content.points, span.begin, span.end if latest else step.time)
    marks = {
        each.time: _choose_glyph(each)[0]
        for each in content.timeline_so_far.steps
        if each.stage in _MARKED_STAGES
    }
    yield draw_heading("cpu, memory, network   ! alert  ▲ action  ✓ ✗ outcome", width)
    for draw in (charts.draw_cpu, charts.draw_memory):
        yield from draw(points, span, content.limits, width=width, height=height, marks=marks)
    if not charts.has_network(points):
        yield charts.explain_no_network(points, width)
        return
    for strip in (charts.draw_received, charts.draw_sent):
        yield from strip(points, span, width=width, height=height // 2)


_MARKED_STAGES: Final = frozenset({TimelineStage.ALERT, TimelineStage.ACTION, TimelineStage.OUTCOME})


def _draw_snapshots(content: IncidentContent, width: int) -> Iterator[Text]:
    snapshots = select_known_snapshots(content.snapshots, content.step)
    if not snapshots:
        yield draw_heading("evidence", width)
        yield from draw_row("", "none was saved up to this step", width, FAINT)
    for snapshot in reversed(snapshots):
        yield draw_heading(
            f"saved {format_clock(snapshot.time)}, no. {snapshot.occurrence}, {format_occasion(snapshot)}",
            width,
        )
        found_in = dict(build_sections(snapshot, format_clock))
        for name in sorted(found_in.keys() - {"samples"}, key=_ORDER.index):
            yield Text(fit(name, width), "bold")
            yield from draw_paragraph(_take_last(found_in[name]) if name == "log" else found_in[name], width)


_ORDER: Final = ("log", "health checks", "processes", "state", "facts", "created with", "missing", "left out")


def _take_last(log: Sequence[str]) -> Sequence[str]:
    left_out = len(log) - MAX_LOG_LINES
    return log if left_out <= 0 else [f"… {left_out} earlier lines: hemostat evidence", *log[-MAX_LOG_LINES:]]
