"""Collects the evidence about a container: for the responder before an action, and for the analyzer.

Each source is read in a thread of its own, and the wait is limited to `patience` seconds: an engine that
hangs makes an incomplete snapshot, not a late restart. No errors are raised; the snapshot says what is
missing, and why.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final

from hemostat.background import run_in_background
from hemostat.core.evidence.build import MAX_REDACTION_SECONDS, build_snapshot
from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.model import ContainerInfo
from hemostat.core.redact import redact, redact_until
from hemostat.errors import HemoStatError
from hemostat.events import Container, RemediationNeeded
from hemostat.ports import Clock, EngineReader

MAX_LOG_LINES: Final = 100
"""Maximum number of log lines."""
TIMED_OUT: Final = "timed out"


def collect_snapshot(
    engine: EngineReader,
    request: RemediationNeeded,
    found: ContainerInfo | None,
    now: float,
    *,
    patience: float,
    read_metrics: Callable[[Container], Sequence[MetricPoint]] | None = None,
    clock: Clock | None = None,
) -> EvidenceSnapshot:
    """Return the evidence snapshot of the container at `now`. `found` is its inspection, None for the host
    and where it was removed. `patience` is the seconds to wait for all sources together. `read_metrics`
    returns its latest measurements. By the `clock`, masking secrets is limited to MAX_REDACTION_SECONDS."""
    container = request.alert.container
    sources: dict[str, Callable[[], Any]] = {}
    if found is not None:
        sources["log"] = lambda: engine.logs(container.id, MAX_LOG_LINES)
        sources["details"] = lambda: engine.read_details(container.id)
        if found.is_running:
            sources["processes"] = lambda: engine.top(container.id)
    if read_metrics is not None and not container.is_host:
        sources["samples"] = lambda: read_metrics(container)
    answers, missing = gather(sources, patience)
    hide = redact if clock is None else redact_until(clock.now() + MAX_REDACTION_SECONDS, clock.now)
    return build_snapshot(request, found, now=now, missing=missing, hide=hide, **answers)


def gather(
    sources: Mapping[str, Callable[[], Any]], patience: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the answers within `patience` seconds, and for each other source the reason why it is
    missing."""
    futures = {name: run_in_background(source, f"evidence-{name}") for name, source in sources.items()}
    done, _ = wait(futures.values(), patience)
    reasons = {
        name: _describe_failure(future) if future in done else TIMED_OUT for name, future in futures.items()
    }
    missing = {name: reason for name, reason in reasons.items() if reason}
    return {name: future.result() for name, future in futures.items() if name not in missing}, missing


def _describe_failure(done: Future[Any]) -> str:
    """Return why a source has failed; empty if it has not. No error prevents an action."""
    error = done.exception()
    if error is None:
        return ""
    return error.message if isinstance(error, HemoStatError) else type(error).__name__
