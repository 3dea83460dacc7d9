"""Slack's webhook, against a server with scripted responses."""

import json
import traceback
from pathlib import Path

import pytest

from hemostat.adapters.notify import webhook
from hemostat.adapters.notify.webhook import Webhook
from hemostat.core.notify.formats.slack import MAX_SECTION_CHARACTERS, MAX_TEXT_CHARACTERS, build_payload
from hemostat.core.notify.message import build_digest, single
from hemostat.core.settings.alert import Topic
from hemostat.errors import NotifyError
from tests.support.hook import SECRET, certify, hooked
from tests.support.notifications import HEALED, make_notification

MESSAGE = single(HEALED, {})


@pytest.fixture
def hook():
    with hooked() as server:
        yield server


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory) -> Path:
    return certify(tmp_path_factory.mktemp("tls"))


def failure(url: str) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        Webhook(url).send(MESSAGE)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_message_has_headline_facts_and_command(hook):
    Webhook(hook.url).send(MESSAGE)
    told = hook.heard[0].json
    assert told["text"].splitlines() == [
        ":white_check_mark: web is healed: exited",
        "Where: web on h, project shop",
        "What: exited with code 1",
        "Why: crash: exit code 1",
        "Outcome: restarted, healed in 3.1 s",
        "Took: 3.1 s",
        "More: `hemostat explain i1`",
    ]
    head, facts, more = told["blocks"]
    assert head["text"]["text"] == ":white_check_mark: *web is healed: exited*"
    assert [field["text"] for field in facts["fields"]] == [
        "*Where*\nweb on h, project shop",
        "*What*\nexited with code 1",
        "*Why*\ncrash: exit code 1",
        "*Outcome*\nrestarted, healed in 3.1 s",
        "*Took*\n3.1 s",
    ]
    assert more["elements"][0]["text"] == "More: `hemostat explain i1`"


HOSTILE = "<!channel> <@U1> @here @all @channel & <http://evil.example|click> [click](https://evil.example)"


@pytest.mark.parametrize("place", ["container", "cause", "done", "what", "host", "project", "incident"])
def test_untrusted_text_has_no_mentions_and_no_links(place):
    hostile = make_notification(Topic.FAILED, **{place: HOSTILE})
    for message in (single(hostile, {}), build_digest([hostile, HEALED], {})):
        sent = json.dumps(build_payload(message), ensure_ascii=False)
        assert "<" not in sent
        assert "@here" not in sent
        assert "@channel" not in sent
        assert "@all" not in sent
        assert "](" not in build_payload(message)["text"]
        assert "://" not in build_payload(message)["text"]
        assert all(text["verbatim"] for text in _texts(build_payload(message)))


def test_each_fact_has_its_share_of_the_text():
    hostile = make_notification(
        Topic.FAILED, container="&" * 999, cause="<" * 9999, done="@u" * 9999, what=">" * 9999
    )
    lines = build_payload(single(hostile, {}))["text"].splitlines()
    assert [line.partition(":")[0] for line in lines[1:5]] == ["Where", "What", "Why", "Outcome"]


def _texts(told) -> list[dict]:
    """Every piece of formatted text."""
    if isinstance(told, dict):
        own = [told] if told.get("type") == "mrkdwn" else []
        return own + [text for value in told.values() for text in _texts(value)]
    return [text for each in told for text in _texts(each)] if isinstance(told, list) else []


def test_message_stays_within_the_limits_of_slack():
    hostile = make_notification(
        Topic.FAILED, container="&" * 999, cause="<" * 9999, done="&" * 9999, what=">" * 9999
    )
    for message in (single(hostile, {}), build_digest([hostile] * 50, {})):
        assert len(build_payload(message)["text"]) <= MAX_TEXT_CHARACTERS
        for block in build_payload(message)["blocks"]:
            assert len(block.get("text", {}).get("text", "")) <= MAX_SECTION_CHARACTERS
            assert all(len(field["text"]) <= 2000 for field in block.get("fields", []))


@pytest.mark.parametrize(
    ("status", "passing"), [(429, True), (500, True), (503, True), (404, False), (400, False), (302, False)]
)
def test_refused_message_is_an_error_without_the_secret(hook, status, passing):
    hook.status = status
    hook.headers = {"Location": "http://127.0.0.1:9/"}
    error = failure(hook.url)
    assert str(status) in error.message
    assert error.transient is passing


@pytest.mark.parametrize(("header", "wait"), [("30", 30.0), ("soon", None), ("-1", None)])
def test_retry_after_of_the_service_is_in_the_error(hook, header, wait):
    hook.status = 429
    hook.headers = {"Retry-After": header}
    assert failure(hook.url).wait == wait


def test_unreachable_address_is_a_transient_error():
    assert failure(f"http://127.0.0.1:9/services/{SECRET}").transient


def test_server_that_never_responds_times_out(hook, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.1)
    hook.silent = True
    error = failure(hook.url)
    assert error.transient
    assert error.message == "the webhook at 127.0.0.1 does not answer in time"


def test_response_body_is_read_up_to_a_limit(hook):
    hook.endless = True
    Webhook(hook.url).send(MESSAGE)
    assert hook.heard


def test_malformed_response_does_not_log_the_secret(hook, caplog):
    hook.torn = True
    Webhook(hook.url).send(MESSAGE)
    assert hook.heard
    assert SECRET not in caplog.text


@pytest.mark.parametrize("url", [f"http://[/{SECRET}", f"https:///{SECRET}"])
def test_invalid_address_is_a_permanent_error(url):
    assert not failure(url).transient


def test_untrusted_certificate_is_named_until_trusted(self_signed, monkeypatch):
    """It passes, for a certificate is renewed without anything being changed here."""
    with hooked(self_signed) as server:
        error = failure(server.url)
        assert error.message == "the webhook's certificate is not trusted: self-signed certificate"
        assert error.transient
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed))
        Webhook(server.url).send(MESSAGE)
        assert len(server.heard) == 1


def test_certificate_of_another_host_is_named_without_the_url(self_signed, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed))
    with hooked(self_signed) as server:
        error = failure(server.url.replace("127.0.0.1", "localhost"))
    assert error.message == "the webhook's certificate is not trusted: Hostname mismatch"


def test_server_without_tls_is_an_error(hook):
    error = failure(hook.url.replace("http://", "https://"))
    assert error.message == "TLS with the webhook failed: wrong version number"
    assert error.transient
