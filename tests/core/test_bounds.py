"""Texts and numbers of the engine: bounded where they enter."""

import math
import re
import string
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hemostat
from hemostat.core import bounds
from hemostat.core.detection.incidents import MAX_DOWNSTREAM, IncidentRegister
from hemostat.core.detection.restart_owner import ORCHESTRATORS
from hemostat.core.labels.container_ref import (
    COMPOSE_DEPENDS_ON_LABEL,
    MAX_UNKNOWN_LABELS,
    OWNER_LABELS,
    build_reference,
    select_labels,
)
from hemostat.core.labels.definitions import LABELS, PROTECT
from hemostat.core.labels.project import PROJECT_LABELS
from hemostat.events import MAX_BYTES, Evidence, Kind, decode, encode
from hemostat.events.fitting import MAX_NUMBER
from tests.support import samples

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(anything)
def test_any_value_becomes_a_bounded_text_or_number(value):
    for text in (
        bounds.limit_text(value, 10),
        bounds.shorten_identifier(value, 60),
        *bounds.limit_texts(value, 10),
    ):
        assert len(text) <= 60
        assert msgspec.json.decode(msgspec.json.encode(text)) == text
    assert 0 <= bounds.clamp_int(value) <= bounds.MAX_COUNT
    assert 0 <= bounds.clamp_float(value) <= MAX_NUMBER
    assert len(bounds.limit_texts(value, 10)) <= bounds.MAX_ITEMS


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 10**400, -(10**400), 1e308, "9", None, {}])
def test_numbers_are_clamped_to_their_range(value):
    assert bounds.clamp_int(value, 50, 10) in {10, 50}
    assert bounds.clamp_float(value, 50.0, 10.0) in {10.0, 50.0}


def test_long_names_keep_both_ends_and_differ():
    one, other = (bounds.shorten_identifier(f"shop-{'a' * 100_000}{each}-db", 255) for each in "xy")
    assert one != other
    assert one.startswith("shop-a")
    assert one.endswith("-db")
    assert len(one) <= 255
    assert bounds.shorten_identifier("shop-db", 255) == "shop-db"


@pytest.mark.parametrize(
    "name", ["*", "web1/app", "audit trail", "a\u0441b", "a\nb", "a\x1b[2J", "[a-z]", "a,b"]
)
def test_name_that_no_engine_allows_has_no_other_meaning(name):
    limited = build_reference("c1", name, "i", {}).name
    assert set(limited) <= {*string.ascii_letters, *string.digits, *"_.-", bounds.REPLACEMENT_CHARACTER}
    assert bounds.REPLACEMENT_CHARACTER in limited


def test_valid_name_is_kept():
    assert build_reference("c1", "/shop-web_1.a", "i", {}).name == "shop-web_1.a"


def test_evidence_is_bounded_in_number_and_length():
    told = bounds.limit_evidence(
        [Evidence("x" * 1000, "y" * 100_000, "%"), *[Evidence("n", math.inf)] * 1000]
    )
    assert len(msgspec.json.encode(told)) < 10_000
    assert all(math.isfinite(each.value) for each in told[1:])
    assert bounds.limit_evidence([Evidence("survived", value=True)])[0].value is True


def test_alert_names_some_dependents_and_counts_all():
    names = tuple(f"web{number}" for number in range(300))
    ref = build_reference("c", "db", "", {})
    _, alert = IncidentRegister("h").open_incident(ref, Kind.EXITED, since=1.0, downstream=names)
    assert len(alert.downstream) == MAX_DOWNSTREAM
    assert alert.downstream_count == 300


def test_orchestrator_labels_are_kept():
    for owner in ORCHESTRATORS:
        found = dict.fromkeys((*owner.marker_labels, *owner.workload_labels), "x")
        assert select_labels(found) == found


def test_project_labels_are_kept():
    found = dict.fromkeys(PROJECT_LABELS, "shop")
    assert select_labels(found) == found


def test_every_label_read_by_the_code_is_kept():
    """One that is read and not kept would be read as missing."""
    source = "\n".join(path.read_text() for path in Path(hemostat.__file__).parent.rglob("*.py"))
    read = re.findall(r'"((?:com\.docker\.(?:compose|swarm|stack)|io\.podman)\.[a-z._-]*[a-z])"', source)
    assert len(read) > 5
    assert select_labels(dict.fromkeys(read, "x")) == dict.fromkeys(read, "x")


def test_shortened_label_is_not_read_as_another_value():
    for name, label in LABELS.items():
        for text in ("true\x1b", "a" * 5000, f"{' ' * 5000}true", "9\ud800", "\0"):
            assert label.read_from(select_labels({name: text})) is None


@pytest.mark.parametrize("char", ["x", "\U0001f4a5", '"', "\x01", "\ud800", "\n"])
def test_alert_with_maximum_labels_is_sent_complete(char):
    named = [*LABELS, *OWNER_LABELS, COMPOSE_DEPENDS_ON_LABEL, *(f"hemostat.x{n}" for n in range(1000))]
    labels = dict.fromkeys(named, char * 1000000) | {f"{char * 100_000}hemostat.x": char}
    alert = samples.alert(container=build_reference("c" * 64, char * 100_000, char * 100_000, labels))
    event = samples.event(alert)
    assert decode(encode(event)).data == alert
    complete = samples.event(samples.complete(container=alert.container, alert=alert))
    assert len(encode(complete)) <= MAX_BYTES


def test_misspelt_hemostat_labels_are_bounded_in_number():
    ref = build_reference("c", "c", "", {f"hemostat.x{number}": "1" for number in range(1000)})
    assert len(ref.labels) == MAX_UNKNOWN_LABELS


@pytest.mark.parametrize("prefix", ["k", "hemostat.k", "com.docker.compose.k", "hemo.k"])
def test_time_for_many_labels_is_bounded(prefix):
    """To compare each of these names with all of HemoStat's would take 12 s of CPU time."""

    def seconds(number):
        labels = {f"{prefix}{index}.{number}": "v" for index in range(number)}
        begin = time.process_time()
        assert not PROTECT.read_from(build_reference("c", "c", "", labels).labels)
        return time.process_time() - begin

    assert seconds(100_000) < 3
