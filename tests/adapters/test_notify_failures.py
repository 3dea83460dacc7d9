"""Each failure of a web service is reported with its cause, in one line, without its address."""

import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from hemostat.adapters.notify.healthchecks_ping import HealthchecksPing
from hemostat.adapters.notify.webhook import Webhook
from hemostat.core.notify.message import single
from hemostat.errors import NotifyError
from tests.support.hook import SECRET, hooked
from tests.support.notifications import HEALED

MESSAGE = single(HEALED, {})


@pytest.fixture
def hook():
    with hooked() as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def failure(url: str) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        Webhook(url).send(MESSAGE)
    told = str(caught.value)
    assert SECRET not in told
    assert "\n" not in told
    assert "<" not in told
    return caught.value


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_refused_connection_and_unknown_host_differ():
    refused = failure(f"http://127.0.0.1:{closed_port()}/services/{SECRET}")
    assert refused.message == "the webhook at 127.0.0.1 refuses the connection: no process listens there"
    unknown = failure(f"http://hooks.invalid/services/{SECRET}")
    assert unknown.message.startswith("the webhook at hooks.invalid ")
    assert "cannot be resolved: " in unknown.message
    assert refused.transient
    assert unknown.transient


@contextmanager
def peer(answer: bytes):
    """A server that sends this answer to each client and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):  # unread data would reset the connection
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_connection_closed_by_the_server_is_named():
    with peer(b"") as port:
        told = failure(f"http://127.0.0.1:{port}/services/{SECRET}").message
    assert told == "the webhook at 127.0.0.1 closed the connection without an answer"


def test_missing_pysocks_is_named_as_the_cause(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5h://user:geheim@127.0.0.1:1080")
    error = failure(f"https://hooks.slack.com/services/{SECRET}")
    assert error.message == "the proxy of ALL_PROXY is a SOCKS proxy, which needs PySocks"
    assert "pip install PySocks" in error.hint


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_refused_proxy_is_named_without_its_password(monkeypatch, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:geheim@127.0.0.1:{closed_port()}")
    error = failure(f"{scheme}://hooks.slack.com/services/{SECRET}")
    assert error.message == (
        f"the proxy at 127.0.0.1, which {scheme}_proxy names, "
        "refuses the connection: no process listens there"
    )
    assert "geheim" not in str(error)


def test_proxy_that_requires_a_password_is_named(monkeypatch):
    with peer(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n<html>no</html>") as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        error = failure(f"https://hooks.slack.com/services/{SECRET}")
    assert error.message == (
        "the proxy at 127.0.0.1, which HTTPS_PROXY names, answered 407 Proxy Authentication Required"
    )


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, b"invalid_token", "answered 403 Forbidden: invalid_token"),
        (404, b"no_service", "answered 404 Not Found: no_service"),
        (410, b"channel_is_archived", "answered 410 Gone: channel_is_archived"),
        (404, b'{"message": "Unknown Webhook", "code": 10015}', "answered 404 Not Found: Unknown Webhook"),
        (
            400,
            b'{"error": {"message": "bad\\nform"}}',
            "answered 400 Bad Request: bad form",
        ),
        (404, b"<!doctype html><h1>Not here</h1>", "answered 404 Not Found"),
        (404, f"Cannot POST /services/{SECRET}".encode(), "answered 404 Not Found: Cannot POST /[redacted]/"),
        (403, b"\x1b[31mno\x1b[0m\r\n\r\nway\x07", "answered 403 Forbidden: no way"),
        (418, b'["odd"]', "answered 418 I'm a Teapot"),
        (799, b"\xff\xfe", "answered 799"),
        (400, b"[" * 3000, "answered 400 Bad Request: [[["),
        (500, b"x" * 9000, "answered 500 Internal Server Error: xxx"),
    ],
)
def test_error_contains_the_text_of_the_response(hook, status, body, told):
    hook.status, hook.body = status, body
    error = failure(hook.url)
    assert error.message.startswith(f"the webhook {told}")
    assert len(error.message) < 220


def test_html_response_is_not_a_delivery(hook):
    """As a captive portal or a login page answers: with 200."""
    hook.headers, hook.body = {"Content-Type": "text/html"}, b"\n<html>Log in</html>"
    assert failure(hook.url).message == "the webhook answered with a web page, so it is not a webhook"


def test_ok_of_slack_with_an_html_type_is_a_delivery(hook):
    hook.headers, hook.body = {"Content-Type": "text/html"}, b"ok"
    Webhook(hook.url).send(MESSAGE)


def test_ping_failures_have_the_same_texts():
    with pytest.raises(NotifyError) as caught:
        HealthchecksPing(f"http://127.0.0.1:{closed_port()}/ping/{SECRET}", signals=False).ping_success()
    assert caught.value.message == (
        "the heartbeat URL at 127.0.0.1 refuses the connection: no process listens there"
    )
