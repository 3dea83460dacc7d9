"""Files and directories that no other user can replace, redirect or write to.

A path is safe only if every directory and every link in it belongs to this user or to root, and no other user
may rename the content of those directories. So each link in the path of a directory is checked before it is
followed, and a link in place of a file is refused.
"""

import errno
import grp
import os
import pwd
import stat
from pathlib import Path
from typing import Final, NamedTuple

from hemostat.errors import UnsafePathError

OTHERS_WRITE_BITS: Final = stat.S_IWGRP | stat.S_IWOTH
MAX_LINKS: Final = 40
"""Maximum number of links followed in the path of one directory, as in Linux."""
OPEN_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""O_NONBLOCK: opening a named pipe must not block."""

HINT: Final = "remove it, unless you know who created it"


class Step(NamedTuple):
    """A directory or a link in the path of a directory."""

    path: Path
    state: os.stat_result
    is_last: bool


def make_directory(path: Path) -> None:
    """Create the directory, for this user only, if it does not exist. Raises OSError and UnsafePathError."""
    check_directory(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_directory(path)


def check_directory(path: Path) -> None:
    """Raise UnsafePathError where another user can change the content of the directory, or redirect its path.
    Parts that do not exist yet are not checked. Raises OSError where the path cannot be read."""
    for step in _walk_path(path):
        if not (stat.S_ISDIR(step.state.st_mode) or stat.S_ISLNK(step.state.st_mode)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(step.path))
        if reason := _find_risk(step):
            raise UnsafePathError(f"{_name_step(path, step)} {reason}", hint=_suggest_hint(step))


def check_file(path: Path, *, is_kind: str = "file") -> None:
    """Check a file or a socket itself, which must not be a link. Its directory is not checked."""
    state = path.lstat()
    if reason := _find_file_risk(state, is_kind):
        raise UnsafePathError(f"{path} {reason}", hint=HINT)


def check_owner(path: Path) -> None:
    """Raise UnsafePathError where the file, directory or link belongs to another user. Raises OSError."""
    if (uid := path.lstat().st_uid) not in _get_trusted_uids():
        raise UnsafePathError(f"{path} belongs to {_name_user(uid)}", hint=HINT)


def find_writer(path: Path) -> str:
    """Return why another user can write to the file that the path leads to; empty where none can."""
    state = path.stat()
    if state.st_uid not in _get_trusted_uids():
        return f"belongs to {_name_user(state.st_uid)}"
    return (
        f"can be written by other users (mode {stat.S_IMODE(state.st_mode):04o})"
        if _is_others_writable(state)
        else ""
    )


def open_file(path: Path, flags: int = os.O_RDWR | os.O_APPEND | os.O_CREAT) -> int:
    """Return a descriptor of a regular file of this user or of root, created with mode 0600 if `flags` say
    so. O_TRUNC takes effect after the file was checked. Raises UnsafePathError and OSError."""
    try:
        descriptor = os.open(path, (flags & ~os.O_TRUNC) | OPEN_FLAGS, 0o600)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnsafePathError(f"{path} is a symbolic link", hint="remove it, or name its target") from None
    try:
        _secure(path, descriptor)
        if flags & os.O_TRUNC and os.fstat(descriptor).st_size:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def replace_file(path: Path, data: bytes) -> None:
    """Write the file, for its owner only, in one step: a link of its name is replaced, not followed. The
    directory must be one that no other user can write to. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600), "wb") as file:
        file.write(data)
    new.replace(path)


def _walk_path(path: Path) -> "list[Step]":
    """Return the steps from the root to the directory, each link before its target, as far as they exist."""
    current, links, steps = Path("/"), 0, []
    pending = [*reversed(path.absolute().parts[1:])]
    steps.append(Step(current, current.lstat(), not pending))
    while pending:
        part = pending.pop()
        current = current.parent if part == ".." else current / part
        try:
            state = current.lstat()
        except FileNotFoundError:
            break
        is_link = stat.S_ISLNK(state.st_mode)
        steps.append(Step(current, state, not pending and not is_link))
        if not is_link:
            continue
        if (links := links + 1) > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = current.readlink()
        current = Path("/") if target.is_absolute() else current.parent
        pending += reversed(target.parts[target.is_absolute() :])
    return steps


def _find_risk(step: Step) -> str:
    """Return why another user controls the directory or link; empty where none does."""
    mode = step.state.st_mode
    if step.state.st_uid not in _get_trusted_uids():
        return f"belongs to {_name_user(step.state.st_uid)}"
    if stat.S_ISLNK(mode):
        return ""
    if step.is_last:
        return f"can be written by other users (mode {mode & 0o7777:04o})" if mode & OTHERS_WRITE_BITS else ""
    if mode & stat.S_ISVTX or not _is_others_writable(step.state):
        return ""
    return f"can be changed by other users (mode {mode & 0o7777:04o})"


def _is_others_writable(state: os.stat_result) -> bool:
    """Return whether other users can write. A group whose only member is this user counts as this user: many
    systems create such a group for each user."""
    if state.st_mode & stat.S_IWOTH:
        return True
    return bool(state.st_mode & stat.S_IWGRP) and state.st_gid != 0 and not _is_own_group(state.st_gid)


def _is_own_group(gid: int) -> bool:
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and {*group.gr_mem} <= {user.pw_name}


KIND_CHECKS: Final = {"file": stat.S_ISREG, "socket": stat.S_ISSOCK}


def _find_file_risk(state: os.stat_result, kind: str) -> str:
    if stat.S_ISLNK(state.st_mode):
        return "is a symbolic link"
    if not KIND_CHECKS[kind](state.st_mode):
        return f"is not a {kind}"
    if state.st_uid not in _get_trusted_uids():
        return f"belongs to {_name_user(state.st_uid)}"
    if state.st_mode & OTHERS_WRITE_BITS:
        return f"can be written by other users (mode {state.st_mode & 0o7777:04o})"
    return ""


def _secure(path: Path, descriptor: int) -> None:
    """Remove write access of others from this user's own file, which an older umask may have left. Raises
    UnsafePathError for any other risk."""
    state = os.fstat(descriptor)
    if stat.S_ISCHR(state.st_mode) and state.st_uid == 0:  # such as /dev/null: only root can create devices
        return
    if state.st_uid == os.geteuid() and stat.S_ISREG(state.st_mode) and state.st_mode & OTHERS_WRITE_BITS:
        os.fchmod(descriptor, stat.S_IMODE(state.st_mode) & ~OTHERS_WRITE_BITS)
        state = os.fstat(descriptor)
    reason = _find_file_risk(state, "file") or ("has another hard link" if state.st_nlink > 1 else "")
    if reason:
        raise UnsafePathError(f"{path} {reason}", hint=HINT)


def _get_trusted_uids() -> frozenset[int]:
    return frozenset({0, os.geteuid()})


def _name_user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _name_step(path: Path, step: Step) -> str:
    kind = "link" if stat.S_ISLNK(step.state.st_mode) else "directory"
    if step.is_last and step.path == path.absolute():
        return f"the directory {path}"
    return f"the directory {path} is not safe: the {kind} {step.path}"


def _suggest_hint(step: Step) -> str:
    if step.state.st_uid in _get_trusted_uids() and stat.S_ISDIR(step.state.st_mode):
        return f"chmod go-w {step.path}, or choose another directory"
    return "run HemoStat as the directory's owner, or choose another directory"
