"""Defines and parses every label that HemoStat reads. No other module parses labels.

Any user who creates a container writes its labels, so a value may have a typing mistake or any other content.
Each value is bounded in length and in range before it is used. `Label.read_from` returns None for a value
that cannot be read; `core.labels.mistakes` finds such values, and what they mean for the container.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from hemostat.core.bounds import UNREADABLE_CHARACTERS
from hemostat.core.labels.values import (
    MAX_NAMES,
    make_count_parser,
    make_duration_parser,
    parse_actions,
    parse_command,
    parse_cores,
    parse_cpu_action,
    parse_mode,
    parse_names,
    parse_paths,
    parse_percent,
    parse_probe,
    parse_truth,
)
from hemostat.core.text import quote_text
from hemostat.core.units import parse_size

T = TypeVar("T")

LABEL_PREFIX: Final = "hemostat."
MAX_WORD_CHARACTERS: Final = 64
MAX_LIST_CHARACTERS: Final = 4096
MAX_MARKER_CHARACTERS: Final = 256
"""Maximum characters of a value: MAX_WORD_CHARACTERS for a number or a word, MAX_LIST_CHARACTERS for a list
or a command, this for a marker that HemoStat sets."""
MAX_STOP_SECONDS: Final = 3600.0


class Label(NamedTuple, Generic[T]):
    """A label and its parser. `parse` takes the value without surrounding blanks and raises ValueError.
    `unit` of a number is duration, size or %. `is_marker`: HemoStat or its tests set the label, not users."""

    name: str
    parse: Callable[[str], T]
    help: str
    example: str = ""
    max_characters: int = MAX_WORD_CHARACTERS
    unit: str = ""
    is_marker: bool = False

    def read(self, text: str) -> T:
        """Return the parsed value. Raises ValueError."""
        if len(text) > self.max_characters:
            raise ValueError(f"its value is longer than {self.max_characters} characters")
        value = self.parse(text.strip())
        if UNREADABLE_CHARACTERS.search(text):
            raise ValueError(f"{quote_text(text)} contains a control character or an invalid character")
        return value

    def read_from(self, labels: Mapping[str, str]) -> T | None:
        """Return the parsed value on one container; None if the label is missing or cannot be read."""
        text = labels.get(self.name)
        if text is None:
            return None
        try:
            return self.read(text)
        except ValueError:
            return None


# --- the labels ---------------------------------------------------------------------------------------

ENABLE: Final = Label("hemostat.enable", parse_truth, "whether HemoStat watches the container", "false")
AUTOHEAL: Final = Label("autoheal", parse_truth, "docker-autoheal's: the same as hemostat.enable", "false")
PROTECT: Final = Label(
    "hemostat.protect", parse_truth, "watch the container, but run no action on it", "true"
)
KEEP: Final = Label(
    "hemostat.keep",
    parse_truth,
    "exclude it from cleanup of the host: a stopped container, an image or a volume",
    "true",
)
MODE: Final = Label(
    "hemostat.mode", parse_mode, "auto, approve (an operator decides) or dry-run (no action)", "approve"
)
ACTIONS: Final = Label(
    "hemostat.actions", parse_actions, "the only actions that run without an operator", "restart,cleanup"
)
CPU_ACTION: Final = Label(
    "hemostat.cpu.action",
    parse_cpu_action,
    "action for CPU that is high for its window: restart always, or none",
    "restart",
)
MIN_HEALTHY: Final = Label(
    "hemostat.min_healthy",
    make_count_parser(0),
    "number of other replicas that must be healthy before an action",
    "2",
)
STOP_TIMEOUT: Final = Label(
    "hemostat.stop_timeout",
    make_duration_parser(MAX_STOP_SECONDS),
    "time to wait for the container to stop in a restart, at most 1h",
    "30s",
    unit="duration",
)
AUTOHEAL_STOP_TIMEOUT: Final = Label(
    "autoheal.stop.timeout",
    make_duration_parser(MAX_STOP_SECONDS),
    "docker-autoheal's: the same as hemostat.stop_timeout",
    "30",
    unit="duration",
)
JOB: Final = Label(
    "hemostat.job",
    parse_truth,
    "a batch job: full CPU use is not a failure; a failed job is reported, not restarted",
    "true",
)
DEPENDS_ON: Final = Label(
    "hemostat.depends_on",
    parse_names,
    f"its dependencies: names of containers, or services of its compose project, at most {MAX_NAMES}",
    "db,cache",
    MAX_LIST_CHARACTERS,
)
PROBE: Final = Label(
    "hemostat.probe",
    parse_probe,
    "external probe, if the image has no health check; tcp://:5432 only connects",
    "http://:8080/health",
    MAX_LIST_CHARACTERS,
)
PROBE_START: Final = Label(
    "hemostat.probe.start_period",
    make_duration_parser(),
    "time for its start before probes count",
    "2m",
    unit="duration",
)
CLEANUP: Final = Label(
    "hemostat.cleanup.paths",
    parse_paths,
    "directories that a cleanup may empty",
    "/var/cache/app",
    MAX_LIST_CHARACTERS,
)
EXEC: Final = Label(
    "hemostat.exec",
    parse_command,
    "the command that may run in the container, without a shell",
    "rabbitmqctl sync_queue jobs",
    MAX_LIST_CHARACTERS,
)
MEMORY_MAX: Final = Label(
    "hemostat.scale.memory_max", parse_size, "ceiling for raising its memory limit", "1GiB", unit="size"
)
CPU_MAX: Final = Label(
    "hemostat.scale.cpu_max", parse_cores, "ceiling for raising its CPU limit, in cores", "2"
)
REPLICAS_MIN: Final = Label(
    "hemostat.scale.min", make_count_parser(0), "minimum number of replicas of its service", "2"
)
REPLICAS_MAX: Final = Label(
    "hemostat.scale.max", make_count_parser(0), "maximum number of replicas of its service", "6"
)


def _define_threshold(
    name: str, parse: Callable[[str], T], description: str, example: str, unit: str = ""
) -> Label[T]:
    return Label(f"{LABEL_PREFIX}{name}", parse, description, example, unit=unit)


THRESHOLDS: Final[tuple[Label[Any], ...]] = (
    _define_threshold("cpu", parse_percent, "threshold in percent of the CPU limit, or off", "95", "%"),
    _define_threshold(
        "throttled",
        parse_percent,
        "threshold in percent of throttled periods",
        "off",
        "%",
    ),
    _define_threshold("memory", parse_percent, "threshold in percent of the memory limit", "90", "%"),
    _define_threshold("pids", parse_percent, "threshold in percent of the limit of processes", "80", "%"),
    _define_threshold("fds", parse_percent, "threshold in percent of the limit of open files", "80", "%"),
    _define_threshold(
        "window", make_duration_parser(), "time for which a threshold must be exceeded", "30s", "duration"
    ),
    _define_threshold(
        "settle",
        make_duration_parser(),
        "time that it must run before a crash has ended",
        "1m",
        "duration",
    ),
    _define_threshold(
        "loop_deaths", make_count_parser(1), "number of exits within loop_window that make a crash loop", "5"
    ),
    _define_threshold("loop_window", make_duration_parser(), "see loop_deaths", "10m", "duration"),
    _define_threshold(
        "unhealthy_for",
        make_duration_parser(),
        "time for which its health check must fail",
        "20s",
        "duration",
    ),
    _define_threshold(
        "flap_changes",
        make_count_parser(1),
        "number of health changes within flap_window that are flapping",
        "10",
    ),
    _define_threshold("flap_window", make_duration_parser(), "see flap_changes", "10m", "duration"),
    _define_threshold(
        "leak_window",
        make_duration_parser(),
        "time for which memory must grow to be a leak",
        "10m",
        "duration",
    ),
    _define_threshold(
        "leak_horizon",
        make_duration_parser(),
        "remaining time until full at which a leak is reported",
        "1h",
        "duration",
    ),
    _define_threshold("disk", parse_size, "threshold for the size of its writable layer", "2GiB", "size"),
    _define_threshold("log", parse_size, "threshold for the size of its json-file log", "1GiB", "size"),
    _define_threshold("probe_failures", make_count_parser(1), "number of consecutive failed probes", "5"),
    _define_threshold(
        "baseline", parse_truth, "whether the container's usual load raises its thresholds", "true"
    ),
)
"""Labels for settings of the table `monitor`, which a compose project's table may set too."""


