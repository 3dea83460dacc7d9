"""Explains why no process listens on a unix socket, from the path and this process's mounts.

A container with the socket itself as a volume keeps the inode it was given. The engine makes a new socket at
each start, but the container's path still leads to the old one.
"""

import stat
from pathlib import Path
from typing import Final

MOUNTS_FILE: Final = Path("/proc/self/mountinfo")
DELETED_SUFFIX: Final = "//deleted"
"""The kernel appends this to the source of a bind mount whose file was removed."""
SOURCE_FIELD: Final = 3
POINT_FIELD: Final = 4
"""Columns of mountinfo."""
DIRECTORY_HINT: Final = (
    "did the socket exist when the container was created? Docker makes a directory of a missing source: "
    "remove it on the host, start dockerd and recreate the container"
)
REMOUNT_HINT: Final = "mount its directory instead of the socket, or recreate this container"


def find_socket_path(url: str) -> Path | None:
    """The path of a unix socket's URL. None for every other address."""
    scheme, _, path = url.partition("://")
    return Path(f"/{path.lstrip('/')}") if scheme.endswith("unix") else None


def explain_socket(url: str, mounts: Path = MOUNTS_FILE) -> tuple[str, str] | None:
    """The cause and a hint for a socket that refused a connection. None if the path explains nothing."""
    path = find_socket_path(url)
    try:
        mode = path.stat().st_mode if path else 0
    except OSError:
        return None
    if path is None or stat.S_ISSOCK(mode):
        return None if path is None else _explain_mount(path, mounts)
    if stat.S_ISDIR(mode):
        return f"{path} is a directory, not a socket", DIRECTORY_HINT
    return f"{path} is a file, not a socket", "set engine.url or DOCKER_HOST to the socket of dockerd"


def _explain_mount(path: Path, mounts: Path) -> tuple[str, str] | None:
    source = find_mount_source(path, mounts)
    if source is None:
        return None
    if source.endswith(DELETED_SUFFIX):
        return (
            f"the socket mounted at {path} is outdated: the engine has created a new one",
            REMOUNT_HINT,
        )
    hint = f"check that dockerd is running; if it was restarted, {REMOUNT_HINT}"
    return f"no process listens on the socket mounted at {path}", hint


def find_mount_source(path: Path, mounts: Path = MOUNTS_FILE) -> str | None:
    """The source of the mount at this path, also through links. None if the path is not a mount point."""
    try:
        rows = [line.split() for line in mounts.read_text(errors="replace").splitlines()]
        paths = {str(path), str(path.resolve())}
    except OSError:
        return None
    sources = (
        _unescape(row[SOURCE_FIELD])
        for row in rows
        if _unescape("".join(row[POINT_FIELD : POINT_FIELD + 1])) in paths
    )
    return next(sources, None)


def _unescape(text: str) -> str:
    """The path without the octal escapes that the kernel writes for blanks and backslashes."""
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
