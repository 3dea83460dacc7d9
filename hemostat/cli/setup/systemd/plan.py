"""Decides what `hemostat setup systemd` writes and runs, and what `--undo` removes, from facts of the host.

The system's service runs as a user of its own, which belongs to the group of the engine's socket. The user's
service runs as the user, with the user's engine.
"""

import hashlib
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hemostat.errors import UsageError

SERVICE: Final = "hemostat.service"
PODMAN_SOCKET: Final = "podman.socket"
SERVICE_USER: Final = "hemostat"
STATE_DIRECTORY: Final = Path("/var/lib/hemostat")
TEMPLATE_COMMAND: Final = re.compile(r"^ExecStart=\S+ all$", re.MULTILINE)
TEMPLATE_GROUPS: Final = re.compile(r"^SupplementaryGroups=.*\n", re.MULTILINE)
PLAIN_PATH: Final = re.compile(r"/[\w./+@-]+")
"""A path that needs no quotes in a unit. Without quotes, a unit runs the program that is named before a
blank."""
UNUSABLE_CHARACTERS: Final = frozenset("\"'\\")
"""Characters that systemd refuses in the path of a program."""
HIDDEN_DIRECTORIES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
"""Directories that ProtectHome= hides from the system's service."""
INSTALL_HINT: Final = "install HemoStat for all users, for example with a venv in /opt/hemostat"
READ_BITS: Final = stat.S_IROTH
ENTER_BITS: Final = stat.S_IXOTH
GROUP_ACCESS_BITS: Final = stat.S_IRGRP | stat.S_IWGRP
OTHERS_ACCESS_BITS: Final = stat.S_IROTH | stat.S_IWOTH
OTHERS_WRITE_BITS: Final = stat.S_IWGRP | stat.S_IWOTH
PRIVATE_MODE: Final = 0o600
SHARED_MODE: Final = 0o640
PUBLIC_MODE: Final = 0o644


class PathRights(NamedTuple):
    """The rights of a file or directory. `mode` has its kind."""

    path: Path
    owner: str
    group: str
    mode: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a setup has added to the host. `files`: SHA-256 by path. `user`, `podman_socket`, `state`: whether
    the setup has added the service's user, the enabled socket of Podman, and the state directory."""

    files: dict[str, str] = {}
    directories: tuple[str, ...] = ()
    user: bool = False
    podman_socket: bool = False
    state: bool = False


class Facts(NamedTuple):
    """`directories`: those above the files that do not exist, from the top. `unit_text`: the text of the
    existing unit. `podman_socket`: whether Podman's socket is to be enabled for the user."""

    is_user: bool
    executable: Path
    groups: tuple[str, ...]
    template: str
    unit: Path
    unit_text: str | None
    config: Path
    config_text: str
    has_config: bool
    directories: tuple[Path, ...]
    has_user: bool
    has_state: bool
    podman_socket: bool
    manifest: Manifest


class NewFile(NamedTuple):
    path: Path
    text: str
    mode: int


class Plan(NamedTuple):
    """In this order: the user, in the groups, the directories, the files, the rights of the existing
    configuration, the commands."""

    creates_user: bool
    groups: tuple[str, ...]
    directories: tuple[Path, ...]
    files: tuple[NewFile, ...]
    existing_config: Path | None
    commands: tuple[tuple[str, ...], ...]
    manifest: Manifest


class UndoPlan(NamedTuple):
    """In this order: `stop`, the files, `reload`, the directories that are empty, the state directory, the
    user. `left`: what stays, and why. `manifest`: what can be undone later; None for nothing."""

    stop: tuple[tuple[str, ...], ...]
    files: tuple[Path, ...]
    reload: tuple[tuple[str, ...], ...]
    directories: tuple[Path, ...]
    removes_state: bool
    removes_user: bool
    left: tuple[str, ...]
    manifest: Manifest | None


