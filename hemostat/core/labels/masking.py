"""A container as events may name it: what a label lets us run or call may hold a secret, and so may a value
that was written behind the wrong label, or a label that is unknown."""

from functools import lru_cache
from typing import Final

import msgspec

from hemostat.core.labels.container_ref import MAX_UNKNOWN_CHARACTERS
from hemostat.core.labels.definitions import LABELS
from hemostat.core.labels.mistakes import TOO_LONG
from hemostat.core.redact import redact_environment
from hemostat.events import Container

COMPOSE: Final = "com.docker."


def veiled(ref: Container) -> Container:
    """For telling alone: what is run is read from the engine."""
    masked = {name: _masked(name, text) for name, text in ref.labels.items() if not name.startswith(COMPOSE)}
    return msgspec.structs.replace(ref, labels={**ref.labels, **masked}) if masked else ref


@lru_cache(maxsize=1024)
def _masked(name: str, text: str) -> str:
    """Of a value that was cut, a secret may have lost what it is known by: it goes whole."""
    longest = LABELS[name].longest if name in LABELS else MAX_UNKNOWN_CHARACTERS - 1
    return TOO_LONG if len(text) > longest else redact_environment({name: text})[name]
