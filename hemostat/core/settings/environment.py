"""Environment variables with HemoStat's prefix that are not settings: other software's, or mistyped names."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

import msgspec

SERVICE_LINK_SUFFIX: Final = re.compile(
    r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$|_ENV_\w+$|_NAME$"
)
"""Variables that Kubernetes and Docker links set for a service or container whose name begins with the
prefix."""
DEPLOYMENT_SUFFIX: Final = re.compile(r"_(IMAGE|VERSION|TAG|DIGEST|REPLICAS|REGISTRY)$")
"""Variables that people set for a Compose file or a chart."""
MIN_NEAR_RATIO: Final = 0.6
MIN_MISTYPED_RATIO: Final = 0.85
"""Similarity of two names, from 0 to 1: above the first, one may be meant by the other; above the second, it
is a slip."""


class UnknownVariable(msgspec.Struct, frozen=True):
    name: str
    nearest: str = ""
    """The closest variable of a setting; empty if none is similar."""
    mistyped: bool = False
    """Whether the name is a setting's with a slip."""

    @classmethod
    def classify(cls, name: str, known_names: Iterable[str]) -> "UnknownVariable":
        if SERVICE_LINK_SUFFIX.search(name) or DEPLOYMENT_SUFFIX.search(name):
            return cls(name)
        near = _find_closest(name, list(known_names), MIN_NEAR_RATIO)
        return cls(name, near, bool(near) and _measure_likeness(name, near) >= MIN_MISTYPED_RATIO)

    def __str__(self) -> str:
        return f"{self.name} (did you mean {self.nearest}?)" if self.nearest else self.name


def describe_unknown(unknown: Iterable[UnknownVariable]) -> str:
    """One line with the variables' names; empty without any."""
    names = ", ".join(map(str, unknown))
    return f"ignored, because no such setting exists: {names}" if names else ""


def suggest_nearest(name: str, candidates: Iterable[str]) -> str:
    """A question with the closest of the words; empty if none is close."""
    near = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def _find_closest(name: str, known_names: list[str], cutoff: float) -> str:
    bare = {_strip_prefix(each): each for each in known_names}
    near = difflib.get_close_matches(_strip_prefix(name), list(bare), n=1, cutoff=cutoff)
    return bare[near[0]] if near else ""


def _measure_likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _strip_prefix(one), _strip_prefix(other)).ratio()


def _strip_prefix(name: str) -> str:
    """The name without the prefix, which would make all names similar, and with single underscores."""
    return re.sub(r"_+", "_", name.removeprefix("HEMOSTAT_"))
