"""Reads the facts of the host that a setup needs, and carries out its plan."""

import errno
import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

import hemostat
from hemostat.cli.setup.systemd.plan import (
    PRIVATE_MODE,
    SERVICE,
    SERVICE_USER,
    SHARED_MODE,
    STATE_DIRECTORY,
    Manifest,
    PathRights,
    Plan,
    UndoPlan,
    list_manager_words,
)
from hemostat.errors import ConfigError, HemoStatError, UsageError
from hemostat.private_files import check_directory, check_file, replace_file
from hemostat.text_file import read_bytes

MANIFEST_NAME: Final = ".setup.json"
RUNNING_SYSTEMD: Final = Path("/run/systemd/system")
START_SECONDS: Final = 900.0
"""Maximum seconds of one command: systemd waits 300 for the roles (TimeoutStartSec=), and longer while they
load."""
DIRECTORY_MODE: Final = 0o755


def require_systemd(environ: Mapping[str, str], uid: int, *, is_user: bool) -> dict[str, str]:
    """Return the environment for systemctl. Raises UsageError where systemd does not run, where the user is
    not the right one, or where the user has no service manager."""
    if not RUNNING_SYSTEMD.is_dir():
        raise UsageError(
            "systemd does not run here", hint="hemostat all runs all roles; see docs/DEPLOYMENT.md"
        )
    if not is_user:
        if uid:
            raise UsageError(
                "a service of the system needs root", hint="use sudo, or --user for a service of this user"
            )
        return dict(environ)
    if not uid:
        raise UsageError("--user is for other users than root", hint="leave it out for root")
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    if not Path(runtime, "systemd").is_dir():
        name = pwd.getpwuid(uid).pw_name
        raise UsageError(
            f"the user {name} has no service manager",
            hint=f"log in as {name}, or: loginctl enable-linger {name}",
        )
    return {**environ, "XDG_RUNTIME_DIR": runtime}


def find_executable() -> Path:
    """Return the path of the installed command. Raises UsageError where only the source tree exists."""
    path = Path(sysconfig.get_path("scripts"), "hemostat")
    if not path.is_file():
        raise UsageError(
            f"HemoStat is not installed: {path} does not exist", hint="pip install it into a venv"
        )
    return path


def list_executable_parts(executable: Path) -> Iterator[PathRights]:
    """Return the rights of all that runs: the command, the interpreter, the package, and the directories
    above them, also those that links lead to."""
    files = (executable, Path(sys.executable), Path(hemostat.__file__))
    paths = {each for file in files for each in (file.absolute(), file.resolve())}
    paths |= {parent for path in paths for parent in path.parents}
    return (read_rights(path) for path in sorted(paths))


def list_socket_parts(path: Path) -> Sequence[PathRights]:
    """Return the rights of the directories above a socket, from the top, and of the socket; empty for
    none."""
    real = path.resolve()
    if not real.is_socket():
        return ()
    return [read_rights(each) for each in (*reversed(real.parents), real)]


def read_rights(path: Path) -> PathRights:
    state = path.stat()
    return PathRights(path, _name_user(state.st_uid), _name_group(state.st_gid), state.st_mode)


