"""Exports an incident in the format of the file's suffix, with secrets masked."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console, Group

from hemostat.core.history.export import build_export, mask_timeline, render_markdown
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError
from hemostat.json_output import build_output
from hemostat.output_file import write_output
from hemostat.tui.render import incident
from hemostat.tui.render.incident import IncidentContent
from hemostat.tui.render.wrap import format_date, strip_fonts

SVG_WIDTH: Final = 110
PLOT_HEIGHT: Final = 5
"""Lines of a plot."""


def as_markdown(content: IncidentContent) -> str:
    return render_markdown(content.timeline, content.snapshots, format_date)


def as_json(content: IncidentContent) -> str:
    exported = build_output(build_export(content.timeline, content.snapshots))
    return json.dumps(exported, ensure_ascii=False, indent=2) + "\n"


def as_svg(content: IncidentContent) -> str:
    """The incident as its screen shows it."""
    timeline = mask_timeline(content.timeline)
    last = content._replace(timeline=timeline, step_index=len(timeline.steps) - 1)
    console = Console(record=True, width=SVG_WIDTH, file=io.StringIO(), force_terminal=True)
    lines = (
        incident.draw_lead(last, SVG_WIDTH),
        *incident.draw_steps(last, SVG_WIDTH),
        *incident.draw_reasons(last, None, SVG_WIDTH),
        *incident.draw_evidence(last, SVG_WIDTH, PLOT_HEIGHT),
    )
    console.print(Group(*lines))
    drawn = console.export_svg(
        title=escape_controls(f"{timeline.container.name}: {timeline.kind}, {timeline.status}")
    )
    return strip_fonts(drawn)


FORMATS: Final[dict[str, Callable[[IncidentContent], str]]] = {
    ".md": as_markdown,
    ".json": as_json,
    ".svg": as_svg,
}


def make_file_name(content: IncidentContent, suffix: str) -> str:
    """A file name that is safe in every header and file system."""
    return f"incident-{re.sub(r'[^A-Za-z0-9_-]', '', content.timeline.incident)[:40]}{suffix}"


def write_export(content: IncidentContent, path: Path, *, over: bool) -> Path:
    """Write the incident in the suffix's format, and return the absolute path.

    `over`: replace an existing file. Raises HemoStatError.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise HemoStatError(f"{path}: use one of the suffixes {', '.join(FORMATS)}")
    return write_text(form(content), path, over=over)


def write_text(text: str, path: Path, *, over: bool) -> Path:
    """Write the text, and return the absolute path. `over`: replace a file. Raises HemoStatError."""
    try:
        path = path.expanduser().absolute()
        write_output(path, text.encode("utf-8", "replace"), replace=over)
    except FileExistsError:
        raise HemoStatError(f"{path} exists: press enter again to replace it") from None
    except (OSError, RuntimeError) as error:
        raise HemoStatError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return path
