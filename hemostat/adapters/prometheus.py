"""Numbers in Prometheus's text format, over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hemostat.core.measures import Distribution, Form, Labels, Measure, Numbers
from hemostat.errors import AdapterError


class _Numbers(Collector):
    def __init__(self, ask: Callable[[], Numbers]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        for measure, values in self._ask().items():
            yield family(measure, values)


def family(measure: Measure, values: dict[Labels, float | Distribution]) -> Metric:
    if measure.form is Form.HISTOGRAM:
        histogram = HistogramMetricFamily(measure.name, measure.help, labels=measure.labels)
        for labels, value in values.items():
            if isinstance(value, Distribution):
                histogram.add_metric(labels, list(_buckets(measure, value)), value.sum)
        return histogram
    kind = CounterMetricFamily if measure.form is Form.COUNTER else GaugeMetricFamily
    plain = kind(measure.name, measure.help, labels=measure.labels)
    for labels, value in values.items():
        if not isinstance(value, Distribution):
            plain.add_metric(labels, value)
    return plain


def _buckets(measure: Measure, value: Distribution) -> Iterator[tuple[str, float]]:
    """Upper bound, and how many are not above it."""
    bounds = (*map(str, measure.buckets), "+Inf")
    return zip(bounds, accumulate(map(float, value.counts)), strict=True)


@contextmanager
def serving(host: str, port: int, ask: Callable[[], Numbers]) -> Iterator[int]:
    """Answer `/metrics` for as long as the block lasts; the port, which is a free one where 0 was asked for.
    Raises AdapterError where the address cannot be had."""
    registry = CollectorRegistry()
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AdapterError(
            f"{host}:{port} cannot be listened on ({reason})", hint="set metrics.address"
        ) from None
    registry.register(_Numbers(ask))
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
