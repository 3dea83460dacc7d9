"""The tools that a model may call, and their results as bounded text.

All tools only read. No tool accepts a path, a pattern language, or a container outside the incident.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hemostat.core.diagnosis.case import Precedent
from hemostat.core.diagnosis.causes import CAUSE_MEANINGS
from hemostat.core.evidence.build import build_log_tail, mask_details
from hemostat.core.evidence.snapshot import ContainerDetails, MetricPoint
from hemostat.core.llm.tool import Tool
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration, show_size

CONCLUDE_TOOL: Final = "conclude"
LOG_TOOL: Final = "log"
MAX_RESULT_BYTES: Final = 6_000
"""Bytes of one result."""
MAX_LOG_LINES: Final = 200
"""Lines of a log that are searched."""
MAX_POINTS: Final = 30
MAX_LINE_BYTES: Final = MAX_RESULT_BYTES // 4
"""Bytes of one line. A longer line is cut so that it does not displace others."""
INVISIBLE_CHARACTERS: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that Unicode counts as printable and that are invisible to a person. Text can be hidden in
them."""
PROGRAM_WORDED_FACTS: Final = frozenset({"probe"})
"""Facts of an alert whose text comes from a program in the container."""


def _make_tool(name: str, description: str, names: Sequence[str], **more: Mapping[str, Any]) -> Tool:
    container = {"type": "string", "enum": list(names)}
    properties = {"container": container, **more}
    return Tool(
        name=name,
        description=description,
        parameters={"type": "object", "properties": properties, "required": ["container"]},
    )


def build_reading_tools(names: Sequence[str], *, logs: bool) -> list[Tool]:
    """The tools that read the containers with these names."""
    grep = {"type": "string", "description": "Only lines that contain this, in any case; no pattern."}
    log = _make_tool(
        LOG_TOOL, f"The end of the container's log, {MAX_LOG_LINES} lines at most.", names, grep=grep
    )
    other_tools = [
        _make_tool("processes", "The command lines that run in the container.", names),
        _make_tool(
            "inspect", "Its configuration: command, limits, networks, environment, health checks.", names
        ),
        _make_tool("metrics", "Its CPU, memory and network over the last minutes.", names),
        _make_tool("events", "Its recent events: alerts, diagnoses, remediations.", names),
    ]
    return [log, *other_tools] if logs else other_tools


def build_conclude_tool(choices: Sequence[str]) -> Tool:
    """The tool that ends the investigation."""
    text = {"type": "string"}
    quote = {
        "type": "object",
        "properties": {"source": text, "quote": {"type": "string", "description": "Word for word."}},
        "required": ["source", "quote"],
    }
    properties = {
        "cause": {"type": "string", "enum": [str(cause) for cause in CAUSE_MEANINGS]},
        "summary": {"type": "string", "description": "Why, in one or two sentences, for an operator."},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "roots": {
            "type": "array",
            "items": text,
            "description": "The root cause: containers, or `host`.",
        },
        "evidence": {"type": "array", "items": quote, "minItems": 1, "maxItems": 8},
        "action": {"type": "string", "enum": list(choices)},
        "expected_effect": {"type": "string", "description": "The observation to expect if you are right."},
        "alternative": {"type": "string", "description": "Alternative causes."},
    }
    required = ["cause", "summary", "confidence", "roots", "evidence", "action"]
    return Tool(
        name=CONCLUDE_TOOL,
        description="Give your diagnosis. Call this once, as soon as you are sure enough.",
        parameters={"type": "object", "properties": properties, "required": required},
    )


# --- results as text ----------------------------------------------------------------------------------


def format_log(text: str, grep: str, *, emails: bool) -> str:
    """The end of the log, filtered by `grep`. The log is redacted first, so that no filter matches a masked
    secret."""
    end = redact(build_log_tail(text, MAX_RESULT_BYTES * 2), emails=emails)
    lines = [line for line in end.splitlines() if grep.casefold() in line.casefold()]
    return bound_lines(lines[-MAX_LOG_LINES:], emails=emails) or (
        "no line contains this" if grep else "the log is empty"
    )


def format_processes(lines: Sequence[str], *, emails: bool) -> str:
    return bound_lines(_clean_line(line, emails)[:300] for line in lines[:100]) or "no processes"


