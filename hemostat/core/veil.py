"""A container as events may name it: what a label lets us run or call may hold a secret."""

from functools import lru_cache
from typing import Final

import msgspec

from hemostat.core.redact import redact
from hemostat.events import Container

COMMANDS: Final = frozenset({"hemostat.exec", "hemostat.probe"})


def veiled(ref: Container) -> Container:
    """For telling alone: what is run is read from the engine."""
    masked = {name: _masked(ref.labels[name]) for name in COMMANDS & ref.labels.keys()}
    return msgspec.structs.replace(ref, labels={**ref.labels, **masked}) if masked else ref


@lru_cache(maxsize=1024)
def _masked(text: str) -> str:
    return redact(text)
