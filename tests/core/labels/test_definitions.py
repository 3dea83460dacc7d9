"""What labels say, whatever stands in them."""

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.labels import definitions, mistakes
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.labels.definitions import LABELS, is_enabled, read_stop_timeout
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation.stop_timeout import compute_stop_seconds
from hemostat.core.settings.monitor import MonitorSettings, resolve_thresholds
from hemostat.core.units import parse_duration, parse_size
from hemostat.events import Action, Container

DIGITS = "9" * 400
HOSTILE = [
    *(DIGITS, f"{DIGITS}d", f"{DIGITS}g", f"{DIGITS}%", "9" * 5000, "9" * 5000 + "h", f"{DIGITS}.{DIGITS}"),
    *("1e308", "1e309", "-1", "-1s", "-0.0", "inf", "-inf", "infinity", "nan", "1e-400", "0x10", "1_000"),
    *("\u00b2", "\u0663\u0664", "\u00bd", "\0", "1\0", "true\0", "\ud800", "1\udfff", "\u202e5", "\x1b[2J"),
    *("", " ", "\n", "'", '"', "'a", "a\\", ",", ",,,", "a," * 10_000, "/" * 10_000, "/a," * 10_000),
    *("http://:99999/", "http://:80/" + "a" * 10_000, "tcp://:" + DIGITS, "$(reboot)", "%s%n", "{0}"),
    *("1h" * 10_000, "1d" * 40, "99999999999d", "99999999t", "3650d", "x" * 8_000_000),
]


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, tuple | frozenset | list):
        for each in value:
            yield from numbers(each)


def assert_is_bounded(name: str, text: str) -> None:
    value = LABELS[name].read_from({name: text})
    assert all(math.isfinite(number) and 0 <= number < 1 << 61 for number in numbers(value)), (name, text)
    assert len(repr(value)) < 20_000
    msgspec.json.encode(build_reference("c", "c", "", {name: text}))


@pytest.mark.parametrize("name", LABELS)
def test_hostile_value_neither_raises_nor_is_infinite(name):
    for text in HOSTILE:
        assert_is_bounded(name, text)


@given(
    st.sampled_from(sorted(LABELS)), st.text(max_size=300) | st.from_regex(r"\A[0-9.eE]{1,400}[smhdkgt%]?\Z")
)
def test_any_text_neither_raises_nor_is_infinite(name, text):
    if text.strip().lower() != "off":
        assert_is_bounded(name, text)


@pytest.mark.parametrize("text", HOSTILE)
def test_durations_and_sizes_are_finite_or_refused(text):
    for parse, most in ((parse_duration, 100 * 365 * 86400.0), (parse_size, 1 << 60)):
        with suppress(ValueError):
            assert 0 <= parse(text) <= most


@pytest.mark.parametrize("name", [each.name for each in LABELS.values() if not each.is_marker])
def test_example_of_each_label_is_valid(name):
    label = LABELS[name]
    assert label.example
    assert label.read_from({name: f" {label.example} "}) is not None


def test_empty_or_unreadable_label_is_ignored():
    assert definitions.ACTIONS.read_from({}) is None
    assert definitions.ACTIONS.read_from({"hemostat.actions": "restart, Cleanup"}) == {
        Action.RESTART,
        Action.CLEANUP,
    }
    assert definitions.ACTIONS.read_from({"hemostat.actions": "restart,reboot"}) is None
    assert definitions.ACTIONS.read_from({"hemostat.actions": ""}) == frozenset()


@pytest.mark.parametrize(
    ("found", "enabled"),
    [
        ({"hemostat.enable": " FALSE "}, False),
        ({"hemostat.enable": "n"}, True),
        ({"hemostat.enable": "n", "autoheal": "false"}, True),
        ({"autoheal": "off"}, False),
    ],
)
def test_only_a_readable_label_opts_out(found, enabled):
    assert is_enabled(found) is enabled


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ({}, None),
        ({"autoheal.stop.timeout": "5"}, 5.0),
        ({"autoheal.stop.timeout": "5", "hemostat.stop_timeout": "2m"}, 120.0),
        ({"autoheal.stop.timeout": "5", "hemostat.stop_timeout": "soon"}, None),
        ({"hemostat.stop_timeout": "3650d"}, None),
    ],
)
def test_own_stop_timeout_label_precedes_autoheals(found, seconds):
    assert read_stop_timeout(found) == seconds


@pytest.mark.parametrize(
    ("label", "own", "seconds"),
    [
        *((None, each, 120.0) for each in (315_360_000.0, 1e308, math.inf, math.nan, -1.0)),
        *(("50m", None, 120.0), ("90s", 5.0, 90.0), (None, None, 10.0), (None, 0.0, 0.0)),
    ],
)
def test_stop_timeout_is_limited_by_the_settings(label, own, seconds):
    ref = Container(id="c", name="c", labels={"hemostat.stop_timeout": label} if label else {})
    info = ContainerInfo(ref=ref, status="running", stop_timeout=own)
    assert compute_stop_seconds(ref, info, 120.0) == seconds


def test_unreadable_label_keeps_the_projects_threshold():
    thresholds = MonitorSettings(projects={"shop": {"cpu": 90}})
    found = {"com.docker.compose.project": "shop", "hemostat.cpu": "lots"}
    assert resolve_thresholds(thresholds, Container(id="c", name="c", labels=found)).cpu == 90.0


def test_container_reference_with_huge_labels_is_small():
    huge = {f"hemostat.x{number}": "v" * 100_000 for number in range(1000)}
    huge |= {"hemostat.protect": "true", "hemostat.exec": "x" * 100_000, "hemostat." + "n" * 100_000: "v"}
    huge |= {f"com.docker.compose.x{number}": "v" * 100_000 for number in range(1000)}
    ref = build_reference("c", "c", "", huge)
    assert len(msgspec.json.encode(ref)) < 64 << 10
    assert definitions.PROTECT.read_from(ref.labels)
    assert definitions.EXEC.read_from(ref.labels) is None


def test_compose_labels_are_bounded():
    huge = {f"com.docker.compose.x{number}": "v" * 100_000 for number in range(1000)}
    assert len(msgspec.json.encode(build_reference("c", "c", "", huge))) < 128 << 10


def test_labels_of_other_software_are_dropped():
    found = {"maintainer": "me", "DB_PASSWORD": "x", "traefik.enable": "true", "hemostat.cpu": "95"}
    assert build_reference("c", "c", "", found).labels == {"hemostat.cpu": "95"}
    assert build_reference("c", "c", "", {"hemostat_enable": "false"}).labels == {"hemostat_enable": "false"}


@pytest.mark.parametrize(
    ("selector", "group"),
    [
        ("hemostat.team=red", "hemostat.team"),
        ("hemostat.team", "hemostat.team"),
        ("hemostat.protect=true", ""),
        ("com.docker.compose.project=shop", ""),
        ("autoheal=true", ""),
        ("auto-heal=true", "auto-heal"),
        ("", ""),
    ],
)
def test_label_that_selects_the_containers_is_valid(selector, group):
    labels = {"hemostat.team": "red", "auto-heal": "true", "hemostat.protect": "true"}
    assert mistakes.find_selector_label(selector) == group
    own_labels = build_reference("c", "c", "", labels, mistakes.find_selector_label(selector)).labels
    assert {"hemostat.team", "auto-heal"} & own_labels.keys() == {"hemostat.team", "auto-heal"} - {group}
    assert definitions.PROTECT.read_from(own_labels)