def check_executable(parts: Iterable[PathRights]) -> None:
    """Raise UsageError where the service's user cannot run the program, or where another user than root can
    change the program. `parts`: the program's files and each directory above them."""
    for part in parts:
        if hidden := next((each for each in HIDDEN_DIRECTORIES if part.path.is_relative_to(each)), None):
            raise UsageError(f"the service cannot see {part.path}: it is below {hidden}", hint=INSTALL_HINT)
        if part.owner != "root" or part.mode & OTHERS_WRITE_BITS:
            raise UsageError(
                f"the service must not run {part.path}: another user than root can change it "
                f"({describe_rights(part)})",
                hint=INSTALL_HINT,
            )
        is_directory = stat.S_ISDIR(part.mode)
        if not part.mode & (ENTER_BITS if is_directory else READ_BITS):
            raise UsageError(
                f"the service's user cannot read {part.path} ({describe_rights(part)})",
                hint=f"chmod {'o+rx' if is_directory else 'o+r'} {part.path}, or {INSTALL_HINT}",
            )


def choose_group(path: Path, parts: Sequence[PathRights]) -> str:
    """Return the group that may use the engine's socket; empty where every user may. `parts`: the socket and
    each directory above it, from the top; empty for a socket that does not exist. Raises UsageError where no
    group of its own may use the socket."""
    if not parts:
        hint = "start the engine, or name its address: --set engine.url=unix:///PATH"
        raise UsageError(f"the engine has no socket {path}", hint=hint)
    *directories, engine = parts
    closed = next((each for each in directories if not each.mode & ENTER_BITS), None)
    if closed is None and engine.mode & OTHERS_ACCESS_BITS == OTHERS_ACCESS_BITS:
        return ""
    if closed is None and engine.group != "root" and engine.mode & GROUP_ACCESS_BITS == GROUP_ACCESS_BITS:
        return engine.group
    raise UsageError(
        f"only root can use the engine's socket {path} ({describe_rights(closed or engine)})",
        hint="give a group access (docs/ENGINES.md, Podman), or use the engine of a user: --user",
    )


def describe_rights(part: PathRights) -> str:
    return f"{part.owner}:{part.group} {stat.S_IMODE(part.mode):04o}"


def make_unit(template: str, executable: Path, groups: Sequence[str]) -> str:
    """Return the unit that runs this program, with these supplementary groups. Raises UsageError for a path
    that systemd refuses."""
    path = quote_path(executable)
    unit = TEMPLATE_COMMAND.sub(lambda _: f"ExecStart={path} all", template)
    return TEMPLATE_GROUPS.sub(lambda _: f"SupplementaryGroups={' '.join(groups)}\n" if groups else "", unit)


def quote_path(path: Path) -> str:
    """Return the path as the command line of a unit names it. Raises UsageError for one that systemd
    refuses."""
    text = str(path)
    if PLAIN_PATH.fullmatch(text):
        return text
    if not text.isprintable() or UNUSABLE_CHARACTERS & {*text}:
        raise UsageError(f"the path {text!r} has characters that a unit cannot name", hint=INSTALL_HINT)
    return f'"{text.replace("%", "%%")}"'


def make_plan(facts: Facts) -> Plan:
    """Raises UsageError for a unit that the setup has not written."""
    unit = make_unit(facts.template, facts.executable, facts.groups)
    known = facts.manifest.files.get(str(facts.unit))
    is_present = facts.unit_text is not None
    if facts.unit_text is not None and facts.unit_text != unit and hash_text(facts.unit_text) != known:
        hint = f"remove it; changes belong into a drop-in: systemctl edit {SERVICE}"
        raise UsageError(f"{facts.unit} is not the file that the setup has written", hint=hint)
    files = [NewFile(facts.unit, unit, PUBLIC_MODE)] if facts.unit_text != unit else []
    if not facts.has_config:
        mode = PRIVATE_MODE if facts.is_user else SHARED_MODE
        files.append(NewFile(facts.config, facts.config_text, mode))
    creates_user = not (facts.is_user or facts.has_user)
    manager = list_manager_words(is_user=facts.is_user)
    verb = "restart" if is_present and facts.unit_text != unit else "start"
    podman = [(*manager, "enable", "--now", PODMAN_SOCKET)] if facts.podman_socket else []
    old = facts.manifest
    return Plan(
        creates_user=creates_user,
        groups=facts.groups,
        directories=facts.directories,
        files=tuple(files),
        existing_config=facts.config if facts.has_config else None,
        commands=(
            *podman,
            (*manager, "daemon-reload"),
            (*manager, "enable", SERVICE),
            (*manager, verb, SERVICE),
        ),
        manifest=Manifest(
            files=old.files | {str(each.path): hash_text(each.text) for each in files},
            directories=(*old.directories, *map(str, facts.directories)),
            user=old.user or creates_user,
            podman_socket=old.podman_socket or facts.podman_socket,
            state=old.state or not facts.has_state,
        ),
    )


