"""Exports an incident: Markdown for people, an object for programs. Secrets are masked. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from hemostat.core.evidence.render import build_sections, format_heading
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.next_steps import build_ladder, describe_next_step
from hemostat.core.history.replay import encode_masked_event
from hemostat.core.history.timeline import (
    IncidentTimeline,
    TimelineStage,
    explain_diagnosis,
    format_spans,
    get_diagnosis,
)
from hemostat.core.markup import ZERO_WIDTH_SPACE
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.events import decode

When = Callable[[float], str]
FENCE: Final = "~~~~"
INDENT: Final = " " * 4
"""Put before each line inside a fence. With fewer blanks, a line of the text could end the fence."""
LINK_STARTS: Final = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<![\w]@)(?<=@)(?=\w)", re.IGNORECASE)
"""Places where Markdown viewers start a link or a mention without any markup."""


def render_markdown(told: IncidentTimeline, kept: Sequence[EvidenceSnapshot], when: When) -> str:
    """The incident as Markdown. `when` formats a time (epoch seconds) for people."""
    return "\n".join(_render_lines(mask_timeline(told), kept, when)) + "\n"


def _render_lines(told: IncidentTimeline, kept: Sequence[EvidenceSnapshot], when: When) -> Iterator[str]:
    yield f"# {escape_markdown(told.container.name)}: {told.kind}, {told.status.replace('_', ' ')}"
    yield ""
    took = "still open" if told.seconds is None else f"{show_duration(told.seconds)} in total"
    incident, host = escape_markdown(told.incident), escape_markdown(told.host)
    yield f"Incident {incident} on {host}, started {when(told.began)}, {took}."
    if told.container.image:
        yield f"Image {escape_markdown(told.container.image)}."
    yield from ("", "## Timeline", "")
    yield from ("| time | after | step | what |", "|---|---:|---|---|")
    for step in told.steps:
        cells = (when(step.time), show_duration(step.after), step.stage, escape_markdown(step.text))
        yield f"| {' | '.join(cells)} |"
    yield from ("", f"{format_spans(told).capitalize()}.")
    yield from _render_reasons(told)
    yield from ("", "## Actions and next step", "")
    yield from (f"- {each.words}" for each in build_ladder(told))
    yield f"- next: {escape_markdown(describe_next_step(told))}"
    for dossier in kept:
        yield from (
            "",
            f"## Evidence saved at {when(dossier.time)}: {escape_markdown(format_heading(dossier))}",
        )
        for title, rows in build_sections(dossier, when):
            yield from ("", f"### {title.capitalize()}", "", FENCE)
            yield from (f"{INDENT}{escape_controls(row)}" for row in rows)
            yield FENCE


def _render_reasons(told: IncidentTimeline) -> Iterator[str]:
    for step in told.steps:
        made = get_diagnosis(step.event)
        if step.stage is TimelineStage.DIAGNOSIS and made is not None:
            yield from ("", f"## Why, at {step.time - told.began:.1f} s", "")
            yield from (f"- **{label}** {escape_markdown(text)}" for label, text in explain_diagnosis(made))


def escape_markdown(text: str) -> str:
    """Text without effect in Markdown, in HTML within Markdown, and in services that display Markdown."""
    inert = LINK_STARTS.sub(ZERO_WIDTH_SPACE, escape_controls(text))
    return "".join(f"\\{char}" if char in "\\`*_[]|#!~" else _HTML_ENTITIES.get(char, char) for char in inert)


_HTML_ENTITIES: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def build_export(told: IncidentTimeline, kept: Sequence[EvidenceSnapshot]) -> dict[str, Any]:
    """The published events, the steps derived from them, and the evidence snapshots. Times are epoch
    seconds."""
    told = mask_timeline(told)
    events = {step.event.id: step.event for step in told.steps}
    return {
        "incident": told.incident,
        "host": told.host,
        "container": told.container.name,
        "kind": told.kind,
        "status": told.status,
        "began": told.began,
        "seconds": told.seconds,
        "steps": [
            {"time": each.time, "after": each.after, "stage": each.stage, "text": each.text}
            for each in told.steps
        ],
        "events": [msgspec.to_builtins(each) for each in events.values()],
        "dossiers": [msgspec.to_builtins(each) for each in kept],
    }


def mask_timeline(told: IncidentTimeline) -> IncidentTimeline:
    """The timeline with text that looks like a secret masked, because exports are passed on to others."""
    events = {step.event.id: decode(encode_masked_event(step.event)) for step in told.steps}
    steps = (
        msgspec.structs.replace(each, text=redact(each.text), event=events[each.event.id])
        for each in told.steps
    )
    return msgspec.structs.replace(told, steps=tuple(steps))
