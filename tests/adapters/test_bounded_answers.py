"""Responses of services that do not end, redirect elsewhere, or are larger than they declare."""

import gzip
import threading
import time
from collections.abc import Callable

import pytest
import requests

from hemostat.adapters.notify import apprise, response_limit
from hemostat.adapters.notify.apprise import Apprise
from hemostat.adapters.notify.healthchecks_ping import HealthchecksPing
from hemostat.adapters.notify.webhook import Webhook
from hemostat.core.notify.message import single
from hemostat.errors import NotifyError
from tests.support.endless_server import (
    CONTINUES,
    GREETING,
    GREETING_BY_BYTES,
    HEAD,
    HEADERS,
    serve_endlessly,
)
from tests.support.hook import hooked
from tests.support.notifications import HEALED

MESSAGE = single(HEALED, {})
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def slack(place: str) -> Callable[[], None]:
    return lambda: Webhook(f"http://{place}/services/x").send(MESSAGE)


def heartbeat(place: str) -> Callable[[], None]:
    return HealthchecksPing(f"http://{place}/ping", signals=True).ping_success


def service(place: str) -> Callable[[], None]:
    pytest.importorskip("apprise")
    return lambda: Apprise("ops", f"json://{place}/x").send(MESSAGE)


CALLS = [slack, heartbeat, service]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(response_limit, "ANSWER_SECONDS", 0.4)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", [HEADERS, CONTINUES], ids=["headers", "continues"])
def test_endless_header_is_aborted(call, answer):
    with serve_endlessly(*answer) as place:
        begin = time.monotonic()
        with pytest.raises(NotifyError) as caught:
            call(place)()
        assert caught.value.transient
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize("extra", [b"", b"Content-Encoding: br\r\n", b"Content-Encoding: gzip, gzip\r\n"])
def test_endless_body_is_aborted(extra):
    with serve_endlessly(HEAD + extra + b"\r\n", bytes(65536)) as place, pytest.raises(NotifyError):
        service(place)()


@pytest.mark.parametrize("answer", [GREETING, GREETING_BY_BYTES], ids=["lines", "bytes"])
def test_endless_greeting_of_a_mail_server_is_aborted(answer):
    pytest.importorskip("apprise")
    with serve_endlessly(*answer, speaks_first=True) as place:
        port = place.rpartition(":")[2]
        url = f"mailto://u:p@localhost:{port}/?to=a@example.com&from=b@example.com&mode=insecure"
        channel = Apprise("ops", url)
        begin = time.monotonic()
        with pytest.raises(NotifyError, match=r"rejected it|in time"):
            channel.send(MESSAGE)
        assert time.monotonic() - begin < 5
        assert channel._sending.done()


def test_compressed_body_has_a_smaller_limit():
    packed = gzip.compress(bytes(50_000_000))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 99999999\r\n\r\n" + packed
    with serve_endlessly(head, packed) as place, response_limit.bounded_answers():
        reply = requests.get(f"http://{place}/", stream=True, timeout=2)
        with pytest.raises(requests.RequestException):
            _ = reply.content
        assert reply.raw.tell() < 2 * response_limit.MAX_COMPRESSED_BYTES


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status):
    with hooked() as other, hooked() as hook:
        hook.status = status
        hook.headers = {"Location": other.url}
        for call in CALLS:
            with pytest.raises(NotifyError):
                call(f"127.0.0.1:{hook.server_port}")()
        assert len(hook.requests) == len(CALLS)
        assert other.requests == []


def test_requests_of_other_code_have_no_limit():
    with hooked() as hook:
        hook.body = bytes(response_limit.MAX_ANSWER_BYTES + 1)
        assert len(requests.get(hook.url, timeout=5).content) == len(hook.body)


def test_hanging_service_receives_one_message_at_a_time(monkeypatch):
    pytest.importorskip("apprise")
    monkeypatch.setattr(apprise, "SEND_SECONDS", 0.1)
    channel, over, calls = Apprise("ops", "json://127.0.0.1:9/x"), threading.Event(), []

    def hang(**_: object) -> bool:
        calls.append(1)
        return over.wait(10)

    monkeypatch.setattr(channel._apprise, "notify", hang)
    for _ in range(3):
        with pytest.raises(NotifyError) as caught:
            channel.send(MESSAGE)
        assert caught.value.transient
    assert calls == [1]
    over.set()
    channel._sending.result(5)
    channel.send(MESSAGE)
    assert calls == [1, 1]
