"""The proposed configuration: safe at first contact, and read back exactly as it was meant."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.cli.setup.config_text import format_file
from hemostat.config import Settings, load
from hemostat.core.model import ContainerInfo, HealthCheck
from hemostat.core.setup.inventory import Inventory, take_inventory
from hemostat.core.setup.proposal import (
    Choices,
    build_settings,
    find_warnings,
    format_selector,
    parse_patterns,
    parse_selector,
    propose_choices,
)
from hemostat.events import Container

EMPTY = take_inventory([])


def make_info(name: str, image: str = "nginx", **labels: str) -> ContainerInfo:
    full = {name.replace("__", "."): value for name, value in labels.items()}
    ref = Container(id=f"id-{name}", name=name, image=image, labels=full)
    return ContainerInfo(ref=ref, status="running", networks=("shared",))


def read_back(tmp_path_factory, text: str) -> Settings:
    file = tmp_path_factory.mktemp("config") / "hemostat.toml"
    file.write_bytes(text.encode())
    return load(file, environ={}).settings


def test_first_proposal_does_nothing_and_leaves_databases_alone():
    inventory = take_inventory([make_info("web"), make_info("db", "postgres:16")])
    assert propose_choices(inventory) == Choices(only="", mode="dry-run", protect=("db",))


def test_labels_of_autoheal_select_the_containers():
    inventory = take_inventory([make_info("web", autoheal="true"), make_info("other", autoheal="false")])
    assert inventory.with_autoheal_label == 1
    assert propose_choices(inventory).only == "autoheal=true"
    (warning,) = find_warnings(inventory, Choices())
    assert warning.startswith("1 of 2 containers have the label autoheal=true; HemoStat watches all")


def test_containers_that_one_label_of_autoheal_leaves_out_are_counted():
    inventory = take_inventory([make_info("own", autoheal="true"), make_info("web"), make_info("db")])
    (warning,) = find_warnings(inventory, propose_choices(inventory))
    assert warning.startswith("2 of 3 containers lack the label autoheal=true, and HemoStat does not watch")
    labelled = take_inventory([make_info("own", autoheal="true")])
    assert find_warnings(labelled, propose_choices(labelled)) == ()


def test_inventory_counts_running_containers_only():
    checked = msgspec.structs.replace(make_info("web"), check=HealthCheck(), restart_policy="always")
    ended = msgspec.structs.replace(make_info("old", "postgres"), status="exited", check=HealthCheck())
    healer = make_info("heal", "willfarrell/autoheal")
    inventory = take_inventory([checked, ended, healer])
    assert (inventory.containers, inventory.running) == (3, 2)
    assert (inventory.with_health_check, inventory.restarted_by_engine) == (1, 1)
    assert inventory.databases == ()
    assert [each.program for each in inventory.healers] == ["docker-autoheal"]
    assert "hemostat migrate autoheal" in find_warnings(inventory, Choices())[1]


PROJECT = {"com__docker__compose__project": "shop"}
DEPENDENT = {
    **PROJECT,
    "com__docker__compose__service": "web",
    "com__docker__compose__depends_on": "db:service_started:false",
}
DATABASE = {**PROJECT, "com__docker__compose__service": "db"}


@pytest.mark.parametrize(
    ("others", "networks", "expected"),
    [
        ([], ("shared",), True),
        ([], ("shop_default",), False),
        ([make_info("other")], ("shared",), False),
        ([make_info("other", com__docker__compose__project="mail")], ("shared",), False),
        ([make_info("heal", "willfarrell/autoheal")], ("shared",), True),
    ],
)
def test_compose_is_trusted_only_in_a_lone_project_that_needs_it(others, networks, expected):
    project = [
        msgspec.structs.replace(info, networks=networks)
        for info in (make_info("web", **DEPENDENT), make_info("db", **DATABASE))
    ]
    inventory = take_inventory([*project, *others])
    assert inventory.needs_trust is expected
    keys = [each.key for each in build_settings(inventory, Choices())]
    assert ("trust.labels" in keys) is expected


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("all", ""),
        (" Compose ", "com.docker.compose.project"),
        ("team=web", "team=web"),
        ("com.docker.compose.project=shop", "com.docker.compose.project=shop"),
    ],
)
def test_selection_is_a_word_or_a_label(text, selector):
    assert parse_selector(text) == selector
    assert parse_selector(format_selector(selector)) == selector


@pytest.mark.parametrize("text", ["", "=x", "a\nb", "a\x1b[2J", "k" * 300, "a\ud800"])
def test_unusable_selection_is_refused(text):
    with pytest.raises(ValueError, match="is neither all, compose, nor a label"):
        parse_selector(text)


def test_protected_names_are_a_list_with_commas():
    assert parse_patterns("db, postgres*,,db") == ("db", "postgres*")
    assert parse_patterns("none") == parse_patterns("") == ()
    for text in ("a\x07", "ä", "x" * 300, ",".join(map(str, range(200)))):
        with pytest.raises(ValueError, match="is not a list"):
            parse_patterns(text)


hostile = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ['"', '"""', "'''", "\\", "a\\u0000", "# x", "]\n[responder]\nmode = 'auto'", "\x7f", "\ud800", "é\u202e"]
)


def attempt(parse, text):
    try:
        return parse(text)
    except ValueError:
        return None


@given(hostile, hostile, hostile, hostile, st.sampled_from(["dry-run", "approve", "auto"]))
def test_written_file_is_read_as_it_was_meant(tmp_path_factory, label, pattern, name, secret, mode):
    inventory: Inventory = take_inventory(
        [make_info(name, "postgres"), make_info("heal" + name, "willfarrell/autoheal", autoheal="true")]
    )
    choices = msgspec.structs.replace(
        propose_choices(inventory),
        only=attempt(parse_selector, label) or "",
        mode=mode,
        notify=f"https://hooks.slack.com/services/{secret}" if secret.isprintable() else "",
    )
    if patterns := attempt(parse_patterns, pattern):
        choices = msgspec.structs.replace(choices, protect=(*choices.protect, *patterns))
    settings = build_settings(inventory, choices)
    read = read_back(tmp_path_factory, format_file(f"for {name}", settings))
    assert read.monitor.only == choices.only
    assert read.responder.mode == mode
    assert read.responder.protect == choices.protect
    assert [each.url for each in read.alert.channels.values()] == [choices.notify] * bool(choices.notify)
    unchanged = msgspec.structs.replace(read.responder, mode="auto", protect=())
    assert unchanged == Settings().responder
