"""Builds a role from settings and runs it in its process."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from time import thread_time
from typing import TYPE_CHECKING, Final

from hemostat import streams
from hemostat.app.backends import Backends, RealBackends
from hemostat.app.llm import make_advisor, make_terms
from hemostat.app.notifications import run_notifiers
from hemostat.app.role_context import RoleContext
from hemostat.app.store import run_store_writer
from hemostat.background import run_in_background
from hemostat.config import Settings
from hemostat.consumer import BatchConsumer, ConsumerLimits, EventConsumer
from hemostat.errors import AdapterError, EngineSilentError, EngineTimeoutError, HemoStatError
from hemostat.ports import Advisor, Bus, Clock, Engine, EngineVersion, Interrupted, Sampler
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

POLL_SECONDS: Final = 0.2
"""Seconds between two checks whether a role that waits for its engine is to stop."""

SILENT_ENGINE_SECONDS: Final = 1.0
"""Seconds until an engine is asked again that has not answered in time."""

QUIET_START_SECONDS: Final = 5.0
"""Seconds that an engine may take to answer before the role reports that it waits."""

NO_ANSWER_TEXT: Final = "the engine has not answered yet"

UNKNOWN_MEMORY_BYTES: Final = 1 << 62
"""Bytes: no usage fills a host whose memory is unknown."""

logger = logging.getLogger(__name__)


def run_role(
    name: str,
    settings: Settings,
    *,
    instance: str,
    stop: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
    parts: Backends | None = None,
) -> None:
    """Run one role until `stop` is set, on the real backends if no others are given. `on_ready` is called
    when the role's first heartbeat is on the bus. Raises HemoStatError where the start fails."""
    role = streams.ROLES_BY_NAME[name]
    settings = settings.select_engine() if role.per_host else settings
    parts = RealBackends(settings) if parts is None else parts
    try:
        _require_bus(parts.bus)
        _RUN_BY_NAME[name](RoleContext(role, settings, parts, instance, stop, on_ready))
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


def _start_engine(context: RoleContext) -> tuple[Engine, Sampler, EngineVersion]:
    """Return the engine, after it has answered. Only an engine from the table `engines` is waited for while
    it is away: the role is up meanwhile, and its heartbeats report the engine. Raises EngineUnreachableError,
    and Interrupted when the process is to stop."""
    engine, sampler = context.parts.get_engine()
    if not context.settings.engines:
        return engine, sampler, _repeat_while_silent(engine.version, context.clock)

    def ask() -> EngineVersion | None:
        with suppress(Interrupted):
            return context.retry(engine.version)
        return None

    answer = run_in_background(ask, "engine-start")
    report, began = Retry(context.clock), context.clock.now()
    while not wait((answer,), POLL_SECONDS).done:
        trouble = context.retry.trouble
        if context.heartbeat.is_due() and (trouble or context.clock.now() - began > QUIET_START_SECONDS):
            report(partial(context.heartbeat.send, trouble or NO_ANSWER_TEXT, 0))
        if context.stop.is_set():
            raise Interrupted
    if (version := answer.result()) is None:
        raise Interrupted
    return engine, sampler, version


def _repeat_while_silent(call: Callable[[], EngineVersion], clock: Clock) -> EngineVersion:
    """Call again where an engine that accepts connections takes too long: on a slow host the start of another
    process would take even longer, and slow the engine down further. Raises EngineUnreachableError, and
    Interrupted when the process is to stop."""
    while True:
        try:
            return call()
        except (EngineSilentError, EngineTimeoutError) as error:
            logger.warning("connection.failed error=%s", error)
            clock.sleep(SILENT_ENGINE_SECONDS)


def _run_monitor(context: RoleContext) -> None:
    from hemostat.agents.monitor import Monitor
    from hemostat.watcher import Watcher

    settings = context.settings
    engine, sampler, version = _start_engine(context)
    for forbidden in version.forbidden:
        logger.warning("engine_access.denied error=%s", forbidden)
    monitor = Monitor(
        engine,
        sampler,
        settings.monitor,
        host=settings.host_name,
        source=context.source,
        host_memory=version.memory,
        host_cores=version.cpus or 1,
        history=partial(context.parts.bus.read_metrics, settings.host_name),
        ledger=context.parts.get_ledger(),
        warnings=version.forbidden,
        trust=settings.trust,
        stopwatch=context.clock.now,
    )
    Watcher(
        monitor,
        engine=engine,
        sampler=sampler,
        host_probe=context.parts.get_host_probe(engine),
        bus=context.parts.bus,
        clock=context.clock,
        heartbeat=context.heartbeat,
        state_key=f"monitor:{settings.host_name}",
        thresholds=settings.monitor,
        stop=context.stop,
        cpu_time=thread_time,
    ).run()