def _define_marker(name: str, description: str) -> Label[str]:
    return Label(
        f"{LABEL_PREFIX}{name}", str, description, max_characters=MAX_MARKER_CHARACTERS, is_marker=True
    )


REPLICA: Final = _define_marker("replica", "a replica of a compose service, created by HemoStat")
DEMO: Final = _define_marker("demo", "a container of `hemostat demo`")
DEMO_OWNER: Final = _define_marker("demo.owner", "the process that runs the demo")
TEST_MARKERS: Final = tuple(
    _define_marker(name, "a container of HemoStat's tests")
    for name in ("test", "batch", "scenario", "faults", "bench", "bench.healed", "bench.floor")
)

_LABELS_BEFORE_THRESHOLDS: Final[list[Label[Any]]] = [
    ENABLE,
    AUTOHEAL,
    PROTECT,
    ACTIONS,
    MODE,
    JOB,
    DEPENDS_ON,
]
_LABELS_AFTER_THRESHOLDS: Final[list[Label[Any]]] = [
    *(CPU_ACTION, PROBE, PROBE_START, STOP_TIMEOUT, AUTOHEAL_STOP_TIMEOUT, MIN_HEALTHY),
    *(EXEC, CLEANUP, KEEP, MEMORY_MAX, CPU_MAX, REPLICAS_MIN, REPLICAS_MAX),
]
_MARKERS: Final[list[Label[Any]]] = [REPLICA, DEMO, DEMO_OWNER, *TEST_MARKERS]
LABELS: Final[Mapping[str, Label[Any]]] = {
    label.name: label
    for label in [*_LABELS_BEFORE_THRESHOLDS, *THRESHOLDS, *_LABELS_AFTER_THRESHOLDS, *_MARKERS]
}
"""All labels by name, in the order in which they are shown to users."""


COMMAND_LABELS: Final = frozenset({EXEC.name, PROBE.name})
"""Labels whose values name a command or an address to call, and may hold a secret."""


def is_enabled(labels: Mapping[str, str]) -> bool:
    """Return whether HemoStat watches the container. A label that cannot be read does not opt out."""
    return (ENABLE if ENABLE.name in labels else AUTOHEAL).read_from(labels) is not False


def read_stop_timeout(labels: Mapping[str, str]) -> float | None:
    """Return the stop timeout in seconds; None if no label sets one, or it cannot be read."""
    return (STOP_TIMEOUT if STOP_TIMEOUT.name in labels else AUTOHEAL_STOP_TIMEOUT).read_from(labels)
