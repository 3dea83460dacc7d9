"""An evidence snapshot, and how a container was created, as rows under headings. Secrets are already
masked."""

from collections.abc import Callable, Iterator

from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, HealthcheckRun, MetricPoint
from hemostat.core.units import format_fact, show_size
from hemostat.core.wording import describe_kind
from hemostat.events import Action

Section = tuple[str, list[str]]


def format_heading(snapshot: EvidenceSnapshot) -> str:
    what = f"{describe_kind(snapshot.kind)}, no. {snapshot.occurrence}"
    return f"{snapshot.container.name}  {what}, {format_occasion(snapshot)}"


def format_occasion(snapshot: EvidenceSnapshot) -> str:
    return "before the escalation" if snapshot.action is Action.NONE else f"before {snapshot.action}"


def build_sections(snapshot: EvidenceSnapshot, when: Callable[[float], str]) -> Iterator[Section]:
    """The sections that have content. `when` formats a time (epoch seconds) for people."""
    state, details = snapshot.state, snapshot.details
    sections: tuple[Section, ...] = (
        ("state", [] if state is None else [f"{state.status}, exit code {state.exit_code}"]),
        ("facts", [format_fact(each) for each in snapshot.evidence]),
        ("processes", list(snapshot.processes)),
        (
            "created with",
            [] if details is None else [" ".join(pair) for pair in list_creation_settings(details)],
        ),
        (
            "health checks",
            [] if details is None else [format_health_check(each, when) for each in details.checks],
        ),
        (
            "samples",
            [_format_sample(each, when) for each in snapshot.samples[-10:]],
        ),
        ("log", snapshot.log.splitlines()),
        ("missing", [f"{source}: {why}" for source, why in snapshot.missing.items()]),
        ("left out", list(snapshot.left_out)),
    )
    yield from ((title, rows) for title, rows in sections if rows)


def list_creation_settings(details: ContainerDetails) -> Iterator[tuple[str, str]]:
    """How a container was created, as pairs of name and value."""
    yield "command", " ".join(details.command)
    yield (
        "restart policy",
        details.restart_policy + (f", {details.max_retries} times" if details.max_retries else ""),
    )
    if details.cpu_limit is not None:
        yield "cpu limit", f"{details.cpu_limit:g} cores"
    if details.memory_limit is not None:
        yield "memory limit", show_size(details.memory_limit)
    if details.pids_limit is not None:
        yield "pids limit", str(details.pids_limit)
    yield "networks", ", ".join(details.networks) or "-"
    yield from (("mount", mount) for mount in details.mounts)
    yield from (("environment", f"{name}={value}") for name, value in details.environment.items())
    if details.error:
        yield "error", details.error


def format_health_check(run: HealthcheckRun, when: Callable[[float], str]) -> str:
    passed = "passed" if run.exit_code == 0 else f"failed with {run.exit_code}"
    return f"{when(run.time)} {passed}" + (f": {run.output}" if run.output else "")


def _format_sample(point: MetricPoint, when: Callable[[float], str]) -> str:
    share = "-" if point.cpu is None else f"{point.cpu:.1f}"
    used = "-" if point.memory is None else show_size(point.memory)
    text = f"{when(point.time)} cpu {share} % memory {used}"
    if point.received is None or point.sent is None:
        return text
    return f"{text} received {show_size(point.received)}/s sent {show_size(point.sent)}/s"
