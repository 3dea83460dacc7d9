"""The dead man's switch, against a server with scripted responses."""

import pytest

from hemostat.adapters.notify.healthchecks_ping import HealthchecksPing
from hemostat.errors import NotifyError
from tests.support.hook import SECRET, Request, hooked


@pytest.fixture
def hook():
    with hooked() as server:
        yield server


PATH = f"/services/{SECRET}"


def test_url_is_called_when_all_roles_are_healthy(hook):
    HealthchecksPing(hook.url, signals=False).ping_success()
    assert hook.heard == [Request("GET", PATH, b"")]


def test_local_service_is_called_without_a_proxy(hook, monkeypatch):
    """NO_PROXY names localhost, and the address takes its place."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "localhost")
    HealthchecksPing(hook.url.replace("127.0.0.1", "localhost"), signals=False).ping_success()
    assert hook.heard == [Request("GET", PATH, b"")]


def test_service_without_signals_gets_no_signals(hook):
    heart = HealthchecksPing(hook.url, signals=False)
    heart.ping_start()
    heart.ping_failure("no monitor is running")
    assert hook.requests == []


def test_signal_is_appended_to_the_path(hook):
    heart = HealthchecksPing(f"{hook.url}?rid=1", signals=True)
    heart.ping_start()
    heart.ping_failure("no monitor is running")
    assert hook.heard == [
        Request("GET", f"{PATH}/start?rid=1", b""),
        Request("POST", f"{PATH}/fail?rid=1", b"no monitor is running"),
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/{}", "nothing/{}", "http://[/{}"])
def test_connection_error_does_not_contain_the_secret(url):
    with pytest.raises(NotifyError) as caught:
        HealthchecksPing(url.format(SECRET), signals=False).ping_success()
    assert SECRET not in str(caught.value)


def test_refusal_is_an_error(hook):
    hook.status = 404
    with pytest.raises(NotifyError, match="404") as caught:
        HealthchecksPing(hook.url, signals=False).ping_success()
    assert SECRET not in str(caught.value)


def test_response_is_neither_read_nor_logged(hook, caplog):
    hook.endless = hook.torn = True
    HealthchecksPing(hook.url, signals=False).ping_success()
    assert hook.heard
    assert SECRET not in caplog.text
