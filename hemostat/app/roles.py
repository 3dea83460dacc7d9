"""Builds a role from settings and runs it in its process."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from hemostat import streams
from hemostat.app.backends import Backends, RealBackends
from hemostat.app.llm import advisor, make_terms
from hemostat.app.notifications import run_notifiers
from hemostat.app.role_context import RoleContext
from hemostat.app.store import run_store_writer
from hemostat.config import Settings
from hemostat.consumer import BatchConsumer, ConsumerLimits, EventConsumer
from hemostat.errors import AdapterError, HemoStatError
from hemostat.ports import Advisor, Bus, Interrupted
from hemostat.retry import Retry

if TYPE_CHECKING:
    from hemostat.agents.analyzer import LlmAdvisor
    from hemostat.agents.responder import Responder

SCALE_BACK_SECONDS: Final = 30.0
"""Seconds between two checks of raised limits."""

ANALYZER_WORKERS: Final = 4
"""Alerts analysed at a time."""

RESPONDER_WORKERS: Final = 4
"""Requests decided on at a time."""

MAX_ENTRIES_AHEAD: Final = 64
"""Entries that a role with short steps reads at once."""

RESPONDER_AHEAD: Final = 15
"""Entries that a role reads at once where each step asks the engine: later entries must not wait for long."""

UNKNOWN_MEMORY_BYTES: Final = 1 << 62
"""Bytes: no usage fills a host whose memory is unknown."""

logger = logging.getLogger(__name__)


def run_role(
    name: str, settings: Settings, *, instance: str, stop: threading.Event, parts: Backends | None = None
) -> None:
    """Run one role until `stop` is set, on the real backends if no others are given. Raises HemoStatError
    where the start fails."""
    parts = RealBackends(settings) if parts is None else parts
    try:
        _require_bus(parts.bus)
        _RUN_BY_NAME[name](RoleContext(streams.ROLES_BY_NAME[name], settings, parts, instance, stop))
    finally:
        parts.close()


def _require_bus(bus: Bus) -> None:
    """Raise errors that only a person can fix, such as a wrong password. They are waited out later, but not
    at the start."""
    try:
        bus.ping()
    except AdapterError as error:
        if not error.transient:
            raise


def _run_monitor(place: RoleContext) -> None:
    from hemostat.agents.monitor import Monitor
    from hemostat.watcher import Watcher

    settings = place.settings
    engine, sampler = place.parts.engine()
    version = engine.version()
    for forbidden in version.forbidden:
        logger.warning("engine_access.denied error=%s", forbidden)
    monitor = Monitor(
        engine,
        sampler,
        settings.monitor,
        host=settings.host_name,
        source=place.source,
        host_memory=version.memory,
        host_cores=version.cpus or 1,
        history=partial(place.parts.bus.history, settings.host_name),
        ledger=place.parts.ledger(),
        warnings=version.forbidden,
        trust=settings.trust,
        stopwatch=place.clock.now,
    )
    Watcher(
        monitor,
        engine=engine,
        sampler=sampler,
        surroundings=place.parts.surroundings(version),
        bus=place.parts.bus,
        clock=place.clock,
        pulse=place.pulse,
        memo_key=f"monitor:{settings.host_name}",
        thresholds=settings.monitor,
        stop=place.stop,
    ).run()


def _run_analyzer(place: RoleContext) -> None:
    from hemostat.agents.analyzer import Analyzer

    parts, settings = place.parts, place.settings
    analyzer = Analyzer(
        parts.casebook(),
        parts.dossiers(),
        place.clock,
        settings.responder,
        source=place.source,
        consultant=_make_llm_advisor(place, advisor(settings, os.environ)),
    )
    EventConsumer(
        place.make_consumer_context(),
        ConsumerLimits(ANALYZER_WORKERS, MAX_ENTRIES_AHEAD, background=settings.analyzer.concurrency),
        analyzer.step,
        answer_dead_letter=analyzer.buried,
        describe_warning=lambda: analyzer.notice(place.clock.now()),
    ).run()


def _make_llm_advisor(place: RoleContext, model: Advisor | None) -> "LlmAdvisor | None":
    if model is None:
        return None
    from hemostat.agents.analyzer import LiveEvidenceSource, LlmAdvisor

    parts = place.parts
    casebook = parts.casebook()
    host = place.settings.host_name
    witness = LiveEvidenceSource(lambda: parts.engine()[0], parts.bus, casebook, place.clock, host=host)
    terms = make_terms(place.settings, model)
    return LlmAdvisor(
        model,
        witness,
        casebook,
        parts.purse(),
        place.clock,
        terms,
        source=place.source,
        count=place.pulse.count,
    )


def _run_responder(place: RoleContext) -> None:
    from hemostat.agents.responder import Responder, ResponderDependencies

    settings = place.settings
    engine, sampler = place.parts.engine()
    version = engine.version()
    surroundings = place.parts.surroundings(version)
    responder = Responder(
        ResponderDependencies(
            engine=engine,
            sampler=sampler,
            ledger=place.parts.ledger(),
            control_store=place.parts.desk(),
            evidence_store=place.parts.dossiers(),
            clock=place.clock,
            limits=settings.responder,
            host=settings.host_name,
            source=place.source,
            host_memory=version.memory or UNKNOWN_MEMORY_BYTES,
            trust=settings.trust,
            read_metrics=lambda container: place.parts.bus.history(settings.host_name, container.name),
            probe=surroundings.probe,
            find_missing_path=surroundings.missing,
        )
    )
    threading.Thread(
        target=_scale_back_regularly, args=(place, responder), name="tending", daemon=True
    ).start()
    # More than may act: of two that decide at the same time, one has to decide again. Also as many as may
    # start within a minute, because a start may hang for that long and holds no slot meanwhile.
    background = 2 * settings.responder.concurrency + settings.responder.rush
    EventConsumer(
        place.make_consumer_context(),
        ConsumerLimits(RESPONDER_WORKERS, RESPONDER_AHEAD, background),
        responder.step,
        answer_dead_letter=responder.buried,
        describe_warning=lambda: responder.notice(place.clock.now()),
    ).run()


def _scale_back_regularly(place: RoleContext, responder: "Responder") -> None:
    """Restore raised limits every SCALE_BACK_SECONDS, until the role is told to stop. No failure ends the
    loop: the limits would stay raised."""
    patience = Retry(place.clock)
    try:
        while True:
            place.clock.sleep(SCALE_BACK_SECONDS)
            try:
                told = responder.tend(place.clock.now())
                patience(partial(place.parts.bus.publish, told))
            except HemoStatError as error:
                logger.warning("scale_down.failed error=%s", error)
            except Exception:
                logger.exception("scale_down.failed")
    except Interrupted:
        return


def _run_alert(place: RoleContext) -> None:
    from hemostat.agents.notifier.enqueue import Enqueuer

    settings, outbox = place.settings, place.parts.outbox()
    count = place.pulse.count
    alert = Enqueuer(place.parts.store(), outbox, settings.channels, settings.alert, count=count)
    with run_notifiers(place, outbox) as told, run_store_writer(place) as recorded:
        BatchConsumer(
            place.make_consumer_context(),
            ConsumerLimits(ahead=MAX_ENTRIES_AHEAD),
            alert.keep,
            describe_warning=lambda: "; ".join(filter(None, (told(), recorded()))),
        ).run()


_RUN_BY_NAME: Final[Mapping[str, Callable[[RoleContext], None]]] = {
    "monitor": _run_monitor,
    "analyzer": _run_analyzer,
    "responder": _run_responder,
    "alert": _run_alert,
}
