"""An incident to be handed on: Markdown for people, an object for programs; secrets masked. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from hemostat.core.evidence.render import heading, sections
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.next_steps import comes_next, ladder
from hemostat.core.history.replay import masked
from hemostat.core.history.timeline import IncidentTimeline, TimelineStage, diagnosis_of, summary, why
from hemostat.core.markup import SPACE
from hemostat.core.redact import redact
from hemostat.core.text import clean
from hemostat.core.units import show_duration
from hemostat.events import decode

When = Callable[[float], str]
FENCE: Final = "~~~~"
INDENT: Final = " " * 4
"""Before each line inside a fence: with fewer blanks, a line of the text could end it."""
ACTIVE: Final = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<![\w]@)(?<=@)(?=\w)", re.IGNORECASE)
"""Where readers of Markdown begin a link, or call somebody, without any mark."""


def markdown(told: IncidentTimeline, kept: Sequence[EvidenceSnapshot], when: When) -> str:
    """`when` writes a time (epoch seconds) as people read it."""
    return "\n".join(_lines(veiled(told), kept, when)) + "\n"


def _lines(told: IncidentTimeline, kept: Sequence[EvidenceSnapshot], when: When) -> Iterator[str]:
    yield f"# {plain(told.container.name)}: {told.kind}, {told.status.replace('_', ' ')}"
    yield ""
    took = "still open" if told.seconds is None else f"{show_duration(told.seconds)} in all"
    yield f"Incident {plain(told.incident)} on {plain(told.host)}, began {when(told.began)}, {took}."
    if told.container.image:
        yield f"Image {plain(told.container.image)}."
    yield from ("", "## Timeline", "")
    yield from ("| time | after | step | what |", "|---|---:|---|---|")
    for step in told.steps:
        cells = (when(step.time), show_duration(step.after), step.stage, plain(step.text))
        yield f"| {' | '.join(cells)} |"
    yield from ("", f"{summary(told).capitalize()}.")
    yield from _reasons(told)
    yield from ("", "## What was tried, and what comes next", "")
    yield from (f"- {each.words}" for each in ladder(told))
    yield f"- next: {plain(comes_next(told))}"
    for dossier in kept:
        yield from ("", f"## Kept at {when(dossier.time)}: {plain(heading(dossier))}")
        for title, rows in sections(dossier, when):
            yield from ("", f"### {title.capitalize()}", "", FENCE)
            yield from (f"{INDENT}{clean(row)}" for row in rows)
            yield FENCE


def _reasons(told: IncidentTimeline) -> Iterator[str]:
    for step in told.steps:
        made = diagnosis_of(step.event)
        if step.stage is TimelineStage.DIAGNOSIS and made is not None:
            yield from ("", f"## Why, at {step.time - told.began:.1f} s", "")
            yield from (f"- **{label}** {plain(text)}" for label, text in why(made))


def plain(text: str) -> str:
    """Words that Markdown, the HTML it may hold, and services that show it leave alone."""
    inert = ACTIVE.sub(SPACE, clean(text))
    return "".join(f"\\{char}" if char in "\\`*_[]|#!~" else _HTML.get(char, char) for char in inert)


_HTML: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def record(told: IncidentTimeline, kept: Sequence[EvidenceSnapshot]) -> dict[str, Any]:
    """The events as they travelled, the steps worked out from them, and what was kept. Times are epoch
    seconds."""
    told = veiled(told)
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


def veiled(told: IncidentTimeline) -> IncidentTimeline:
    """With what looks like a secret masked: it is made to be handed on."""
    events = {step.event.id: decode(masked(step.event)) for step in told.steps}
    steps = (
        msgspec.structs.replace(each, text=redact(each.text), event=events[each.event.id])
        for each in told.steps
    )
    return msgspec.structs.replace(told, steps=tuple(steps))