def _run_analyzer(context: RoleContext) -> None:
    from hemostat.agents.analyzer import Analyzer

    parts, settings = context.parts, context.settings
    analyzer = Analyzer(
        parts.get_precedent_store(),
        parts.get_evidence_store(),
        context.clock,
        settings.responder,
        source=context.source,
        llm_advisor=_make_llm_advisor(context, make_advisor(settings, os.environ)),
    )
    EventConsumer(
        context.make_consumer_context(),
        ConsumerLimits(ANALYZER_WORKERS, MAX_ENTRIES_AHEAD, background=settings.analyzer.concurrency),
        analyzer.step,
        answer_dead_letter=analyzer.answer_dead_letter,
        describe_warning=lambda: analyzer.notice(context.clock.now()),
    ).run()


def _make_llm_advisor(context: RoleContext, model: Advisor | None) -> "LlmAdvisor | None":
    if model is None:
        return None
    from hemostat.agents.analyzer import LiveEvidenceSource, LlmAdvisor

    parts = context.parts
    precedents = parts.get_precedent_store()
    evidence_source = LiveEvidenceSource(parts.get_engine_of, parts.bus, precedents, context.clock)
    terms = make_terms(context.settings, model)
    return LlmAdvisor(
        model,
        evidence_source,
        precedents,
        parts.get_llm_budget(),
        context.clock,
        terms,
        source=context.source,
        count=context.heartbeat.count,
    )


def _run_responder(context: RoleContext) -> None:
    from hemostat.agents.responder import Responder, ResponderDependencies

    settings = context.settings
    engine, sampler, version = _start_engine(context)
    host_probe = context.parts.get_host_probe(engine)
    responder = Responder(
        ResponderDependencies(
            engine=engine,
            sampler=sampler,
            ledger=context.parts.get_ledger(),
            control_store=context.parts.get_control_store(),
            evidence_store=context.parts.get_evidence_store(),
            clock=context.clock,
            limits=settings.responder,
            host=settings.host_name,
            source=context.source,
            host_memory=version.memory or UNKNOWN_MEMORY_BYTES,
            trust=settings.trust,
            read_metrics=lambda container: context.parts.bus.read_metrics(settings.host_name, container.name),
            probe=host_probe.probe,
            find_missing_path=host_probe.find_missing_path,
        )
    )
    threading.Thread(
        target=_scale_back_regularly, args=(context, responder), name="tending", daemon=True
    ).start()
    # More than may act: of two that decide at the same time, one has to decide again. Also as many as may
    # start within a minute, because a start may hang for that long and holds no slot meanwhile.
    background = 2 * settings.responder.concurrency + settings.responder.rush
    EventConsumer(
        context.make_consumer_context(),
        ConsumerLimits(RESPONDER_WORKERS, RESPONDER_AHEAD, background),
        responder.step,
        answer_dead_letter=responder.answer_dead_letter,
        describe_warning=lambda: responder.notice(context.clock.now()),
    ).run()


def _scale_back_regularly(context: RoleContext, responder: "Responder") -> None:
    """Restore raised limits every SCALE_BACK_SECONDS, until the role is told to stop. No failure ends the
    loop: the limits would stay raised."""
    retry = Retry(context.clock)
    try:
        while True:
            context.clock.sleep(SCALE_BACK_SECONDS)
            try:
                events = responder.scale_back_due(context.clock.now())
                retry(partial(context.parts.bus.publish, events))
            except HemoStatError as error:
                logger.warning("scale_down.failed error=%s", error)
            except Exception:
                logger.exception("scale_down.failed")
    except Interrupted:
        return


def _run_alert(context: RoleContext) -> None:
    from hemostat.agents.notifier.enqueue import Enqueuer

    settings, outbox = context.settings, context.parts.get_outbox()
    count = context.heartbeat.count
    alert = Enqueuer(
        context.parts.get_recent_events(), outbox, settings.channels, settings.alert, count=count
    )
    with run_notifiers(context, outbox) as describe_senders, run_store_writer(context) as describe_store:
        BatchConsumer(
            context.make_consumer_context(),
            ConsumerLimits(ahead=MAX_ENTRIES_AHEAD),
            alert.store_events,
            # The audit trail comes first: a heartbeat is cut, and the channels' errors can be long.
            describe_warning=lambda: "; ".join(filter(None, (describe_store(), describe_senders()))),
        ).run()


_RUN_BY_NAME: Final[Mapping[str, Callable[[RoleContext], None]]] = {
    "monitor": _run_monitor,
    "analyzer": _run_analyzer,
    "responder": _run_responder,
    "alert": _run_alert,
}
