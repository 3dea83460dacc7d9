"""Exports an incident: Markdown for people, an object for programs. Secrets are masked. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Final

import msgspec

from hemostat.core.evidence.render import build_sections, format_heading
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.identity import identify_event
from hemostat.core.history.next_steps import build_ladder, describe_next_step
from hemostat.core.history.replay import encode_masked_event
from hemostat.core.history.timeline import (
    IncidentTimeline,
    TimelineStage,
    explain_diagnosis,
    format_length,
    format_spans,
    get_diagnosis,
)
from hemostat.core.markup import ZERO_WIDTH_SPACE
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.core.wording import describe_kind, describe_status
from hemostat.events import Epoch, Event, Kind, decode
from hemostat.events.fields import renamed_to

When = Callable[[float], str]
FENCE: Final = "~~~~"
INDENT: Final = " " * 4
"""Put before each line inside a fence. With fewer blanks, a line of the text could end the fence."""
LINK_STARTS: Final = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<![\w]@)(?<=@)(?=\w)", re.IGNORECASE)
"""Places where Markdown viewers start a link or a mention without any markup."""


class ExportedStep(msgspec.Struct, frozen=True, kw_only=True):
    """`after` is seconds since the step before, for the first step since the failure began."""

    time: Epoch
    after: Annotated[float, renamed_to("after_seconds")]
    stage: TimelineStage
    text: str


class IncidentExport(msgspec.Struct, frozen=True, kw_only=True):
    """The published events, the steps derived from them, and the evidence snapshots. `began` is when the
    failure began, `seconds` from then to its end, null for an open incident."""

    incident: str
    host: str
    container: str
    kind: Kind
    status: str
    began: Annotated[Epoch, renamed_to("since")]
    seconds: Annotated[float | None, renamed_to("duration_seconds")]
    steps: tuple[ExportedStep, ...]
    events: tuple[Event, ...]
    dossiers: Annotated[tuple[EvidenceSnapshot, ...], renamed_to("evidence_snapshots")]


def render_markdown(timeline: IncidentTimeline, snapshots: Sequence[EvidenceSnapshot], when: When) -> str:
    """The incident as Markdown. `when` formats a time (epoch seconds) for people."""
    return "\n".join(_render_lines(mask_timeline(timeline), snapshots, when)) + "\n"


def _render_lines(
    timeline: IncidentTimeline, snapshots: Sequence[EvidenceSnapshot], when: When
) -> Iterator[str]:
    name, status = escape_markdown(timeline.container.name), describe_status(timeline.status)
    yield f"# {name}: {describe_kind(timeline.kind)}, {status}"
    yield ""
    took = format_length(timeline, " in total") or "still open"
    incident, host = escape_markdown(timeline.incident), escape_markdown(timeline.host)
    yield f"Incident {incident} on {host}, started {when(timeline.began)}, {took}."
    if timeline.container.image:
        yield f"Image {escape_markdown(timeline.container.image)}."
    yield from ("", "## Timeline", "")
    yield from ("| time | after | step | what |", "|---|---:|---|---|")
    for step in timeline.steps:
        cells = (when(step.time), show_duration(step.after), step.stage, escape_markdown(step.text))
        yield f"| {' | '.join(cells)} |"
    yield from ("", f"{format_spans(timeline).capitalize()}.")
    yield from _render_reasons(timeline)
    yield from ("", "## Actions and next step", "")
    yield from (f"- {each.text}" for each in build_ladder(timeline))
    yield f"- next: {escape_markdown(describe_next_step(timeline))}"
    for snapshot in snapshots:
        yield from (
            "",
            f"## Evidence saved at {when(snapshot.time)}: {escape_markdown(format_heading(snapshot))}",
        )
        for title, rows in build_sections(snapshot, when):
            yield from ("", f"### {title.capitalize()}", "", FENCE)
            yield from (f"{INDENT}{escape_controls(row)}" for row in rows)
            yield FENCE


def _render_reasons(timeline: IncidentTimeline) -> Iterator[str]:
    for step in timeline.steps:
        diagnosis = get_diagnosis(step.event)
        if step.stage is TimelineStage.DIAGNOSIS and diagnosis is not None:
            yield from ("", f"## Why, at {step.time - timeline.began:.1f} s", "")
            parts = explain_diagnosis(diagnosis, timeline.kind)
            yield from (f"- **{label}** {escape_markdown(text)}" for label, text in parts)


def escape_markdown(text: str) -> str:
    """Text without effect in Markdown, in HTML within Markdown, and in services that display Markdown."""
    inert = LINK_STARTS.sub(ZERO_WIDTH_SPACE, escape_controls(text))
    return "".join(f"\\{char}" if char in "\\`*_[]|#!~" else _HTML_ENTITIES.get(char, char) for char in inert)


_HTML_ENTITIES: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def build_export(timeline: IncidentTimeline, snapshots: Sequence[EvidenceSnapshot]) -> IncidentExport:
    timeline = mask_timeline(timeline)
    events = {identify_event(step.event): step.event for step in timeline.steps}
    return IncidentExport(
        incident=timeline.incident,
        host=timeline.host,
        container=timeline.container.name,
        kind=timeline.kind,
        status=timeline.status,
        began=timeline.began,
        seconds=timeline.seconds,
        steps=tuple(
            ExportedStep(time=each.time, after=each.after, stage=each.stage, text=each.text)
            for each in timeline.steps
        ),
        events=tuple(events.values()),
        dossiers=tuple(snapshots),
    )


def mask_timeline(timeline: IncidentTimeline) -> IncidentTimeline:
    """The timeline with text that looks like a secret masked, because exports are passed on to others."""
    events = {identify_event(step.event): decode(encode_masked_event(step.event)) for step in timeline.steps}
    steps = (
        msgspec.structs.replace(each, text=redact(each.text), event=events[identify_event(each.event)])
        for each in timeline.steps
    )
    return msgspec.structs.replace(timeline, steps=tuple(steps))
