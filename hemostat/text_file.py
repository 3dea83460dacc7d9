"""Reads the files that users provide: configuration, passwords, eval cases, replay files.

Other users may have written such a file, or put something else under its name.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from hemostat.core.text import decode_text
from hemostat.errors import ConfigError

MAX_BYTES: Final = 16 * 1024 * 1024
MIN_KEY_BYTES: Final = 16
OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read_text_file(path: Path, setting: str = "") -> str:
    """Return the text of the file, with line feeds as line ends. `setting` names the setting, if the path is
    the value of one. Raises ConfigError for a path that cannot be read, is not a file, or is not UTF-8."""
    name = f"{setting}: {show_path(str(path))}" if setting else str(path)
    try:
        return decode_text(read_bytes(path)).replace("\r\n", "\n")
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


def read_secret_file(path: Path, setting: str) -> str | None:
    """Return the first line without surrounding white space; None where it is empty."""
    return read_text_file(path, setting).partition("\n")[0].strip() or None


def read_key_file(path: Path, setting: str) -> tuple[bytes, ...]:
    """Return the keys, one per line. Raises ConfigError for a file without keys, and for a key that is too
    short."""
    keys = tuple(filter(None, (line.strip().encode() for line in read_text_file(path, setting).splitlines())))
    if not keys or min(map(len, keys)) < MIN_KEY_BYTES:
        hint = "write one with: openssl rand -hex 32"
        raise ConfigError(f"{setting}: {path} needs a key of at least {MIN_KEY_BYTES} characters", hint=hint)
    return keys


def show_path(path: str) -> str:
    """Return the path of a secret's file in a form that may be shown. A value that leads nowhere is masked:
    it may be the secret itself, a URL or a key, in the setting for its file."""
    from hemostat.core.redact.address import SHOWN_MASK  # slow to import, and seldom needed

    try:
        return path if _leads_to_a_path(Path(path).expanduser()) else SHOWN_MASK if path else ""
    except (OSError, RuntimeError, ValueError):
        return SHOWN_MASK


def _leads_to_a_path(path: Path) -> bool:
    return path.exists() or (path.is_absolute() and Path(*path.parts[:2]).exists())


def find_credential(name: str) -> str:
    """Return the path of a credential that systemd passes to this service (LoadCredential=); empty without
    one."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, name)
    return str(path) if directory and path.exists() else ""


def open_regular_file(path: Path) -> BinaryIO:
    """Open a regular file, or /dev/null, for reading. Neither opening nor reading waits for another process:
    a named pipe would wait for its writer, and a file under a lease for its holder. A device is not opened,
    because that may have effects. Raises OSError, and ValueError for anything else than a file."""
    _require_regular(path.stat())
    file = os.fdopen(os.open(path, OPEN_FLAGS), "rb")
    try:
        _require_regular(os.fstat(file.fileno()))
    except ValueError:
        file.close()
        raise
    return file


def read_bytes(path: Path) -> bytes:
    """Return at most MAX_BYTES. Raises as open_regular_file does, and ValueError for a larger file."""
    with open_regular_file(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 20} MiB")
    return data


def _require_regular(state: os.stat_result) -> None:
    is_null = stat.S_ISCHR(state.st_mode) and state.st_rdev == NULL_DEVICE
    if not stat.S_ISREG(state.st_mode) and not is_null:
        kind = next((kind for is_kind, kind in _KINDS if is_kind(state.st_mode)), "a device")
        raise ValueError(f"is {kind}, not a file")


NULL_DEVICE: Final = os.makedev(1, 3)
_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
)