def make_undo_plan(
    manifest: Manifest,
    texts: Mapping[str, str | None],
    *,
    is_user: bool,
    state: Path,
    has_state: bool,
    purge: bool,
) -> UndoPlan:
    """`texts`: the text of each file of the manifest; None for a missing one. `state`: the state
    directory."""
    manager = list_manager_words(is_user=is_user)
    changed = [
        path for path, text in texts.items() if text is not None and hash_text(text) != manifest.files[path]
    ]
    podman = [(*manager, "disable", "--now", PODMAN_SOCKET)] if manifest.podman_socket else []
    keeps_state = has_state and not (purge and manifest.state)
    left = [f"{path}: it was changed after the setup" for path in changed]
    if keeps_state:
        reason = "events, evidence and audit trail" if manifest.state else "it is older than the setup"
        also = f", with the user {SERVICE_USER}" if manifest.user else ""
        left.append(f"{state}: {reason}{also}" + ("; --undo --purge removes it" if manifest.state else ""))
    rest = Manifest(
        directories=manifest.directories, user=manifest.user and keeps_state, state=manifest.state
    )
    return UndoPlan(
        stop=((*manager, "disable", "--now", SERVICE), *podman) if manifest.files else (),
        files=tuple(Path(path) for path in texts if path not in changed and texts[path] is not None),
        reload=((*manager, "daemon-reload"),) if manifest.files else (),
        directories=tuple(map(Path, reversed(manifest.directories))),
        removes_state=has_state and not keeps_state,
        removes_user=manifest.user and not keeps_state,
        left=tuple(left),
        manifest=rest if keeps_state and manifest.state else None,
    )


def list_manager_words(*, is_user: bool) -> tuple[str, ...]:
    return ("systemctl", "--user") if is_user else ("systemctl",)


def describe_plan(plan: Plan, *, is_user: bool) -> Iterator[str]:
    """One line for each step."""
    if plan.creates_user:
        yield f"create the user {SERVICE_USER}" + _describe_groups(plan.groups)
    for directory in plan.directories:
        yield f"create {directory}"
    for file in plan.files:
        yield f"write {file.path}, {_describe_mode(file.mode, is_user=is_user)}"
    if plan.existing_config:
        mode = PRIVATE_MODE if is_user else SHARED_MODE
        yield f"keep {plan.existing_config}, {_describe_mode(mode, is_user=is_user)}"
    yield from (f"run {' '.join(command)}" for command in plan.commands)


def _describe_groups(groups: Sequence[str]) -> str:
    if not groups:
        return ""
    return f" in the {'group' if len(groups) == 1 else 'groups'} {', '.join(groups)}"


def _describe_mode(mode: int, *, is_user: bool) -> str:
    owner = "" if is_user else f"root:{SERVICE_USER if mode == SHARED_MODE else 'root'} "
    return f"{owner}{mode:04o}"


def describe_undo_plan(plan: UndoPlan, state: Path) -> Iterator[str]:
    yield from (f"run {' '.join(command)}" for command in plan.stop)
    yield from (f"remove {path}" for path in plan.files)
    yield from (f"run {' '.join(command)}" for command in plan.reload)
    if plan.removes_state:
        yield f"remove {state}"
    if plan.removes_user:
        yield f"remove the user {SERVICE_USER}"
    yield from (f"leave {each}" for each in plan.left)


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
