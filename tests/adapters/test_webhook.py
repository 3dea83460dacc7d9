"""Web addresses of services, against a proxy that answers as each service does."""

import json

import jsonschema
import pytest

from hemostat.adapters.notify.webhook import Webhook
from hemostat.core.notify.message import single
from hemostat.core.notify.service import Service
from hemostat.errors import NotifyError
from tests.core.notify.test_formats import ADDRESSES
from tests.support.hook import hooked
from tests.support.notifications import HEALED
from tests.support.service_schemas import SCHEMAS

ANSWERS = {
    Service.DISCORD: (204, b""),
    Service.TEAMS: (202, b""),
    Service.PAGERDUTY: (202, b'{"status": "success", "dedup_key": "hemostat-i1"}'),
    Service.TELEGRAM: (200, b'{"ok": true, "result": {"message_id": 1}}'),
    Service.SLACK: (200, b"ok"),
}
REFUSALS = {
    Service.DISCORD: (401, {"message": "Invalid Webhook Token", "code": 50027}, "Invalid Webhook Token"),
    Service.TELEGRAM: (
        400,
        {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"},
        "chat not found",
    ),
    Service.NTFY: (403, {"code": 40301, "http": 403, "error": "forbidden"}, "forbidden"),
    Service.PAGERDUTY: (
        400,
        {"status": "invalid event", "message": "Event object is invalid"},
        "Event object is invalid",
    ),
}


@pytest.fixture
def receiver(monkeypatch):
    """A proxy, because only the host of an address shows the service."""
    with hooked() as server:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        yield server


@pytest.mark.parametrize("service", Service, ids=lambda each: each.name)
def test_service_receives_a_message_that_it_accepts(service, receiver):
    receiver.status, receiver.body = ANSWERS.get(service, (200, b"{}"))
    Webhook(ADDRESSES[service].replace("https://", "http://")).send(single(HEALED, {}))
    (request,) = receiver.requests
    jsonschema.validate(request.json, SCHEMAS[service])
    assert request.method == "POST"


@pytest.mark.parametrize("service", REFUSALS, ids=lambda each: each.name)
def test_refusal_of_a_service_is_explained_without_the_address(service, receiver):
    receiver.status, answer, words = REFUSALS[service]
    receiver.body = json.dumps(answer).encode()
    with pytest.raises(NotifyError) as caught:
        Webhook(ADDRESSES[service].replace("https://", "http://")).send(single(HEALED, {}))
    assert words in str(caught.value)
    assert "token" not in str(caught.value).lower().replace("invalid webhook token", "")
    assert not caught.value.transient
