"""Serves metrics over HTTP in Prometheus's text format.

Connections are bounded in number and time. On loopback a request must name this server by one of its names:
otherwise a web page in a local browser could be directed here by another server (DNS rebinding).
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from itertools import accumulate
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hemostat.core.metrics.definitions import Distribution, Form, Labels, Measure, Numbers
from hemostat.errors import AdapterError

MAX_CONNECTIONS: Final = 32
"""Simultaneous connections, each with a thread.

One more ends the oldest, so that idle connections cannot keep Prometheus out.
"""
TIMEOUT_SECONDS: Final = 10.0
"""Seconds for which a connection may be silent, and in which it must take a response."""
REUSE_SECONDS: Final = 1.0
"""Seconds for which read metrics answer further requests. Requests that wait for a slow bus are then answered
together, and not one after the other."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int]) -> None:
        self.address_family = family
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        """Oldest first."""
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without a DNS lookup of the address's name, which WSGIServer makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            oldest = next(iter(self._open)) if len(self._open) >= MAX_CONNECTIONS else None
            if oldest is not None:
                del self._open[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends early is not an error."""


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class uses this name
        """Requests are not logged."""


def is_own_name(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names this server.

    Any address is accepted: unlike a name, it cannot be redirected.
    """
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return name in names
    return True


def _guard_name(app: Any, names: frozenset[str]) -> Any:
    def guarded(environ: dict[str, Any], start: Any) -> Any:
        if is_own_name(environ.get("HTTP_HOST", ""), names):
            return app(environ, start)
        start("421 Misdirected Request", [("Content-Type", "text/plain")])
        return [b"the Host header does not match this server; ask for it by its address\n"]

    return guarded


class _Numbers(Collector):
    def __init__(self, ask: Callable[[], Numbers]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._numbers: Numbers = {}
        self._read_at = -math.inf

    def collect(self) -> Iterator[Metric]:
        for measure, values in self._read().items():
            yield make_family(measure, values)

    def _read(self) -> Numbers:
        with self._lock:
            if time.monotonic() - self._read_at >= REUSE_SECONDS:
                self._numbers = self._ask()
                self._read_at = time.monotonic()
            return self._numbers


def make_family(measure: Measure, values: dict[Labels, float | Distribution]) -> Metric:
    if measure.form is Form.HISTOGRAM:
        histogram = HistogramMetricFamily(measure.name, measure.help, labels=measure.labels)
        for labels, value in values.items():
            if isinstance(value, Distribution):
                histogram.add_metric(labels, list(_count_buckets(measure, value)), value.sum)
        return histogram
    kind = CounterMetricFamily if measure.form is Form.COUNTER else GaugeMetricFamily
    plain = kind(measure.name, measure.help, labels=measure.labels)
    for labels, value in values.items():
        if not isinstance(value, Distribution):
            plain.add_metric(labels, value)
    return plain


def _count_buckets(measure: Measure, value: Distribution) -> Iterator[tuple[str, float]]:
    """Each bucket's upper bound, and the number of values not above it."""
    bounds = (*map(str, measure.buckets), "+Inf")
    return zip(bounds, accumulate(map(float, value.counts)), strict=True)


@contextmanager
def serve_metrics(host: str, port: int, ask: Callable[[], Numbers]) -> Iterator[int]:
    """Serve `/metrics` while the block runs. Yields the port, a free one if `port` is 0.

    Raises AdapterError if the address cannot be used.
    """
    registry = CollectorRegistry()
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = _Server(family, (str(address[0]), int(address[1])))
    except OSError as error:
        reason = error.strerror or str(error)
        raise AdapterError(
            f"{host}:{port} is not available to listen on ({reason})", hint="set metrics.address"
        ) from None
    registry.register(_Numbers(ask))
    app = make_wsgi_app(registry)
    if ip_address(address[0]).is_loopback:  # elsewhere its names are unknown, and the network may read it
        names = {"localhost", host.lower(), socket.gethostname().lower()}
        app = _guard_name(app, frozenset(names))
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