def format_details(details: ContainerDetails, *, outputs: bool, emails: bool) -> str:
    """`outputs`: include the output of health checks."""
    masked_details = mask_details(details)
    checks = [
        f"exit code {check.exit_code}{_format_output(check.output, outputs)}"
        for check in masked_details.checks[-3:]
    ]
    rows = {
        "command": " ".join(masked_details.command),
        "restart policy": masked_details.restart_policy,
        "CPU limit": "none" if masked_details.cpu_limit is None else f"{masked_details.cpu_limit:g} cores",
        "memory limit": "none"
        if masked_details.memory_limit is None
        else show_size(masked_details.memory_limit),
        "process limit": "" if masked_details.pids_limit is None else str(masked_details.pids_limit),
        "networks": ", ".join(masked_details.networks),
        "mounts": ", ".join(masked_details.mounts),
        "environment": ", ".join(f"{name}={value}" for name, value in masked_details.environment.items()),
        "health checks": "; ".join(checks),
        "could not be started": masked_details.error,
    }
    return format_table(rows, emails=emails)


def _format_output(text: str, should_show: bool) -> str:
    return f": {text}" if should_show and text else ""


def format_metrics(points: Sequence[MetricPoint], now: float) -> str:
    """At most MAX_POINTS points, evenly spaced, including the last."""
    step = max(1, -(-len(points) // MAX_POINTS))
    some = list(points[::-1][::step])[::-1]
    lines = [
        f"{show_duration(max(0.0, now - each.time))} ago: "
        f"CPU {_format_cpu(each)}, memory {_format_memory(each)}{_format_network(each)}"
        for each in some
    ]
    return bound_lines(lines) or "no measurements"


def _format_cpu(point: MetricPoint) -> str:
    return "?" if point.cpu is None else f"{point.cpu:.0f} % of a core"


def _format_memory(point: MetricPoint) -> str:
    return "?" if point.memory is None else show_size(point.memory)


def _format_network(point: MetricPoint) -> str:
    if point.received is None or point.sent is None:
        return ""
    return f", received {show_size(point.received)}/s, sent {show_size(point.sent)}/s"


def format_events(lines: Iterable[str], *, outputs: bool, emails: bool) -> str:
    """`outputs`: include details, which may contain text of programs."""
    clean_lines = (_clean_line(line, emails) for line in lines)
    some = [line[:500] if outputs else ": ".join(line.split(": ", 2)[:2]) for line in clean_lines]
    return bound_lines(some) or "no events"


def format_precedents(precedents: Sequence[Precedent], now: float) -> str:
    return bound_lines(
        f"{show_duration(max(0.0, now - each.time))} ago, {each.container}: {each.cause}, "
        f"{each.action} {each.outcome}"
        for each in precedents[-10:]
    )


def format_table(rows: Mapping[str, str], *, emails: bool) -> str:
    """One line for each row that has a value."""
    return bound_lines(f"{name}: {_clean_line(value, emails)}" for name, value in rows.items() if value)


def _clean_line(text: str, emails: bool) -> str:
    return escape_controls(redact(text, emails=emails))


def bound_lines(lines: Iterable[str], *, emails: bool = False) -> str:
    """The last lines that fit into MAX_RESULT_BYTES, with secrets masked and invisible characters escaped."""
    last_lines: list[str] = []
    size = 0
    for line in reversed(redact("\n".join(lines), emails=emails).splitlines()):
        clean_line = _cut_line(INVISIBLE_CHARACTERS.sub(_escape, escape_controls(line.replace("\t", " "))))
        size += len(clean_line.encode(errors="replace")) + 1
        if size > MAX_RESULT_BYTES:
            last_lines.append("[earlier lines are left out]")
            break
        last_lines.append(clean_line)
    return "\n".join(reversed(last_lines))


def _escape(char: re.Match[str]) -> str:
    return char[0].encode("unicode_escape").decode()


def _cut_line(line: str) -> str:
    raw = line.encode(errors="replace")
    return line if len(raw) <= MAX_LINE_BYTES else f"{raw[:MAX_LINE_BYTES].decode(errors='ignore')}…"
