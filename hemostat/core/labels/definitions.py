"""Every label that HemoStat reads, and the one place where labels are parsed.

Labels are written by whoever makes a container, so a value may hold a typing mistake, or anything at all:
each is bounded in length and in range before it is used. `Label.of` returns None for a value that cannot be
read; `core.labels.mistakes` finds such values, and what they mean for the container.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from hemostat.core.bounds import UNREADABLE
from hemostat.core.labels.values import (
    MAX_NAMES,
    actions,
    command,
    cores,
    count,
    duration,
    mode,
    names,
    paths,
    percent,
    probe,
    restart_or_none,
    truth,
)
from hemostat.core.text import quoted
from hemostat.core.units import size

T = TypeVar("T")

PREFIX: Final = "hemostat."
SHORT: Final = 64
LONG: Final = 4096
MARKED: Final = 256
"""Characters of a value: of a number or a word, of a list or a command, of a mark that HemoStat sets."""
MAX_STOP_SECONDS: Final = 3600.0


class Label(NamedTuple, Generic[T]):
    """`parse` takes the value without blanks around it, and raises ValueError. `unit` is duration, size or %,
    of a number. `marker`: the label is set by HemoStat or its tests, not by people."""

    name: str
    parse: Callable[[str], T]
    help: str
    example: str = ""
    longest: int = SHORT
    unit: str = ""
    marker: bool = False

    def read(self, text: str) -> T:
        """Raises ValueError."""
        if len(text) > self.longest:
            raise ValueError(f"its value is longer than {self.longest} characters")
        value = self.parse(text.strip())
        if UNREADABLE.search(text):
            raise ValueError(f"{quoted(text)} contains a control character or an unreadable one")
        return value

    def of(self, labels: Mapping[str, str]) -> T | None:
        """What it says on one container; None where the label is missing or cannot be read."""
        text = labels.get(self.name)
        if text is None:
            return None
        try:
            return self.read(text)
        except ValueError:
            return None


# --- the labels ---------------------------------------------------------------------------------------

ENABLE: Final = Label("hemostat.enable", truth, "whether HemoStat watches the container", "false")
AUTOHEAL: Final = Label("autoheal", truth, "docker-autoheal's: the same as hemostat.enable", "false")
PROTECT: Final = Label("hemostat.protect", truth, "watched, and never acted on", "true")
KEEP: Final = Label(
    "hemostat.keep",
    truth,
    "not deleted by a cleanup of the host: a stopped container, an image, a volume",
    "true",
)
MODE: Final = Label(
    "hemostat.mode", mode, "auto, approve (a person decides) or dry-run (nothing is done)", "approve"
)
ACTIONS: Final = Label(
    "hemostat.actions", actions, "the only actions that are done without a person", "restart,cleanup"
)
CPU_ACTION: Final = Label(
    "hemostat.cpu.action",
    restart_or_none,
    "what is done about CPU that is high for its window: restart in any case, or none",
    "restart",
)
MIN_HEALTHY: Final = Label(
    "hemostat.min_healthy",
    count(0),
    "how many other replicas of its service must be healthy before it is acted on",
    "2",
)
STOP_TIMEOUT: Final = Label(
    "hemostat.stop_timeout",
    duration(MAX_STOP_SECONDS),
    "how long a restart waits for the container to stop, at most 1h",
    "30s",
    unit="duration",
)
AUTOHEAL_STOP_TIMEOUT: Final = Label(
    "autoheal.stop.timeout",
    duration(MAX_STOP_SECONDS),
    "docker-autoheal's: the same as hemostat.stop_timeout",
    "30",
    unit="duration",
)
JOB: Final = Label(
    "hemostat.job",
    truth,
    "a batch job: using all of its CPU is no fault, and a failed one is told, not run again",
    "true",
)
DEPENDS_ON: Final = Label(
    "hemostat.depends_on",
    names,
    f"what the container needs: containers by name, or services of its compose project, at most {MAX_NAMES}",
    "db,cache",
    LONG,
)
PROBE: Final = Label(
    "hemostat.probe",
    probe,
    "probed from outside, where the image has no health check; tcp://:5432 only connects",
    "http://:8080/health",
    LONG,
)
PROBE_START: Final = Label(
    "hemostat.probe.start_period",
    duration(),
    "how long its start may take before probes count",
    "2m",
    unit="duration",
)
CLEANUP: Final = Label(
    "hemostat.cleanup.paths", paths, "directories that a cleanup may empty", "/var/cache/app", LONG
)
EXEC: Final = Label(
    "hemostat.exec",
    command,
    "the command that may be run in the container; its words, no shell",
    "rabbitmqctl sync_queue jobs",
    LONG,
)
MEMORY_MAX: Final = Label(
    "hemostat.scale.memory_max", size, "how far its memory limit may be raised", "1GiB", unit="size"
)
CPU_MAX: Final = Label("hemostat.scale.cpu_max", cores, "how far its CPU limit may be raised, in cores", "2")
REPLICAS_MIN: Final = Label("hemostat.scale.min", count(0), "the fewest replicas of its service", "2")
REPLICAS_MAX: Final = Label("hemostat.scale.max", count(0), "the most replicas of its service", "6")


def _threshold(name: str, parse: Callable[[str], T], about: str, example: str, unit: str = "") -> Label[T]:
    return Label(f"{PREFIX}{name}", parse, about, example, unit=unit)


THRESHOLDS: Final[tuple[Label[Any], ...]] = (
    _threshold("cpu", percent, "percent of the CPU limit that is too much; off for never", "95", "%"),
    _threshold(
        "throttled", percent, "percent of the periods in which its CPU limit may hold it back", "off", "%"
    ),
    _threshold("memory", percent, "percent of the memory limit that is too much", "90", "%"),
    _threshold("pids", percent, "percent of the limit of processes that is too much", "80", "%"),
    _threshold("fds", percent, "percent of the limit of open files that is too much", "80", "%"),
    _threshold("window", duration(), "how long a threshold must be exceeded", "30s", "duration"),
    _threshold("settle", duration(), "how long it must run again before a crash is over", "1m", "duration"),
    _threshold("loop_deaths", count(1), "deaths within loop_window that make a crash loop", "5"),
    _threshold("loop_window", duration(), "see loop_deaths", "10m", "duration"),
    _threshold("unhealthy_for", duration(), "how long its health check must fail", "20s", "duration"),
    _threshold("flap_changes", count(1), "changes of health within flap_window that are flapping", "10"),
    _threshold("flap_window", duration(), "see flap_changes", "10m", "duration"),
    _threshold("leak_window", duration(), "how long memory must rise to be a leak", "10m", "duration"),
    _threshold(
        "leak_horizon", duration(), "a leak is told when the limit is as near as this", "1h", "duration"
    ),
    _threshold("disk", size, "size of its writable layer that is too much", "2GiB", "size"),
    _threshold("log", size, "size of its json-file log that is too much", "1GiB", "size"),
    _threshold("probe_failures", count(1), "probes in a row that must fail", "5"),
    _threshold("baseline", truth, "whether the container's own habit raises its thresholds", "true"),
)
"""Those that stand for a setting of the table `monitor`, which a compose project's table may set too."""


