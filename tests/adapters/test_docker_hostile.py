"""Every field of the engine's answers by hostile values: no exception but one that costs that container,
no number that is not finite, no text that is long."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import msgspec
import pytest

from hemostat.adapters.docker_engine import DockerEngine, failures, parse
from hemostat.adapters.docker_engine.details import read_details
from hemostat.adapters.sampling.docker_stats import answer
from hemostat.core.remediation.stop_timeout import compute_stop_seconds
from hemostat.core.remediation.verify import compute_startup_seconds
from hemostat.errors import EngineError
from tests.fuzz.targets import HEARD, INSPECTED, LISTED, STATS, leaves
from tests.support.rule_proxy import Rule, RuleProxy, told

LONG = "9" * 5000
HOSTILE = [
    *(None, True, -1, 0, 2**31, 2**63, 10**400, -(10**400), 1e308, -1e308, -0.5),
    *("", LONG, "²", "٣", "\0", "\x1b[2J", "-1", "1e308", "inf", "nan", "x" * 8_000_000, "\x01" * 100_000),
    *([], {}, [[[[]]]], [None], {"a": {"b": {}}}, ["x" * 100_000] * 50, {str(n): LONG for n in range(5000)}),
    [{"Type": "bind", "Source": LONG, "Destination": LONG}] * 1000,
]
INFINITE = [math.inf, -math.inf, math.nan]
"""Not in JSON; a fake of the engine might give them."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(each, (*path, key))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def assert_is_bounded(found: Any, *, unknown_cpu: bool = False) -> None:
    for leaf in leaves(found):
        if isinstance(leaf, float):
            assert math.isfinite(leaf) or (unknown_cpu and math.isnan(leaf))
        if isinstance(leaf, int | float) and not math.isnan(leaf):
            assert abs(leaf) <= max(1e12, 2**53)
        assert not isinstance(leaf, str) or len(leaf) <= 8000
    assert len(msgspec.json.encode(found)) < 2 << 20


@pytest.mark.parametrize("path", list(places(INSPECTED)), ids=str)
def test_hostile_inspection_stays_within_bounds(path):
    for value in [*HOSTILE, *INFINITE]:
        document = with_value(INSPECTED, path, value)
        try:
            info = parse.parse_info(document)
        except failures.MALFORMED_ERRORS:
            pass
        else:
            assert_is_bounded(info)
            assert 0 <= compute_stop_seconds(info.ref, info, 120.0) <= 120
            assert 0 <= compute_startup_seconds(info) <= 3600
        with suppress(*failures.MALFORMED_ERRORS):
            assert_is_bounded(read_details(document))


@pytest.mark.parametrize("path", list(places(LISTED)), ids=str)
def test_hostile_list_stays_within_bounds(path):
    for value in [*HOSTILE, *INFINITE]:
        with suppress(*failures.MALFORMED_ERRORS):
            assert_is_bounded(parse.parse_row(with_value(LISTED, path, value)))


@pytest.mark.parametrize("path", list(places(STATS)), ids=str)
def test_hostile_stats_stay_within_bounds(path):
    for value in [*HOSTILE, *INFINITE]:
        try:
            sample = answer.parse_sample("c", with_value(STATS, path, value), 1.0)
        except answer.MALFORMED_ERRORS:
            continue
        assert_is_bounded(sample, unknown_cpu=True)


@pytest.mark.parametrize("path", list(places(HEARD)), ids=str)
def test_hostile_event_stays_within_bounds(path):
    for value in HOSTILE:
        raw = msgspec.json.encode(with_value(HEARD, path, value))
        try:
            event = parse.parse_event(parse.parse_line(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        assert event is None or event.time <= 1e12
        if event is not None:
            assert_is_bounded(event)


@pytest.mark.parametrize("label", ["containerExitCode", "podId", "name", "image", "exitCode", "Server"])
def test_label_does_not_identify_the_engine_as_podman(label):
    """The engine merges a container's labels into the attributes of its events."""
    heard = with_value(HEARD, ("Actor", "Attributes", label), "137")
    assert not parse.parse_event(parse.parse_line(msgspec.json.encode(heard))).podman


def test_deeply_nested_responses_are_malformed():
    for raw in (b'{"a":' * 100_000, b"[" * 100_000):
        with pytest.raises((msgspec.MsgspecError, RecursionError)):
            parse.parse_line(raw)
    assert RecursionError in failures.SDK_FAILURES


CALLS: dict[str, Callable[[DockerEngine], object]] = {
    "version": lambda engine: engine.version(),
    "list": lambda engine: engine.list_containers(),
    "inspect": lambda engine: engine.inspect("web"),
    "stats": lambda engine: engine.read_stats("web"),
    "logs": lambda engine: engine.logs("web"),
    "top": lambda engine: engine.top("web"),
    "exec": lambda engine: engine.exec("web", ["true"]),
    "update": lambda engine: engine.update("web", cpus=1.0),
    "restart": lambda engine: engine.restart("web"),
    "reclaim": lambda engine: engine.list_reclaimable(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("version", ["1.41", "1.41.0", "x", "", "1.41/../x", "1.41\r\nX: y", LONG])
def test_engine_that_answers_anything_costs_no_more_than_the_call(call, version):
    """A role must survive, and report it in one line."""
    rules = [Rule("GET /version", told({"ApiVersion": version})), Rule("", told({}))]
    with RuleProxy(None, *rules, upstream="") as proxy:
        error = find_error(lambda: connect_and(call, proxy.url))
    assert error.isprintable()
    assert len(error) < 1000


def find_error(work: Callable[[], object]) -> str:
    try:
        work()
    except EngineError as error:
        return str(error)
    return ""


def connect_and(call: Callable[[DockerEngine], object], url: str) -> None:
    with closing(DockerEngine.connect(url, 5.0)) as engine:
        call(engine)


@pytest.mark.parametrize("value", [10**400, -1, LONG, "\x1b[2J" + LONG, [[]], {"a": 1}, True, 1e308])
def test_properties_of_a_hostile_engine_stay_within_bounds(value):
    version = {"Version": value, "ApiVersion": "1.41"}
    info = dict.fromkeys(
        ("Name", "NCPU", "MemTotal", "DockerRootDir", "CgroupVersion", "CgroupDriver"), value
    )
    rules = [Rule("/version", told(version)), Rule("/info", told(info)), Rule("/containers", told([]))]
    with RuleProxy(None, *rules, upstream="") as proxy, closing(DockerEngine.connect(proxy.url)) as engine:
        read = engine.version()
    assert_is_bounded(read)
    assert all(isinstance(each, str) for each in (read.version, read.name, read.root, read.cgroup_version))
    assert 0 <= read.cpus <= 100_000