def has_user(name: str) -> bool:
    """Raises UsageError for a user without a group of the same name, which the unit needs."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    try:
        grp.getgrnam(name)
    except KeyError:
        raise UsageError(f"the user {name} has no group {name}", hint=f"groupadd --system {name}") from None
    return True


def list_missing_directories(files: Iterable[Path]) -> tuple[Path, ...]:
    """Return the directories above the files that do not exist, from the top."""
    above = {parent for file in files for parent in file.parents}
    return tuple(sorted(each for each in above if not each.exists()))


def read_text(path: Path) -> str | None:
    """Return the text of the file; None for a missing one. Raises ConfigError."""
    try:
        return read_bytes(path).decode(errors="surrogateescape")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def read_manifest(directory: Path) -> Manifest | None:
    """Return what earlier setups have added; None where none has run. The undo removes what it names: a
    manifest that another user can write, or the path of one, is refused. Raises ConfigError."""
    with _explain_failures():
        text = read_text(path := directory / MANIFEST_NAME)
        if text is None:
            return None
        check_directory(directory)
        check_file(path)
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} is unreadable: {error}", hint="remove it, and what it names") from None


def is_enabled(unit: str, environ: Mapping[str, str], *, is_user: bool) -> bool:
    return _succeeds([*list_manager_words(is_user=is_user), "is-enabled", unit], environ)


def has_unit(unit: str, environ: Mapping[str, str], *, is_user: bool) -> bool:
    return _succeeds([*list_manager_words(is_user=is_user), "cat", unit], environ)


def has_lingering(uid: int) -> bool:
    return Path("/var/lib/systemd/linger", pwd.getpwuid(uid).pw_name).exists()


def carry_out(plan: Plan, directory: Path, environ: Mapping[str, str], *, is_user: bool) -> None:
    """`directory`: that of the configuration and the manifest. Raises HemoStatError where a step fails."""
    with _explain_failures():
        if plan.creates_user:
            home = str(STATE_DIRECTORY)
            # A member of the group, and not only the unit: people run commands as this user.
            groups = ["--groups", ",".join(plan.groups)] if plan.groups else []
            words = ["--system", "--user-group", *groups, "--no-create-home", "--home-dir", home]
            _run(["useradd", "--shell", "/usr/sbin/nologin", *words, SERVICE_USER], environ)
        for each in plan.directories:
            each.mkdir(mode=0o700 if is_user else DIRECTORY_MODE, exist_ok=True)
            each.chmod(0o700 if is_user else DIRECTORY_MODE)
        check_directory(directory)
        # Before the rest, so that a setup that fails can be undone.
        _write_manifest(directory, plan.manifest)
        for file in plan.files:
            check_directory(file.path.parent)
            replace_file(file.path, file.text.encode(errors="surrogateescape"))
            _set_rights(file.path, file.mode, is_user=is_user)
        if plan.existing_config:
            _set_rights(plan.existing_config, PRIVATE_MODE if is_user else SHARED_MODE, is_user=is_user)
        for command in plan.commands:
            _run(command, environ)


def carry_out_undo(plan: UndoPlan, directory: Path, state: Path, environ: Mapping[str, str]) -> None:
    """Raises HemoStatError where a step fails."""
    with _explain_failures():
        for command in plan.stop:
            # A unit that a person has removed cannot be disabled.
            with suppress(HemoStatError):
                _run(command, environ)
        for path in plan.files:
            path.unlink(missing_ok=True)
        for command in plan.reload:
            _run(command, environ)
        if plan.removes_state and state.exists():
            shutil.rmtree(state)
        if plan.removes_user and has_user(SERVICE_USER):
            _run(["userdel", SERVICE_USER], environ)
        if plan.manifest:
            _write_manifest(directory, plan.manifest)
        else:
            (directory / MANIFEST_NAME).unlink(missing_ok=True)
        for each in plan.directories:
            with suppress(OSError):  # not empty
                each.rmdir()


def _write_manifest(directory: Path, manifest: Manifest) -> None:
    replace_file(directory / MANIFEST_NAME, msgspec.json.encode(manifest) + b"\n")


def _set_rights(path: Path, mode: int, *, is_user: bool) -> None:
    """Give the file to root, and to the service's group if the mode lets it read. A link, or a file that has
    another name, may be another user's file in a place that only root may read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
            raise OSError(errno.EINVAL, "is not a file with one name", str(path))
        if not is_user:
            os.fchown(descriptor, 0, grp.getgrnam(SERVICE_USER).gr_gid if mode == SHARED_MODE else 0)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raises HemoStatError where the command fails."""
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HemoStatError(f"{' '.join(command)} did not end in time", hint=_suggest_log(command)) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise HemoStatError(f"{' '.join(command)} failed: {reason}", hint=_suggest_log(command))


def _suggest_log(command: Sequence[str]) -> str:
    user = ["--user"] if "--user" in command else []
    return f"see {' '.join(['journalctl', *user, '-u', SERVICE, '-n', '20'])}" if SERVICE in command else ""


def _succeeds(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    with suppress(HemoStatError):
        _run(command, environ)
        return True
    return False


@contextmanager
def _explain_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = f"{error.filename} " if error.filename else ""
        raise HemoStatError(f"the setup has failed: {name}{error.strerror}") from None


def _name_user(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _name_group(gid: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