def _marker(name: str, about: str) -> Label[str]:
    return Label(f"{PREFIX}{name}", str, about, longest=MARKED, marker=True)


REPLICA: Final = _marker("replica", "a replica of a compose service that HemoStat made")
DEMO: Final = _marker("demo", "a container of `hemostat demo`")
DEMO_OWNER: Final = _marker("demo.owner", "the process that plays the demo")
TEST_MARKERS: Final = tuple(
    _marker(name, "a container of HemoStat's own tests")
    for name in ("test", "batch", "scenario", "faults", "bench", "bench.healed", "bench.floor")
)

_BEFORE: Final[list[Label[Any]]] = [ENABLE, AUTOHEAL, PROTECT, ACTIONS, MODE, JOB, DEPENDS_ON]
_AFTER: Final[list[Label[Any]]] = [
    *(CPU_ACTION, PROBE, PROBE_START, STOP_TIMEOUT, AUTOHEAL_STOP_TIMEOUT, MIN_HEALTHY),
    *(EXEC, CLEANUP, KEEP, MEMORY_MAX, CPU_MAX, REPLICAS_MIN, REPLICAS_MAX),
]
_MARKERS: Final[list[Label[Any]]] = [REPLICA, DEMO, DEMO_OWNER, *TEST_MARKERS]
LABELS: Final[Mapping[str, Label[Any]]] = {
    label.name: label for label in [*_BEFORE, *THRESHOLDS, *_AFTER, *_MARKERS]
}
"""All of them by name, in the order in which people are shown them."""


COMMANDS: Final = frozenset({EXEC.name, PROBE.name})
"""Labels whose values say what is run or called, and may hold a secret."""


def own_group(selector: str) -> str:
    """The name of the label that selects the containers to watch (`monitor.only`), where it looks like one of
    HemoStat's and is the operator's own; else empty."""
    name = selector.partition("=")[0]
    return name if name.startswith(PREFIX) and name not in LABELS else ""


def is_enabled(labels: Mapping[str, str]) -> bool:
    """Whether HemoStat watches: a label that cannot be read opts out of nothing."""
    return (ENABLE if ENABLE.name in labels else AUTOHEAL).of(labels) is not False


def stop_timeout(labels: Mapping[str, str]) -> float | None:
    """Seconds; None where no label says so, or cannot be read."""
    return (STOP_TIMEOUT if STOP_TIMEOUT.name in labels else AUTOHEAL_STOP_TIMEOUT).of(labels)
