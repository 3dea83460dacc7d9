"""How far a limit is raised, where it stops, and when it comes back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.ledger.rows import RaisedLimit, Resource
from hemostat.core.model import ContainerInfo, Service
from hemostat.core.remediation import scaling
from hemostat.core.remediation.scaling import (
    CALM_SECONDS,
    Ceilings,
    compute_restored_limit,
    is_still_raised,
    plan_more_replicas,
    plan_raised_limit,
    should_restore_limit,
)
from hemostat.core.settings.trust import TRUST_COMPOSE, TRUST_OWN
from hemostat.errors import NotApplicableError
from hemostat.events import Container
from tests.support.samples import composed

MIB = 1 << 20
HOST = Ceilings(memory=4096 * MIB, cpus=2.0)
NONE = Ceilings()
NOW = 1_000_000.0


def info(cpus: float | None = 0.5, memory: int | None = 64 * MIB, **labels: str) -> ContainerInfo:
    ref = Container(
        id="c1", name="web", labels={f"hemostat.scale.{key}": text for key, text in labels.items()}
    )
    return ContainerInfo(ref=ref, status="running", cpu_limit=cpus, memory_limit=memory)


def memory(before: int, ceilings: Ceilings = NONE, **labels: str) -> float:
    return plan_raised_limit(info(memory=before, **labels), Resource.MEMORY, ceilings, HOST, NOW).after


def cpu(before: float, ceilings: Ceilings = NONE, **labels: str) -> float:
    return plan_raised_limit(info(before, **labels), Resource.CPU, ceilings, HOST, NOW).after


def test_limit_is_raised_by_half_in_rounded_units():
    assert memory(64 * MIB, memory_max="1g") == 96 * MIB
    assert memory(33 * MIB, memory_max="1g") == 50 * MIB
    assert cpu(0.5, cpu_max="2") == 0.8
    assert cpu(0.2, cpu_max="2") == 0.3


def test_maximum_is_the_lowest_of_label_setting_and_host():
    assert memory(64 * MIB, Ceilings(memory=80 * MIB)) == 80 * MIB
    assert memory(64 * MIB, Ceilings(memory=80 * MIB), memory_max="70m") == 70 * MIB
    assert memory(64 * MIB, Ceilings(memory=80 * MIB), memory_max="1g") == 80 * MIB
    assert cpu(0.5, Ceilings(cpus=0.6), cpu_max="2") == 0.6
    assert memory(3000 * MIB, memory_max="64g") == HOST.memory
    assert cpu(1.9, Ceilings(cpus=64)) == 2.0


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (info(memory=None, memory_max="1g"), "has no memory limit"),
        (info(), "neither the label hemostat.scale.memory_max nor a setting"),
        (info(memory_max="64m"), "limit is 64.0 MiB, the ceiling 64.0 MiB"),
        (info(memory_max="32m"), "the ceiling 32.0 MiB"),
        (info(memory_max="lots"), "cannot be read: 'lots'"),
        (info(memory_max="0"), "neither"),
    ],
)
def test_nothing_is_raised_without_limit_or_maximum(found, why):
    with pytest.raises(NotApplicableError, match=why):
        plan_raised_limit(found, Resource.MEMORY, NONE, HOST, NOW)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "two", ""])
def test_invalid_maximum_is_ignored(text):
    with pytest.raises(NotApplicableError, match="cpu"):
        plan_raised_limit(info(cpu_max=text), Resource.CPU, NONE, HOST, NOW)


def test_scale_request_must_name_the_resource():
    assert scaling.parse_resource({"resource": "cpu"}) is Resource.CPU
    for parameters in ({}, {"resource": "disk"}, {"resource": True}):
        with pytest.raises(NotApplicableError, match="names no resource"):
            scaling.parse_resource(parameters)


def test_container_without_service_gets_no_replicas():
    with pytest.raises(NotApplicableError, match="to no service"):
        plan_raised_limit(info(), Resource.REPLICAS, NONE, HOST, NOW)


def replicas(count: int | None, **labels: str) -> RaisedLimit:
    return plan_more_replicas(info(**labels), Service(id="s1", name="shop", replicas=count), NOW)


def test_service_grows_by_half_within_its_labels():
    assert [replicas(count, max="5").after for count in (0, 1, 2, 3, 4)] == [1, 2, 3, 5, 5]
    assert replicas(1, min="4", max="5").after == 4


def test_service_labels_precede_container_labels():
    service = Service(id="s1", name="shop", replicas=2, labels={"hemostat.scale.max": "9"})
    assert plan_more_replicas(info(max="2"), service, NOW).after == 3


@pytest.mark.parametrize(
    ("count", "labels", "why"),
    [
        (2, {}, "no label hemostat.scale.max"),
        (2, {"max": "2"}, "has 2 replicas, the ceiling is 2"),
        (2, {"max": "many"}, "cannot be read: 'many'"),
        (None, {"max": "5"}, "once on every node"),
    ],
)
def test_service_at_its_maximum_is_unchanged(count, labels, why):
    with pytest.raises(NotApplicableError, match=why):
        replicas(count, **labels)


SHOP = composed()


@pytest.mark.parametrize(
    ("labels", "what", "company"),
    [
        ({}, Resource.REPLICAS, False),
        (SHOP, Resource.REPLICAS, True),
        (SHOP, Resource.CPU, False),
        ({**SHOP, "hemostat.scale.max": "3"}, Resource.CPU, True),
        ({**SHOP, "hemostat.scale.max": "3"}, Resource.MEMORY, False),
        ({"com.docker.swarm.service.id": "s1"}, Resource.CPU, True),
        ({"hemostat.scale.max": "3"}, Resource.CPU, False),
    ],
)
def test_replicas_are_added_by_request_or_label(labels, what, company):
    assert (
        scaling.should_add_replicas(Container(id="c1", name="web", labels=labels), what, TRUST_OWN) is company
    )


@pytest.mark.parametrize(
    "value", ["", "../events?since=1", "compose:shop/web", "S1", "a" * 65, "s1/x", "s1\n"]
)
def test_label_that_is_no_swarm_id_names_no_service(value):
    labels = {"com.docker.swarm.service.id": value}
    assert scaling.get_service_id(Container(id="c1", name="web", labels=labels), TRUST_COMPOSE) is None


def test_compose_service_is_identified_with_its_project():
    web = Container(id="c1", name="web", labels=SHOP)
    assert scaling.get_service_id(web, TRUST_COMPOSE) == "compose:shop/web"
    own = scaling.get_service_id(web, TRUST_OWN)
    assert own.startswith("compose:shop/web#")
    assert scaling.split_service_id(own) == ("shop", "web")
    assert all(scaling.is_member(web, service) for service in (own, "compose:shop/web"))


@pytest.mark.parametrize(
    "labels",
    [
        {"com.docker.compose.config-hash": "0" * 64},
        {"com.docker.compose.config-hash": ""},
        {"com.docker.compose.service": "web#"},
        {"com.docker.compose.project": "shop/web", "com.docker.compose.service": "x"},
    ],
)
def test_labels_set_by_hand_do_not_make_a_replica(labels):
    web = Container(id="c1", name="web", image="web:1", labels=SHOP)
    forged = Container(id="c2", name="evil", image="web:1", labels={**SHOP, **labels})
    other_image = Container(id="c3", name="evil", image="evil:1", labels=SHOP)
    service = scaling.get_service_id(web, TRUST_OWN)
    assert not scaling.is_member(forged, service)
    assert not scaling.is_member(other_image, service)


UP = RaisedLimit(container="c1", resource=Resource.MEMORY, before=100, after=150, time=NOW)


def test_limit_is_restored_after_calm_if_sufficient():
    assert should_restore_limit(UP, 150, 79, NOW + CALM_SECONDS)
    assert not should_restore_limit(UP, 150, 79, NOW + CALM_SECONDS - 1)
    assert not should_restore_limit(UP, 150, 80, NOW + CALM_SECONDS)
    assert not should_restore_limit(UP, 150, None, NOW + CALM_SECONDS)


def test_limit_changed_by_others_is_kept():
    assert not should_restore_limit(UP, 200, 10, NOW + CALM_SECONDS)
    assert not should_restore_limit(UP, None, 10, NOW + CALM_SECONDS)
    assert [is_still_raised(UP, current) for current in (150, 100, None)] == [True, False, False]


def test_replicas_stay_above_the_labels_minimum():
    up = RaisedLimit(container="c1", resource=Resource.REPLICAS, before=1, after=4, time=NOW, service="s1")
    assert compute_restored_limit(up, {"hemostat.scale.min": "2"}) == 2
    assert compute_restored_limit(up, {}) == 1
    assert compute_restored_limit(UP, {"hemostat.scale.min": "500"}) == 100


@given(before=st.integers(6 * MIB, 1 << 45), most=st.integers(1, 1 << 45))
def test_memory_is_raised_up_to_a_maximum_only(before, most):
    try:
        after = plan_raised_limit(
            info(memory=before), Resource.MEMORY, Ceilings(memory=most), HOST, NOW
        ).after
    except NotApplicableError:
        assert before >= min(most, HOST.memory)
    else:
        assert before < after <= min(most, HOST.memory, math.ceil(before * 1.5) + MIB)


def test_limits_are_formatted_readably():
    assert scaling.describe_raise(UP) == "memory 100 B → 150 B"
    assert (
        scaling.describe_raise(plan_raised_limit(info(cpu_max="2"), Resource.CPU, NONE, HOST, NOW))
        == "cpu 0.5 → 0.8"
    )
    assert scaling.describe_raise(replicas(2, max="9")) == "replicas 2 → 3"
