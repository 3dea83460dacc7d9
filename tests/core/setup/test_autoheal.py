"""What the settings of docker-autoheal and deunhealth become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.cli.setup.config_text import format_file
from hemostat.config import load
from hemostat.core.model import ContainerInfo
from hemostat.core.setup.autoheal import read_selector, recognize_healer, translate
from hemostat.core.setup.healers import Healer
from hemostat.events import Container, Kind

DEFAULTS = {
    "AUTOHEAL_CONTAINER_LABEL": "autoheal",
    "AUTOHEAL_START_PERIOD": "0",
    "AUTOHEAL_INTERVAL": "5",
    "AUTOHEAL_DEFAULT_STOP_TIMEOUT": "10",
    "AUTOHEAL_ONLY_MONITOR_RUNNING": "false",
    "DOCKER_SOCK": "/var/run/docker.sock",
    "CURL_TIMEOUT": "30",
    "WEBHOOK_URL": "",
    "WEBHOOK_JSON_KEY": "content",
    "APPRISE_URL": "",
    "POST_RESTART_SCRIPT": "",
}
"""The environment of the image of docker-autoheal."""


def make_info(**labels: str) -> ContainerInfo:
    named = {name.replace("__", "."): value for name, value in labels.items()}
    return ContainerInfo(ref=Container(id="c1", name="web", labels=named), status="running")


def migrate(healer=Healer.AUTOHEAL, containers=(), mode="auto", **environment):
    return translate(
        healer, DEFAULTS | environment if healer is Healer.AUTOHEAL else environment, containers, mode
    )


def get_values(migration):
    return {each.key: each.value for each in migration.settings}


def find_row(migration, old):
    return next(each for each in migration.table if each.old.startswith(old))


def test_default_autoheal_becomes_restarts_of_labelled_containers():
    migration = migrate()
    assert get_values(migration) == {
        "monitor.only": "autoheal=true",
        "responder.mode": "auto",
        "responder.kinds": ["unhealthy"],
        "monitor.relapse_window": "0s",
    }
    unequal = {each.old for each in migration.table if not each.equivalent}
    assert unequal == {"restarts without a limit", "AUTOHEAL_ONLY_MONITOR_RUNNING=false"}


@pytest.mark.parametrize(
    ("label", "selector"),
    [("", "autoheal=true"), ("all", ""), ("watch.me", "watch.me=true"), ("All", "All=true")],
)
def test_label_of_autoheal_selects_the_same_containers(label, selector):
    assert read_selector(Healer.AUTOHEAL, {"AUTOHEAL_CONTAINER_LABEL": label}) == selector
    assert get_values(migrate(AUTOHEAL_CONTAINER_LABEL=label))["monitor.only"] == selector


@pytest.mark.parametrize("label", ["a\nb", "x" * 300, "\x1b[2J", "\ud800"])
def test_label_that_cannot_be_used_is_refused(label):
    with pytest.raises(ValueError, match="is not the name of a label"):
        migrate(AUTOHEAL_CONTAINER_LABEL=label)


def test_deunhealth_becomes_restarts_of_its_labelled_containers():
    migration = migrate(Healer.DEUNHEALTH, LOG_LEVEL="info", HEALTH_SERVER_ADDRESS="127.0.0.1:9999", TZ="UTC")
    values = get_values(migration)
    assert values["monitor.only"] == "deunhealth.restart.on.unhealthy=true"
    assert values["responder.kinds"] == ["unhealthy"]
    assert not find_row(migration, "HEALTH_SERVER_ADDRESS").equivalent
    assert find_row(migration, "LOG_LEVEL=info").equivalent


def test_longer_stop_label_raises_the_operators_limit():
    assert "responder.stop_timeout_max" not in get_values(migrate(containers=[make_info()]))
    short = migrate(containers=[make_info(autoheal__stop__timeout="60")])
    assert "responder.stop_timeout_max" not in get_values(short)
    assert find_row(short, "label autoheal.stop.timeout (containers: 1)").new == "the same label"
    long = migrate(containers=[make_info(autoheal__stop__timeout="300")])
    assert get_values(long)["responder.stop_timeout_max"] == "300s"
    beyond = migrate(containers=[make_info(autoheal__stop__timeout="3000")])
    assert get_values(beyond)["responder.stop_timeout_max"] == "600s"
    assert not find_row(beyond, "label autoheal.stop.timeout").equivalent


@pytest.mark.parametrize(
    ("url", "channel", "equivalent"),
    [
        ("https://hooks.slack.com/services/T/B/SECRET", "https://hooks.slack.com/services/T/B/SECRET", True),
        ("https://discord.com/api/webhooks/1/SECRET", "https://discord.com/api/webhooks/1/SECRET", True),
        (
            "https://discord.com/api/webhooks/1/SECRET/slack",
            "https://discord.com/api/webhooks/1/SECRET/slack",
            True,
        ),
        ("https://example.org/SECRET", "https://example.org/SECRET", False),
        ("example.org/SECRET", None, False),
        ("https://[SECRET", None, False),
        ("https://example.org/\ud800SECRET", None, False),
    ],
)
def test_webhook_becomes_a_channel_and_stays_secret(url, channel, equivalent):
    migration = migrate(WEBHOOK_URL=url)
    assert get_values(migration).get("alert.channels.webhook.url") == channel
    assert find_row(migration, "WEBHOOK_URL").equivalent is equivalent
    assert "SECRET" not in "".join(each.old + each.new for each in migration.table)


@pytest.mark.parametrize(
    ("url", "channel"),
    [
        ("http://apprise:8000/notify/SECRET", "apprise://apprise:8000/SECRET"),
        ("https://me:SECRET@host/apprise/notify/key/", "apprises://me:SECRET@host/apprise/key"),
        ("http://apprise:8000/notify", None),
        ("SECRET", None),
    ],
)
def test_apprise_server_becomes_a_channel_and_stays_secret(url, channel):
    migration = migrate(APPRISE_URL=url)
    assert get_values(migration).get("alert.channels.apprise.url") == channel
    assert find_row(migration, "APPRISE_URL").equivalent is (channel is not None)
    assert "SECRET" not in "".join(each.old + each.new for each in migration.table)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AUTOHEAL_START_PERIOD", "30"),
        ("AUTOHEAL_DEFAULT_STOP_TIMEOUT", "30"),
        ("POST_RESTART_SCRIPT", "/hook.sh"),
        ("AUTOHEAL_RESTART_BUDGET", "5"),
    ],
)
def test_variable_without_an_equivalent_is_named(variable, value):
    row = find_row(migrate(**{variable: value}), variable)
    assert not row.equivalent
    assert row.new.startswith("no equivalent")


def test_program_is_recognized_by_its_image_or_variables():
    assert recognize_healer("me/autoheal", {}) is Healer.AUTOHEAL
    assert recognize_healer("qmcgaw/deunhealth", {}) is Healer.DEUNHEALTH
    assert recognize_healer("me/own", {"AUTOHEAL_CONTAINER_LABEL": "all"}) is Healer.AUTOHEAL
    assert recognize_healer("containrrr/watchtower", {}) is None


hostile = st.text(st.characters(exclude_categories=()), max_size=40)


@given(st.dictionaries(st.sampled_from([*DEFAULTS, "AUTOHEAL_OTHER"]), hostile), hostile)
def test_hostile_environment_leads_to_a_file_that_means_the_same(tmp_path_factory, environment, name):
    containers = [make_info(autoheal__stop__timeout=name)]
    try:
        migration = translate(Healer.AUTOHEAL, environment, containers, "dry-run")
    except ValueError:
        return
    file = tmp_path_factory.mktemp("config") / "hemostat.toml"
    file.write_bytes(format_file(name, migration.settings).encode())
    settings = load(file, environ={}).settings
    assert settings.monitor.only == get_values(migration)["monitor.only"]
    assert (settings.responder.mode, settings.responder.kinds) == ("dry-run", (Kind.UNHEALTHY,))
    assert all(each.old and len(each.old) < 200 for each in migration.table)
