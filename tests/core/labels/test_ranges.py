"""The range of each label: the last value that is valid at either end, and the first beyond it."""

import math

import pytest

from hemostat.core.labels.definitions import LABELS, THRESHOLDS
from hemostat.events import Action

PERCENT = {"0.01": 0.01, "100000%": 100_000.0, "OFF": math.inf}, ["0", "-1", "100000.1", "90%%", "nan"]
COUNT = {"0": 0, "10000": 10_000}, ["-1", "10001", "1.0"]
POSITIVE_COUNT = {"1": 1, "10000": 10_000}, ["0", "10001"]
DURATION = {"0": 0.0, "30d": 2_592_000.0}, ["-1s", "2592001s"]
STOP_TIMEOUT = {"0s": 0.0, "1h": 3600.0}, ["3601s"]
SIZE = {"0": 0, "1152921504606846976": 1 << 60}, ["-1", "1152921504606847232"]
TRUTH = {"Yes": True, "on": True, "1": True, "NO": False, "off": False, "0": False}, ["", "2", "truth"]
RANGES = {
    **dict.fromkeys(("enable", "protect", "keep", "job", "baseline"), TRUTH),
    **dict.fromkeys(("cpu", "throttled", "memory", "pids", "fds"), PERCENT),
    **dict.fromkeys(("min_healthy", "scale.min", "scale.max"), COUNT),
    **dict.fromkeys(("loop_deaths", "flap_changes", "probe_failures"), POSITIVE_COUNT),
    **dict.fromkeys(("window", "settle", "loop_window", "unhealthy_for", "flap_window"), DURATION),
    **dict.fromkeys(("leak_window", "leak_horizon", "probe.start_period"), DURATION),
    **dict.fromkeys(("disk", "log", "scale.memory_max"), SIZE),
    "stop_timeout": STOP_TIMEOUT,
    "scale.cpu_max": ({"0": 0.0, "10000": 10_000.0}, ["-0.1", "10000.1", "two"]),
    "cpu.action": ({"Restart": Action.RESTART, "none": Action.NONE}, ["stop", ""]),
    "mode": ({"Auto": "auto", "APPROVE": "approve", "dry-run": "dry-run"}, ["dry run", ""]),
    "depends_on": (
        {"": (), ",".join("n" * 20): ("n",) * 20, "n" * 255: ("n" * 255,)},
        [",".join("n" * 21), "n" * 256],
    ),
    "cleanup.paths": (
        {",".join(f"/a/{number}" for number in range(50)): tuple(f"/a/{number}" for number in range(50))},
        [",".join(f"/a/{number}" for number in range(51)), "", "a", "/a/../b", "//a", "/var", "/var/"],
    ),
    "exec": ({"x" * 4096: ("x" * 4096,), "a 'b c'": ("a", "b c")}, ["x" * 4097, "", "a 'b"]),
    "probe": (
        {
            "http://": ("http", 80, "/"),
            "HTTPS:///ready": ("https", 443, "/ready"),
            "tcp://:1/": ("tcp", 1, "/"),
            "tcp://:65535": ("tcp", 65_535, "/"),
        },
        ["tcp://", "http://:0", "tcp://:65536", "tcp://:80/x", "http://host:80", "ftp://:21", "http://:80x"],
    ),
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [(name, text, value) for name, (valid, _) in RANGES.items() for text, value in valid.items()],
)
def test_value_within_the_range_of_its_label_is_read(name, text, value):
    found = LABELS[f"hemostat.{name}"].read(text)
    assert (found, type(found) is bool) == (value, type(value) is bool)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, (_, invalid) in RANGES.items() for text in invalid]
)
def test_value_beyond_the_range_of_its_label_is_refused(name, text):
    with pytest.raises(ValueError, match=r".+"):
        LABELS[f"hemostat.{name}"].read(text)


def test_label_of_every_threshold_has_a_range():
    assert {each.name.removeprefix("hemostat.") for each in THRESHOLDS} <= set(RANGES)


@pytest.mark.parametrize(
    ("name", "length"),
    [("hemostat.cpu", 64), ("autoheal.stop.timeout", 64), ("hemostat.depends_on", 4096)],
)
def test_longest_value_of_a_label_is_read(name, length):
    assert LABELS[name].read("5".ljust(length)) in (5.0, ("5",))
    with pytest.raises(ValueError, match=f"longer than {length} characters"):
        LABELS[name].read("5".ljust(length + 1))


def test_marker_is_any_text_up_to_its_length():
    assert LABELS["hemostat.replica"].read("x" * 256) == "x" * 256
    with pytest.raises(ValueError, match="longer than 256 characters"):
        LABELS["hemostat.demo.owner"].read("x" * 257)
    assert all(label.is_marker is not bool(label.example) for label in LABELS.values())


def test_unit_of_a_label_is_from_its_parser():
    for name, (valid, _) in RANGES.items():
        unit = LABELS[f"hemostat.{name}"].unit
        assert (unit == "%") is (valid is PERCENT[0])
        assert (unit == "duration") is (valid is DURATION[0] or valid is STOP_TIMEOUT[0])
        assert (unit == "size") is (valid is SIZE[0])
