"""Masks the labels of a container for events.

A label that names a command or an address to call may hold a secret. So may a value written to the wrong
label, and an unknown label.
"""

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
    """Return the container with masked labels, for events only. Commands to run are read from the engine."""
    masked = {name: _masked(name, text) for name, text in ref.labels.items() if not name.startswith(COMPOSE)}
    return msgspec.structs.replace(ref, labels={**ref.labels, **masked}) if masked else ref


@lru_cache(maxsize=1024)
def _masked(name: str, text: str) -> str:
    """Return the masked value. A secret in a value that was cut may no longer be recognizable, so such a
    value is masked whole."""
    longest = LABELS[name].max_characters if name in LABELS else MAX_UNKNOWN_CHARACTERS - 1
    return TOO_LONG if len(text) > longest else redact_environment({name: text})[name]
