"""Environment variables that bear our prefix and are no settings: somebody else's, or a mistyped name."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

import msgspec

SERVICE_LINK_SUFFIX: Final = re.compile(
    r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$|_ENV_\w+$|_NAME$"
)
"""What Kubernetes and Docker's links set for a service or container whose name begins like ours."""
DEPLOYMENT_SUFFIX: Final = re.compile(r"_(IMAGE|VERSION|TAG|DIGEST|REPLICAS|REGISTRY)$")
"""What people set for a compose file or a chart."""
MIN_NEAR_RATIO: Final = 0.6
MIN_MISTYPED_RATIO: Final = 0.85
"""Likeness of two names, from 0 to 1: so much, and the one may be meant by the other; and is meant."""


class UnknownVariable(msgspec.Struct, frozen=True):
    name: str
    nearest: str = ""
    """The variable of a setting; empty: none is like it."""
    mistyped: bool = False
    """Whether it is a setting's name but for a slip."""

    @classmethod
    def of(cls, name: str, known: Iterable[str]) -> "UnknownVariable":
        if SERVICE_LINK_SUFFIX.search(name) or DEPLOYMENT_SUFFIX.search(name):
            return cls(name)
        near = _find_closest(name, list(known), MIN_NEAR_RATIO)
        return cls(name, near, bool(near) and _measure_likeness(name, near) >= MIN_MISTYPED_RATIO)

    def __str__(self) -> str:
        return f"{self.name} (did you mean {self.nearest}?)" if self.nearest else self.name


def describe_unknown(unknown: Iterable[UnknownVariable]) -> str:
    """One line that names them; empty for none."""
    names = ", ".join(map(str, unknown))
    return f"ignored, because HemoStat has no such setting: {names}" if names else ""


def suggest_nearest(word: str, words: Iterable[str]) -> str:
    """A question that names the nearest of the words; empty where none is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def _find_closest(name: str, known: list[str], cutoff: float) -> str:
    bare = {_strip_prefix(each): each for each in known}
    near = difflib.get_close_matches(_strip_prefix(name), list(bare), n=1, cutoff=cutoff)
    return bare[near[0]] if near else ""


def _measure_likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _strip_prefix(one), _strip_prefix(other)).ratio()


def _strip_prefix(name: str) -> str:
    """Without the prefix, which would make all alike, and with one underscore between words."""
    return re.sub(r"_+", "_", name.removeprefix("HEMOSTAT_"))
