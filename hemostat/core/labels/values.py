"""Parses the values of labels. Each parser takes untrusted text and returns a bounded value.

A parser takes the value without surrounding blanks and raises ValueError for everything else: no number is
infinite or out of range, no list is longer than its bound.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final, Literal, NamedTuple

from hemostat.core import units
from hemostat.core.text import quote_text
from hemostat.events import Action

Mode = Literal["auto", "approve", "dry-run"]
"""Whether an action is run at once, after an approval, or not at all."""

TRUE_WORDS: Final = frozenset({"true", "yes", "1", "on"})
FALSE_WORDS: Final = frozenset({"false", "no", "0", "off"})
OFF_THRESHOLD: Final = float("inf")
"""The threshold for the value `off`."""

MAX_SECONDS: Final = 30 * 86400.0
MAX_PERCENT: Final = 1e5
MAX_COUNT: Final = 10_000
MAX_CORES: Final = 10_000.0
MAX_NAMES: Final = 20
MAX_NAME_CHARACTERS: Final = 255
MAX_PATHS: Final = 50

SYSTEM_DIRECTORIES: Final = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run"}
    | {"/sbin", "/srv", "/sys", "/usr", "/var", "/var/lib"}
)
"""Directories that a cleanup never empties, regardless of labels."""


class ProbeTarget(NamedTuple):
    """Where a container asks to be probed. `scheme` is http, https or tcp. `path`, for http and https, begins
    with a slash."""

    scheme: str
    port: int
    path: str = "/"

    def __str__(self) -> str:
        path = "" if self.scheme == "tcp" else self.path
        return f"{self.scheme}://:{self.port}{path}"


def parse_truth(text: str) -> bool:
    if text.lower() not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(f"{quote_text(text)} is neither true nor false")
    return text.lower() in TRUE_WORDS


def parse_percent(text: str) -> float:
    """Return the percentage of `90` or `90%`, or OFF_THRESHOLD for `off`."""
    if text.lower() == "off":
        return OFF_THRESHOLD
    value = _parse_number(text.removesuffix("%"))
    if value is None or not 0 < value <= MAX_PERCENT:
        raise ValueError(f"{quote_text(text)} is not a percentage such as 90, nor off")
    return value


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def make_count_parser(least: int, most: int = MAX_COUNT) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1
        if not least <= value <= most:
            raise ValueError(f"{quote_text(text)} is not a whole number from {least} to {most}")
        return value

    return parse


def make_duration_parser(most: float = MAX_SECONDS) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = units.parse_duration(text)
        if value > most:
            raise ValueError(f"{quote_text(text)} is longer than {most / 3600:g}h")
        return value

    return parse


def parse_cores(text: str) -> float:
    value = _parse_number(text)
    if value is None or not 0 <= value <= MAX_CORES:
        raise ValueError(f"{quote_text(text)} is not a number of cores such as 2 or 0.5")
    return value


def parse_mode(text: str) -> Mode:
    modes: dict[str, Mode] = {"auto": "auto", "approve": "approve", "dry-run": "dry-run"}
    if text.lower() not in modes:
        raise ValueError(f"{quote_text(text)} is not one of {', '.join(modes)}")
    return modes[text.lower()]


def parse_cpu_action(text: str) -> Action:
    if text.lower() not in {Action.RESTART, Action.NONE}:
        raise ValueError(f"{quote_text(text)} is neither restart nor none")
    return Action(text.lower())


def parse_actions(text: str) -> frozenset[Action]:
    """Return the actions. Action.NONE among them allows no action."""
    actions = set()
    for word in _split_words(text):
        if word.lower() not in set(Action):
            raise ValueError(f"{quote_text(word)} is not one of {', '.join(Action)}")
        actions.add(Action(word.lower()))
    return frozenset(actions)


def _split_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def parse_names(text: str) -> tuple[str, ...]:
    names = tuple(_split_words(text))
    if len(names) > MAX_NAMES or any(len(name) > MAX_NAME_CHARACTERS for name in names):
        raise ValueError(f"{quote_text(text)} is not a list of at most {MAX_NAMES} names")
    return names


def parse_paths(text: str) -> tuple[str, ...]:
    paths = tuple(map(_parse_path, _split_words(text)))
    if not 0 < len(paths) <= MAX_PATHS:
        raise ValueError(f"{quote_text(text)} is not a list of 1 to {MAX_PATHS} directories")
    return paths


def _parse_path(text: str) -> str:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or text.startswith("//"):
        raise ValueError(f"{quote_text(text)} is not an absolute path without ..")
    if str(path) in SYSTEM_DIRECTORIES:
        raise ValueError(f"{quote_text(text)} is a directory that must not be emptied")
    return str(path)


def parse_command(text: str) -> tuple[str, ...]:
    """Return the words, split as by a shell."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{quote_text(text)} is not a command: {error}") from None
    if not words:
        raise ValueError("the command is empty")
    return words


_PROBE_PATTERN: Final = re.compile(r"(http|https|tcp)://(?::([0-9]{1,5}))?(/[!-~]*)?", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "tcp": 0}


def parse_probe(text: str) -> ProbeTarget:
    """Return the target of a probe. A value with a host is refused, because a label must not make HemoStat
    call anything but its own container."""
    match = _PROBE_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{quote_text(text)} is not a probe such as http://:8080/health or tcp://:5432, without a host"
        )
    scheme = match[1].lower()
    port = int(match[2] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:  # noqa: PLR2004
        raise ValueError(f"{quote_text(text)} has no port from 1 to 65535")
    if scheme == "tcp" and match[3] not in {None, "/"}:
        raise ValueError(f"{quote_text(text)} has a path, which TCP does not support")
    return ProbeTarget(scheme, port, match[3] or "/")
