"""Slack's webhook, against a server that answers as it is told to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hemostat.adapters.slack import Slack
from hemostat.errors import NotifyError
from hemostat.events import Diagnosis, Kind, Outcome, Reason
from tests.samples import WEB, complete, decided, event

SECRET = "T000-B000-XXXXXXXX"  # noqa: S105 - an example


class Hook(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answer = 200
        self.texts: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/{SECRET}"


class Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.texts.append(json.loads(body)["text"])
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_message_says_what_where_why_and_what_was_done(hook):
    Slack(hook.url).notify(event(complete()))
    assert hook.texts == [":white_check_mark: web on h: exited (crash): restart healed in 3.1 s"]


def test_what_people_did_says_who(hook):
    ordered = Diagnosis(cause="ordered", confidence=1.0, advisor="ann@h")
    Slack(hook.url).notify(event(complete(kind=Kind.ORDERED, diagnosis=ordered)))
    Slack(hook.url).notify(event(decided(container="web"), at=3.8, incident=None))
    assert hook.texts == [
        ":white_check_mark: web on h: ordered (ann@h): restart done in 3.1 s",
        ":raised_hand: web: paused for 30 min by ann@h (deploy)",
    ]


def test_a_refusal_says_its_reason(hook):
    Slack(hook.url).notify(event(complete(outcome=Outcome.REFUSED, reason=Reason.BUDGET_SPENT)))
    assert "refused: budget_spent" in hook.texts[0]


def test_a_name_cannot_mention_everybody(hook):
    Slack(hook.url).notify(event(complete(container=type(WEB)(id="c", name="<!channel> & co"))))
    assert "&lt;!channel&gt; &amp; co" in hook.texts[0]


@pytest.mark.parametrize(
    ("answer", "passing"), [(429, True), (500, True), (503, True), (404, False), (400, False)]
)
def test_a_refused_message_is_an_error_that_keeps_the_secret(hook, answer, passing):
    hook.answer = answer
    with pytest.raises(NotifyError, match=str(answer)) as caught:
        Slack(hook.url).notify(event(complete()))
    assert caught.value.transient is passing
    assert SECRET not in str(caught.value)


def test_an_address_where_nobody_answers_is_an_error_that_keeps_the_secret():
    with pytest.raises(NotifyError) as caught:
        Slack(f"http://127.0.0.1:9/services/{SECRET}").notify(event(complete()))
    assert caught.value.transient
    assert SECRET not in str(caught.value)
