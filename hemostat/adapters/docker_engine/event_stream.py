"""One endless stream of events from connections that break, without loss and without duplicates.

A connection can end without notice: a NAT or a load balancer has dropped it, or the process behind it is
frozen. A connection that is silent for SILENCE_SECONDS is therefore replaced by a new one, which requests all
events since the last one received. This is not reported as an outage.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from math import inf
from typing import Final, NamedTuple
from urllib.parse import urlencode

import docker
from docker.utils import convert_filters
from requests import RequestException, Response
from urllib3.exceptions import ReadTimeoutError

from hemostat.adapters.docker_engine import answers, parse, podman_api
from hemostat.adapters.docker_engine.connection import raise_for_status
from hemostat.adapters.docker_engine.rejections import Rejections
from hemostat.adapters.docker_engine.stream_pace import StreamPace
from hemostat.core.detection.event_cursor import OVERLAP_SECONDS, Cursor
from hemostat.core.model import Connected, Disconnected, EngineEvent
from hemostat.errors import EngineError

logger = logging.getLogger(__name__)

FIRST_DELAY_SECONDS: Final = 0.1
MAX_DELAY_SECONDS: Final = 5.0
"""Seconds between attempts to connect: FIRST_DELAY, doubling up to MAX_DELAY_SECONDS."""

SILENCE_SECONDS: Final = 30.0
"""Seconds of silence after which a stream of events is renewed."""
KEEP_ALIVE_OPTIONS: Final = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""TCP keep-alive: seconds before the first probe, seconds between two, and how many may be unanswered."""


class StreamSilentError(Exception):
    """The stream was silent for SILENCE_SECONDS."""


class OpenSockets:
    """The sockets of open streams, so that another thread can end a blocked read by a shutdown."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    @contextmanager
    def hold(self, response: Response) -> Iterator[None]:
        """Hold a duplicate of the response's socket while the response is read."""
        with socket.socket(fileno=os.dup(response.raw.fileno())) as wire:
            _keep_alive(wire)
            with self._lock:
                self._open.add(wire)
            try:
                if self.closed.is_set():
                    _shut_down(wire)
                yield
            finally:
                with self._lock:
                    self._open.discard(wire)

    def cut(self) -> None:
        self.closed.set()
        with self._lock:
            for wire in self._open:
                _shut_down(wire)


def _shut_down(wire: socket.socket) -> None:
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("engine_stream.closed")


def _keep_alive(wire: socket.socket) -> None:
    """Let the kernel detect a lost peer, and keep NATs from dropping the connection."""
    if wire.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEP_ALIVE_OPTIONS.items():
        wire.setsockopt(socket.IPPROTO_TCP, option, value)


def make_events_path(since: str, label: str) -> str:
    """The API path of the event stream. `label`: `key=value`, or a key, by which HemoStat itself selects:
    Podman 4.3 sends no event for such a filter."""
    filters = {"label": label} if "=" in label else {}
    query_filters = convert_filters({**parse.EVENT_FILTER, **filters})
    return f"/events?{urlencode({'since': since, 'filters': query_filters})}"


class OpenStream(NamedTuple):
    """An open stream: its lines as the engine sends them. `podman`: the engine is Podman. `key`: the label
    that the containers must have, empty for all containers."""

    lines: Iterator[bytes]
    podman: bool = False
    key: str = ""


@contextmanager
def open_stream(
    client: docker.APIClient, path: str, pace: StreamPace, *wires: OpenSockets, timeout: float
) -> Iterator[OpenStream]:
    """Open a stream, which is read at this pace. `timeout`: seconds of silence that end it."""
    url = f"{client.base_url}/v{client.api_version}{path}"
    with closing(client.get(url, stream=True, timeout=timeout)) as response, ExitStack() as stack:
        raise_for_status(response)
        for each in wires:
            stack.enter_context(each.hold(response))
        lines = answers.split_lines(pace.limit(answers.read_arrived(response)), answers.MAX_ANSWER_BYTES)
        yield OpenStream(lines, podman=podman_api.is_podman_answer(response.headers))


def follow_events(
    connect: Callable[[str], AbstractContextManager[OpenStream]], stop: threading.Event, since: float
) -> Iterator[EngineEvent | Connected | Disconnected]:
    """Connect, yield events since then (epoch seconds) and connect again, until `stop` is set.

    Each cause of an outage is reported once.
    """
    rejections = Rejections(
        lambda count, error: logger.warning("engine_event.rejected count=%d error=%s", count, error)
    )
    cursor, delay, connected, last_error = Cursor(since + OVERLAP_SECONDS), FIRST_DELAY_SECONDS, False, ""
    while not stop.is_set():
        error = "the engine ended the stream"
        try:
            with connect(f"{max(0.0, cursor.since or 0.0):.6f}") as stream:
                if not connected:
                    yield Connected()
                delay, connected, last_error = FIRST_DELAY_SECONDS, True, ""
                for event in _read_events(stream, rejections):
                    if not cursor.has_handled(event):
                        cursor = cursor.advance(event, last=inf)
                        yield event
        except StreamSilentError:
            continue
        except EngineError as failure:
            error = str(failure)
        connected = False
        if error != last_error and not stop.is_set():
            yield Disconnected(error)
            last_error = error
        stop.wait(delay)
        delay = min(2 * delay, MAX_DELAY_SECONDS)


def _read_events(stream: OpenStream, rejections: Rejections) -> Iterator[EngineEvent]:
    for line in _read_until_broken(stream.lines):
        event = None
        try:
            event = parse.parse_event(parse.parse_line(line), podman=stream.podman, key=stream.key)
        except Exception as error:  # noqa: BLE001 - one event must not end the stream
            rejections.note(f"{type(error).__name__}: {error}")
        if event is not None:
            yield event


def _read_until_broken(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a stream.

    A broken connection ends it as a closed one does: the caller reports both as a loss.
    """
    try:
        yield from (line for line in lines if line)
    except RequestException as error:
        if any(isinstance(each, ReadTimeoutError) for each in error.args):
            raise StreamSilentError from None
        logger.debug("engine_stream.failed error=%s", error)
