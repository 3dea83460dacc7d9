"""What the incident view says, as styled text. Pure; a colour never says what a word or a glyph does not."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from hemostat.core.evidence.render import occasion, sections
from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.history.incident_log import SETTLED, IncidentLog
from hemostat.core.history.next_steps import comes_next, ladder
from hemostat.core.history.timeline import (
    IncidentTimeline,
    TimelineStage,
    TimelineStep,
    known,
    summary,
    until,
    why,
)
from hemostat.core.units import show_duration
from hemostat.events import HealthAlert, Outcome, RemediationComplete
from hemostat.tui.render import charts
from hemostat.tui.render.charts import ChartLimits
from hemostat.tui.render.plot import TimeSpan
from hemostat.tui.render.text import BAD, BUSY, FAINT, GOOD, PLAIN, fit
from hemostat.tui.render.wrap import clock, heading, paragraph, row

BEFORE: Final = 60.0
AFTER: Final = 30.0
"""Seconds of figures shown before the failure began and after it was over."""
STRIDE: Final = 15.0
"""Seconds by which the figures of an open incident grow at a time: with each, all is drawn anew."""
LOG: Final = 40
"""Lines of a log that are shown."""
ROOMY: Final = 64
"""Columns from which on a step has its time beside it."""
HOUR: Final = 3600.0
UNSPENT: Final = frozenset({Outcome.HEALED, Outcome.FAILED})

_GLYPHS: Final = {
    TimelineStage.ALERT: ("!", BAD),
    TimelineStage.DIAGNOSIS: ("?", PLAIN),
    TimelineStage.DECISION: ("→", PLAIN),
    TimelineStage.ACTION: ("▲", BUSY),
    TimelineStage.VERIFICATION: ("◌", BUSY),
}
_FAULTS: Final = frozenset({"failed", "escalated", "refused", "expired"})


class IncidentContent(NamedTuple):
    """What there is to show. `at` is the step looked at, counted from 0; `points` are in order of time."""

    whole: IncidentTimeline
    at: int
    kept: tuple[EvidenceSnapshot, ...] = ()
    points: tuple[MetricPoint, ...] = ()
    limits: ChartLimits = ChartLimits()

    @property
    def then(self) -> IncidentTimeline:
        return until(self.whole, self.at)

    @property
    def step(self) -> TimelineStep:
        return self.whole.steps[self.at]


def title(incident: str, told: IncidentTimeline | None, place: str, width: int) -> Text:
    """`place` is which of how many incidents this is."""
    if told is None:
        return Text.assemble(
            (" incident ", "bold reverse"), f"  {fit(incident, 20).rstrip()} is not in the log"
        )
    stands = told.status.replace("_", " ")
    style = GOOD if told.status in SETTLED else BAD
    left = max(8, width - len(f" incident   : {told.kind}, {stands}  {place}"))
    name = fit(told.container.name, left).rstrip()
    line = Text.assemble((" incident ", "bold reverse"), f"  {name}: {told.kind}, ", (stands, style))
    line.append(f"  {place}", FAINT).truncate(width)
    return line


def lead(shown: IncidentContent, width: int) -> Text:
    """How long it took, in all and by what."""
    then, count = shown.then, len(shown.whole.steps)
    at = f"step {shown.at + 1} of {count}: " if shown.at + 1 < count else ""
    took = f"open since {clock(then.began)}"
    if then.seconds is not None:
        took = f"{show_duration(then.seconds)} in all"
    return Text(fit(f"{at}{took}; {summary(then)}", width), "bold")


def steps(shown: IncidentContent, width: int) -> list[Text]:
    """The timeline; of what came after the step that is looked at, nothing is known yet."""
    return [
        _step(step, width) if number <= shown.at else _unknown(step, width)
        for number, step in enumerate(shown.whole.steps)
    ]


def _step(step: TimelineStep, width: int) -> Text:
    glyph, style = _glyph(step)
    line = Text.assemble((_moment(step, width), FAINT), (f"{glyph} ", style), (fit(step.stage, 13), "bold"))
    return line.append(fit(step.text, max(1, width - line.cell_len)), style)


def _unknown(step: TimelineStep, width: int) -> Text:
    return Text.assemble((f"{'':{len(_moment(step, width))}}· {step.stage}", FAINT))


def _moment(step: TimelineStep, width: int) -> str:
    after = f"+{show_duration(step.after)}"
    return f"{clock(step.time)} {after:>12} " if width >= ROOMY else f"{after:>12} "


_LEAD: Final = 37
"""Cells before a step's text, at most."""


def _glyph(step: TimelineStep) -> tuple[str, str]:
    if step.status in _FAULTS:
        return "✗", BAD
    if isinstance(step.event.data, HealthAlert) and step.stage is TimelineStage.OUTCOME:
        return "○", GOOD
    if step.stage is TimelineStage.OUTCOME:
        return ("✓", GOOD) if step.status in SETTLED else ("■", BUSY)
    return _GLYPHS[step.stage]


