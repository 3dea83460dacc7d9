"""One endless stream out of connections that break."""

import json
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import pytest
import requests
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ReadTimeoutError

from hemostat.adapters.docker_engine import event_stream
from hemostat.core.model import Connected, Disconnected
from hemostat.errors import EngineUnreachableError

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def line(action: str, nanos: int, container: str = "c1") -> bytes:
    return json.dumps({"Action": action, "Actor": {"ID": container}, "timeNano": START + nanos}).encode()


class Script:
    """Connections that were written down beforehand: lines, or the error of an attempt; then the end."""

    def __init__(self, *connections: Iterable[bytes] | Exception) -> None:
        self.stop = threading.Event()
        self.since: list[str] = []
        self._connections = iter(connections)

    @contextmanager
    def connect(self, since: str) -> Iterator[event_stream.OpenStream]:
        self.since.append(since)
        lines = next(self._connections, None)
        if lines is None:
            self.stop.set()
            lines = []
        if isinstance(lines, Exception):
            raise lines
        yield event_stream.OpenStream(iter(lines))

    def told(self) -> list[str]:
        """The story without its last chapter, which is the script's own end."""
        items = event_stream.follow_events(self.connect, self.stop, START / SECOND)
        names = {Connected: "+", Disconnected: "-"}
        return [names.get(type(item)) or item.action for item in items][:-1]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "FIRST_DELAY_SECONDS", 0.0)


def test_stream_reports_each_connection_and_each_loss() -> None:
    script = Script([line("start", 1)], [line("die", 2)])
    assert script.told() == ["+", "start", "-", "+", "die", "-"]


def test_event_repeated_after_a_loss_is_passed_on_once() -> None:
    first = [line("start", 1), line("kill", 2), line("die", 2)]
    again = [*first, line("die", 2, "c2"), line("stop", 3)]
    assert Script(first, again).told() == ["+", "start", "kill", "die", "-", "+", "die", "stop", "-"]


def test_late_event_with_an_earlier_time_is_passed_on() -> None:
    script = Script([line("start", 10)], [line("die", 9, "c2"), line("start", 10)])
    assert script.told() == ["+", "start", "-", "+", "die", "-"]


def test_resume_starts_shortly_before_the_last_event() -> None:
    script = Script([line("start", 5 * SECOND + 7000)])
    script.told()
    assert script.since == ["1700000000.000000", "1700000004.000007"]


def test_resume_without_events_starts_at_the_connection() -> None:
    script = Script([], [])
    script.told()
    assert script.since == ["1700000000.000000"] * 3


def test_outage_is_reported_once_for_each_cause() -> None:
    gone, refused = EngineUnreachableError("gone"), EngineUnreachableError("refused")
    script = Script([line("start", 1)], gone, gone, refused, refused, [line("die", 2)])
    assert script.told() == ["+", "start", "-", "-", "-", "+", "die", "-"]


def silence(*lines: bytes) -> Iterator[bytes]:
    """Lines, and then nothing until the time is up."""
    yield from lines
    raise requests.ConnectionError(ReadTimeoutError(HTTPConnectionPool("engine"), "/events", "timed out"))


def test_silent_stream_is_renewed_without_reporting_a_loss() -> None:
    script = Script(
        silence(line("start", 5 * SECOND)), silence(), [line("start", 5 * SECOND), line("die", 6 * SECOND)]
    )
    assert script.told() == ["+", "start", "die", "-"]
    assert script.since[1:] == ["1700000004.000000"] * 2 + ["1700000005.000000"]


def test_silent_stream_is_lost_when_renewal_fails() -> None:
    script = Script(silence(), EngineUnreachableError("gone"), [line("die", 1)])
    assert script.told() == ["+", "-", "+", "die", "-"]


def test_events_out_of_order_are_all_passed_on() -> None:
    script = Script([line("die", 9), line("kill", 3), line("start", 20, "c2"), line("stop", 10)])
    assert script.told() == ["+", "die", "kill", "start", "stop", "-"]


def test_event_without_attributes_is_passed_on() -> None:
    bare = b'{"Action":"die","Actor":{"ID":"c1","Attributes":null},"timeNano":%d}' % START
    assert Script([bare]).told() == ["+", "die", "-"]


def test_engine_unreachable_at_the_start_is_reported_as_lost() -> None:
    script = Script(EngineUnreachableError("gone"), [])
    assert script.told() == ["-", "+", "-"]


def test_malformed_line_is_skipped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert Script(
            [b"{half", b"", line("\xff", 0).replace(b"\\u00ff", b"\xff"), line("die", 1)]
        ).told() == ["+", "die", "-"]
    assert [record.message.split()[0] for record in caplog.records] == ["engine_event.rejected"]


def test_events_are_passed_on_after_the_engines_clock_is_set_back() -> None:
    script = Script(
        [line("start", 3600 * SECOND), line("die", 1 * SECOND)], [line("die", 1 * SECOND), line("start", 2)]
    )
    assert script.told() == ["+", "start", "die", "-", "+", "start", "-"]


def test_event_far_out_of_order_is_not_repeated_after_a_loss() -> None:
    first = [line("start", 60 * SECOND), line("die", 2 * SECOND, "c2")]
    script = Script(first, [*reversed(first), line("stop", 61 * SECOND)])
    assert script.told() == ["+", "start", "die", "-", "+", "stop", "-"]


def test_event_at_time_zero_does_not_break_the_stream() -> None:
    script = Script([line("start", -START)], [line("start", -START), line("die", 1)])
    assert script.told() == ["+", "start", "-", "+", "die", "-"]
    assert script.since[1] == "0.000000"


def test_containers_without_the_label_are_left_out() -> None:
    """The attributes of an event are the labels of its container, among others."""
    selected = {"Action": "die", "Actor": {"ID": "c1", "Attributes": {"shop": ""}}, "timeNano": START}
    lines = [line("start", 1), json.dumps(selected).encode()]

    @contextmanager
    def connect(_: str) -> Iterator[event_stream.OpenStream]:
        yield event_stream.OpenStream(iter(lines), key="shop")

    items = event_stream.follow_events(connect, threading.Event(), START / SECOND)
    assert [type(next(items)), next(items).container.id] == [Connected, "c1"]


@pytest.mark.parametrize(("label", "is_filter"), [("shop=1", True), ("shop", False), ("", False)])
def test_engine_filters_by_a_label_with_a_value_alone(label: str, is_filter: bool) -> None:
    """Podman 4.3 sends no event for a filter by a key."""
    path = unquote(event_stream.make_events_path("1", label))
    assert ('"label": ["shop=1"]' in path.replace("+", " ")) is is_filter
    assert ("label" in path) is is_filter
