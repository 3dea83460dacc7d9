"""Gathers the evidence about a container before an action.

Each source is read in a thread of its own, and the wait is limited to `patience` seconds: an engine that
hangs makes an incomplete snapshot, not a late restart. No errors are raised; the snapshot says what is
missing, and why.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hemostat.core.evidence.build import build_snapshot
from hemostat.core.evidence.snapshot import EvidenceSnapshot, MetricPoint
from hemostat.core.model import ContainerInfo
from hemostat.core.redact import Redactor, redact
from hemostat.errors import HemoStatError
from hemostat.events import Container, RemediationNeeded
from hemostat.ports import Engine

MAX_LOG_LINES: Final = 100
"""Maximum number of log lines."""
TIMED_OUT: Final = "timed out"


def collect_snapshot(
    engine: Engine,
    request: RemediationNeeded,
    found: ContainerInfo | None,
    now: float,
    *,
    patience: float,
    recent: Callable[[Container], Sequence[MetricPoint]] | None = None,
    hide: Redactor = redact,
) -> EvidenceSnapshot:
    """Return the evidence snapshot of the container as it is now. `found` is its inspection, None for the
    host and where it was removed. `patience` is the seconds to wait for all sources together. `recent`
    returns its latest measurements, and `hide` masks secrets."""
    container = request.alert.container
    sources: dict[str, Callable[[], Any]] = {}
    if found is not None:
        sources["log"] = lambda: engine.logs(container.id, MAX_LOG_LINES)
        sources["details"] = lambda: engine.details(container.id)
        if found.running:
            sources["processes"] = lambda: engine.top(container.id)
    if recent is not None and not container.is_host:
        sources["samples"] = lambda: recent(container)
    answers, missing = gather(sources, patience)
    return build_snapshot(request, found, now=now, missing=missing, hide=hide, **answers)


def gather(
    sources: Mapping[str, Callable[[], Any]], patience: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the answers within `patience` seconds, and for each other source the reason why it is
    missing."""
    answers: dict[str, Any] = {}
    missing: dict[str, str] = {}
    lock, done, left = threading.Lock(), threading.Event(), len(sources)

    def ask(name: str, source: Callable[[], Any]) -> None:
        nonlocal left
        answer, why = _ask_source(source)
        with lock:
            (missing if why else answers)[name] = why or answer
            left -= 1
            if not left:
                done.set()

    # Daemons: a source that hangs must not keep the process from ending.
    for name, source in sources.items():
        threading.Thread(target=ask, args=(name, source), name=f"evidence-{name}", daemon=True).start()
    if sources:
        done.wait(patience)
    with lock:
        late = {name: TIMED_OUT for name in sources if name not in answers and name not in missing}
        return dict(answers), {**missing, **late}


def _ask_source(source: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return source(), ""
    except HemoStatError as error:
        return None, error.message
    except Exception as error:  # noqa: BLE001 - missing evidence must not prevent an action
        return None, type(error).__name__
