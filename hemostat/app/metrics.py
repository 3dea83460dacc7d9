"""Builds the metrics exporter from settings and runs it in its process."""

import logging
import threading
from collections.abc import Callable

from hemostat.adapters.system_clock import SystemClock
from hemostat.app.backends import Backends, RealBackends
from hemostat.config import Settings
from hemostat.exporter import Exporter

logger = logging.getLogger(__name__)


def run_metrics(
    settings: Settings,
    *,
    stop: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
    parts: Backends | None = None,
) -> None:
    """Serve metrics until `stop` is set. `on_ready` is called when the port is open. Raises
    HemoStatError where the start fails."""
    from hemostat.adapters.prometheus import serve_metrics

    parts = RealBackends(settings) if parts is None else parts
    try:
        exporter = Exporter(
            parts.bus,
            parts.get_ledger(),
            parts.get_control_store(),
            parts.get_outbox(),
            SystemClock(stop),
            settings.responder,
            containers=settings.metrics.containers,
        )
        host, port = settings.metrics.host_and_port
        with serve_metrics(host, port, exporter.collect) as bound_port:
            logger.info("metrics_server.started host=%s port=%d", host, bound_port)
            on_ready()
            exporter.run()
    finally:
        parts.close()
