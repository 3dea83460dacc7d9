"""Reads the text files that users provide: configuration, passwords, eval cases."""

import os
import stat
from pathlib import Path
from typing import Final

from hemostat.core.text import decode_text
from hemostat.errors import ConfigError

MAX_BYTES: Final = 16 * 1024 * 1024
MIN_KEY_BYTES: Final = 16


def read_text_file(path: Path, what: str = "") -> str:
    """Return the text of the file, with line feeds as line ends. `what` names the setting, if the path is the
    value of one. Raises ConfigError for a path that cannot be read, is not a file, or is not UTF-8."""
    name = f"{what}: {path}" if what else str(path)
    try:
        return decode_text(_read_bytes(path)).replace("\r\n", "\n")
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


def read_secret_file(path: Path, what: str) -> str | None:
    """Return the first line without surrounding white space; None where it is empty."""
    return read_text_file(path, what).partition("\n")[0].strip() or None


def read_key_file(path: Path, what: str) -> tuple[bytes, ...]:
    """Return the keys, one per line. Raises ConfigError for a file without keys, and for a key that is too
    short."""
    keys = tuple(filter(None, (line.strip().encode() for line in read_text_file(path, what).splitlines())))
    if not keys or min(map(len, keys)) < MIN_KEY_BYTES:
        hint = "write one with: openssl rand -hex 32"
        raise ConfigError(f"{what}: {path} needs a key of at least {MIN_KEY_BYTES} characters", hint=hint)
    return keys


def find_credential(name: str) -> str:
    """Return the path of a credential that systemd passes to this service (LoadCredential=); empty without
    one."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, name)
    return str(path) if directory and path.exists() else ""


def _read_bytes(path: Path) -> bytes:
    """Return at most MAX_BYTES. A named pipe is not opened: that would wait for a writer."""
    mode = path.stat().st_mode
    for is_kind, kind in _REFUSED_KINDS:
        if is_kind(mode):
            raise ValueError(f"is {kind}, not a file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 20} MiB")
    return data


_REFUSED_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
)
