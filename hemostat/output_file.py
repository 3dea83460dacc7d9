"""Writes files that a person requests: mode 0600, never through a link, and replaced as a whole.

A container may own a directory that an operator writes to, and can put a link there under a name that it
guesses. Links in `/` and below the home directory are the operator's own, and are followed. HemoStat's own
files are written by private_files.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

NEW_FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
DIRECTORY_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_MODE: Final = 0o600
DEVICE_DIRECTORY: Final = Path("/dev")
MAX_LINKS: Final = 40
"""Links followed on the way to one directory, as in Linux."""
MAX_NAME: Final = 100
"""Characters of a name that its temporary file repeats."""


def write_output(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write the whole file, or leave the existing one. Raises FileExistsError unless `replace`, and
    OSError."""
    open_output(path, data, replace=replace).close()


def open_output(path: Path, data: bytes = b"", *, replace: bool = False) -> BinaryIO:
    """Return a new file that begins with `data`, open for further writes. A file that it replaces is removed
    once `data` is on the disk. Raises FileExistsError unless `replace`, and OSError."""
    if replace and path.parent == DEVICE_DIRECTORY:
        return _open_device(path, data)
    directory = _open_directory(path.parent)
    try:
        if replace:
            _require_regular(path, directory)
        name = f".{path.name[:MAX_NAME]}.{secrets.token_hex(8)}" if replace else path.name
        file = os.fdopen(os.open(name, NEW_FILE_FLAGS, FILE_MODE, dir_fd=directory), "wb")
        try:
            _write_all(file, data)
            if replace:
                os.rename(name, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(name, dir_fd=directory)
            raise
        return file
    finally:
        os.close(directory)


@contextmanager
def stream_output(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A new file for more than fits into memory. It gets its name at the end of the block; nothing is left
    if the block raises. Raises FileExistsError unless `replace`, and OSError."""
    if replace and path.parent == DEVICE_DIRECTORY:
        with _open_device(path, b"") as device:
            yield device
        return
    directory = _open_directory(path.parent)
    try:
        _require_target(path, directory, replace=replace)
        name = f".{path.name[:MAX_NAME]}.{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(name, NEW_FILE_FLAGS, FILE_MODE, dir_fd=directory), "wb") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                yield file
                file.flush()
                os.fsync(file.fileno())
            if replace:
                _require_regular(path, directory)
            else:
                os.close(os.open(path.name, NEW_FILE_FLAGS, FILE_MODE, dir_fd=directory))
            os.rename(name, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            raise
    finally:
        os.close(directory)


def _require_target(path: Path, directory: int, *, replace: bool) -> None:
    if replace:
        _require_regular(path, directory)
        return
    with suppress(FileNotFoundError):
        os.stat(path.name, dir_fd=directory, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _open_device(path: Path, data: bytes) -> BinaryIO:
    """Open a device such as /dev/stdout: no container can put files into the host's /dev."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CLOEXEC), "wb")
    file.write(data)
    return file


def _write_all(file: BinaryIO, data: bytes) -> None:
    os.fchmod(file.fileno(), FILE_MODE)
    try:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    except OSError:
        file.close()
        raise


def _require_regular(path: Path, directory: int) -> None:
    try:
        mode = os.stat(path.name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "a symbolic link, which is not followed" if stat.S_ISLNK(mode) else "not a regular file"
        raise OSError(errno.EINVAL, f"is {kind}", str(path))


def _open_directory(path: Path) -> int:
    """Return a descriptor of the directory. Raises OSError where the path contains another user's link. Each
    part is opened in its directory: the owner of a directory may replace a part between two looks."""
    place, links = Path("/"), 0
    pending = [*reversed(path.absolute().parts[1:])]
    directory = os.open("/", DIRECTORY_FLAGS)
    try:
        while pending:
            part = pending.pop()
            target = _read_link(part, directory)
            if target is None:
                inner = os.open(part, DIRECTORY_FLAGS, dir_fd=directory)
                os.close(directory)
                directory, place = inner, place.parent if part == ".." else place / part
                continue
            links += 1
            _check_link(place / part, links, path)
            pending += reversed(target.parts[target.is_absolute() :])
            if target.is_absolute():
                os.close(directory)
                directory, place = os.open("/", DIRECTORY_FLAGS), Path("/")
    except BaseException:
        os.close(directory)
        raise
    return directory


def _check_link(link: Path, links: int, path: Path) -> None:
    if not _is_own(link):
        real = os.path.realpath(path.absolute())
        raise OSError(errno.ELOOP, f"{link} is a symbolic link: use {real}", str(path))
    if links > MAX_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _read_link(name: str, directory: int) -> Path | None:
    """Return where the link leads; None for anything else."""
    try:
        return Path(os.readlink(name, dir_fd=directory))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None


def _is_own(link: Path) -> bool:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises without a home directory
    homes = {home, Path(os.path.realpath(home))} - {Path("/")}
    return link.parent == Path("/") or not homes.isdisjoint(link.parents)