def reasons(
    shown: IncidentContent, lately: int | None, width: int, *, bounds: str = "", room: int = 0
) -> list[Text]:
    """What comes next, and why. `lately`: how many actions the container has seen in the hour before, None
    where that is not told; `bounds`: how it stands towards the limits now; `room`: cells that the timeline
    has, of whose step the rest is told here."""
    return list(_reasons(shown, lately, bounds, width, (room or width) - _LEAD))


def _reasons(
    shown: IncidentContent, lately: int | None, bounds: str, width: int, step_room: int
) -> Iterator[Text]:
    then, step = shown.then, shown.step
    if cell_len(step.text) > step_room:
        yield heading(f"{step.stage}, {clock(step.time)}", width)
        yield from paragraph([step.text], width, _glyph(step)[1])
    yield heading("what is done, and what comes next", width)
    for number, rung in enumerate(ladder(then)):
        yield from row("ladder" if number == 0 else "", f"{number + 1}. {rung.words}", width)
    yield from row("next", comes_next(then), width)
    if lately is not None:
        done = "1 action" if lately == 1 else f"{lately or 'no'} actions"
        yield from row("budget", f"{done} on this container in the hour up to this step", width)
    if bounds:
        yield from row("now", bounds, width)
    yield heading("why", width)
    if then.diagnosis is None:
        yield Text("no diagnosis yet", FAINT)
    else:
        for label, text in why(then.diagnosis):
            yield from row(label, text, width)


def lately(stories: Sequence[IncidentLog], told: IncidentTimeline, step: TimelineStep) -> int:
    """Actions that were done to the container in the hour up to this step, as far as the log goes back."""
    done = (
        event
        for story in stories
        if story.host == told.host and story.container.name == told.container.name
        for event in story.steps
        if step.time - HOUR < event.time <= step.time
    )
    return sum(isinstance(each.data, RemediationComplete) and each.data.outcome in UNSPENT for each in done)


def evidence(shown: IncidentContent, width: int, plots: int) -> list[Text]:
    """The figures around it, `plots` lines each, and what was kept of the container."""
    return [*_figures(shown, width, plots), *_kept(shown, width)]


def window(shown: IncidentContent) -> TimeSpan:
    """The same for all steps, so that one sees it go on; no longer than there are figures."""
    steps, times = shown.whole.steps, [point.time for point in shown.points]
    last = steps[-1].time
    begin = max(shown.whole.began - BEFORE, min(times, default=0.0))
    newest = max(times, default=last)
    end = min(newest, last + AFTER) if shown.whole.status in SETTLED else ceil(newest / STRIDE) * STRIDE
    return TimeSpan(min(begin, last), max(last, end))


def _figures(shown: IncidentContent, width: int, height: int) -> Iterator[Text]:
    span, step = window(shown), shown.step
    latest = shown.at + 1 == len(shown.whole.steps)
    points = charts.within(shown.points, span.begin, span.end if latest else step.time)
    marks = {each.time: _glyph(each)[0] for each in shown.then.steps if each.stage in _MARKED}
    yield heading("cpu, memory, network   ! alert  ▲ action  ✓ ✗ outcome", width)
    for draw in (charts.cpu, charts.memory):
        yield from draw(points, span, shown.limits, width=width, height=height, marks=marks)
    if not charts.has_network(points):
        yield charts.no_network(points, width)
        return
    for strip in (charts.received, charts.sent):
        yield from strip(points, span, width=width, height=height // 2)


_MARKED: Final = frozenset({TimelineStage.ALERT, TimelineStage.ACTION, TimelineStage.OUTCOME})


def _kept(shown: IncidentContent, width: int) -> Iterator[Text]:
    found = known(shown.kept, shown.step)
    if not found:
        yield heading("evidence", width)
        yield from row("", "none was kept up to this step", width, FAINT)
    for dossier in reversed(found):
        yield heading(f"kept {clock(dossier.time)}, no. {dossier.occurrence}, {occasion(dossier)}", width)
        found_in = dict(sections(dossier, clock))
        for name in sorted(found_in.keys() - {"samples"}, key=_ORDER.index):
            yield Text(fit(name, width), "bold")
            yield from paragraph(_last(found_in[name]) if name == "log" else found_in[name], width)


_ORDER: Final = ("log", "health checks", "processes", "state", "facts", "made with", "missing", "left out")


def _last(log: Sequence[str]) -> Sequence[str]:
    left_out = len(log) - LOG
    return log if left_out <= 0 else [f"… {left_out} earlier lines: hemostat evidence", *log[-LOG:]]
