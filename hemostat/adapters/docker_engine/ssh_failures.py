"""Explains why ssh failed, by what it wrote to stderr: the cause in one short line, and what to do."""

import re
from collections.abc import Sequence
from typing import Final

from hemostat.adapters.docker_engine.failures import shorten
from hemostat.core.redact import redact
from hemostat.core.settings.ssh_address import SshAddress
from hemostat.core.text import escape_controls
from hemostat.errors import EngineUnreachableError

DENIED_PATTERN: Final = re.compile(r"Permission denied \(([^)]*)\)|Too many authentication failures")
PASSWORD_METHODS: Final = ("password", "keyboard-interactive")
CHANGED_KEY_TEXT: Final = "REMOTE HOST IDENTIFICATION HAS CHANGED"
UNKNOWN_KEY_TEXT: Final = "Host key verification failed"
CONFIGURATION_PATTERN: Final = re.compile(r"Bad configuration option|terminating, \d+ bad configuration")

NO_FILE, NO_SOCKET, NO_PERMISSION = 3, 4, 5
"""Exit codes of CHECK_SCRIPT."""
CHECK_SCRIPT: Final = (
    f"test -e {{path}} || exit {NO_FILE}; test -S {{path}} || exit {NO_SOCKET}; "
    f"test -w {{path}} || exit {NO_PERMISSION}"
)
"""Run at the engine's host. sshd does not report why it cannot connect to a socket."""


def explain_end(lines: Sequence[str], address: SshAddress) -> EngineUnreachableError:
    """The error for an ssh that has ended. `lines`: the last lines of its stderr."""
    text = "\n".join(lines)
    if CHANGED_KEY_TEXT in text:
        name = f"'[{address.host}]:{address.port}'" if address.port else address.host
        return _refuse(
            address,
            "the host's key has changed",
            f"another machine may answer; if you know why, remove the old key: ssh-keygen -R {name}",
        )
    if UNKNOWN_KEY_TEXT in text:
        return _refuse(
            address, "the host's key is unknown", f"verify the key, and add it by: {address.command}"
        )
    if (denied := DENIED_PATTERN.search(text)) is not None:
        return _refuse(address, *_explain_denial(denied[1] or "", address))
    if CONFIGURATION_PATTERN.search(text):
        return _refuse(address, _find_last_line(lines), "correct the configuration of ssh")
    return EngineUnreachableError(
        f"no connection to {address} ({_find_last_line(lines) or 'ssh has ended'})",
        hint=f"check with: {address.command} -o BatchMode=yes true",
    )


def _explain_denial(methods: str, address: SshAddress) -> tuple[str, str]:
    check = f"{address.command} -o BatchMode=yes true"
    if any(method in methods for method in PASSWORD_METHODS):
        return (
            "ssh asks for a password",
            f"HemoStat needs a key or an agent: ssh-copy-id, then check with: {check}",
        )
    return "the host accepts no key of this user", f"check with: {check}"


def explain_socket_check(code: int | None, address: SshAddress) -> EngineUnreachableError:
    """The error for an engine that does not answer through a working tunnel. `code`: CHECK_SCRIPT's exit
    code, None if the script could not run."""
    path = address.socket
    if code == NO_FILE:
        return _refuse(
            address,
            f"the host has no socket {path} that this user can see",
            "is Docker installed there? Another socket follows the host: ssh://HOST/run/podman/podman.sock",
        )
    if code == NO_SOCKET:
        return _refuse(address, f"{path} there is not a socket", "name the engine's socket after the host")
    if code == NO_PERMISSION:
        return _refuse(
            address,
            f"permission denied on {path} there",
            "add the user to the docker group there: usermod -aG docker USER",
        )
    return EngineUnreachableError(
        f"no Docker Engine answers at {address} (no connection to {path} there)",
        hint="is dockerd running there? Does its sshd allow AllowStreamLocalForwarding?",
    )


def _refuse(address: SshAddress, why: str, hint: str) -> EngineUnreachableError:
    """Only a person can remove the cause. A role waits for that."""
    return EngineUnreachableError(
        f"no connection to {address} ({why})", hint=hint, transient=False, curable=True
    )


def _find_last_line(lines: Sequence[str]) -> str:
    text = next((line for line in reversed(lines) if line.strip()), "").strip()
    return redact(shorten(escape_controls(text.removeprefix("ssh: "))))
