"""A container as events may name it: what a label lets us run or call may hold a secret, and so may a label
that is unknown."""

from functools import lru_cache
from typing import Final

import msgspec

from hemostat.core.labels import COMMANDS, LABELS
from hemostat.core.redact import redact
from hemostat.events import Container

COMPOSE: Final = "com.docker."


def veiled(ref: Container) -> Container:
    """For telling alone: what is run is read from the engine."""
    masked = {name: _masked(text) for name, text in ref.labels.items() if _may_hold_a_secret(name)}
    return msgspec.structs.replace(ref, labels={**ref.labels, **masked}) if masked else ref


def _may_hold_a_secret(name: str) -> bool:
    return name in COMMANDS or (name not in LABELS and not name.startswith(COMPOSE))


@lru_cache(maxsize=1024)
def _masked(text: str) -> str:
    return redact(text)
