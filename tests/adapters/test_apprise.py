"""The services of Apprise, one of which a local server can play."""

import logging
import sys

import pytest

from hemostat.adapters.notify.apprise import Apprise, format_body
from hemostat.core.notify.message import single
from hemostat.errors import ConfigError, NotifyError
from tests.support.hook import SECRET, hooked
from tests.support.notifications import HEALED

MESSAGE = single(HEALED, {})
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Apprise imports what Python gives up, all by itself."""


@pytest.fixture
def hook():
    pytest.importorskip("apprise")
    with hooked() as server:
        yield server


def channel(hook) -> Apprise:
    return Apprise("ops", hook.url.replace("http://", "json://"))


def test_service_receives_title_and_body(hook):
    channel(hook).send(MESSAGE)
    told = hook.heard[0].json
    assert told["title"] == "web is healed: exited"
    assert told["message"].splitlines() == [
        "Where: web on h, project shop",
        "What: exited with code 1",
        "Why: crash: exit code 1",
        "Outcome: restarted, healed in 3.1 s",
        "Took: 3.1 s",
        "More: hemostat explain i1",
    ]
    assert told["type"] == "success"


def test_refusal_is_an_error_without_the_secret(hook, caplog, capfd):
    hook.status = 500
    with caplog.at_level(logging.DEBUG, "hemostat"), pytest.raises(NotifyError) as caught:
        channel(hook).send(MESSAGE)
    assert caught.value.transient
    assert SECRET not in str(caught.value) + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("host", "cause"), [("127.0.0.1:9", "refuses the connection"), ("nosuch.invalid", "cannot be resolved")]
)
def test_unreachable_service_is_an_error_with_its_cause(host, cause, caplog, capfd):
    pytest.importorskip("apprise")
    with pytest.raises(NotifyError, match=f"the service {cause}") as caught:
        Apprise("ops", f"json://{host}/{SECRET}").send(MESSAGE)
    assert SECRET not in str(caught.value) + caplog.text + "".join(capfd.readouterr())


def test_unknown_url_scheme_is_an_error_without_the_secret():
    pytest.importorskip("apprise")
    with pytest.raises(ConfigError, match="ops") as caught:
        Apprise("ops", f"nosuch://{SECRET}")
    assert SECRET not in str(caught.value)


def test_missing_apprise_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match="hemostat\\[apprise\\]"):
        Apprise("ops", "ntfy://topic")


def test_brief_message_has_a_body():
    assert format_body(single(HEALED, {}, brief=True)) == "web is healed: exited"
