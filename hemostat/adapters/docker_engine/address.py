"""The address of the engine: the configured URL, DOCKER_HOST, the docker context, or a socket of this
host."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from hemostat.adapters.docker_engine.failures import make_address_error
from hemostat.core.redact.address import format_host, has_login, mask_url
from hemostat.core.settings.local_address import use_ipv4_localhost
from hemostat.errors import EngineUnreachableError

SSH: Final = "ssh://"
DEFAULT_SOCKET: Final = "var/run/docker.sock"
PODMAN_SOCKET: Final = "run/podman/podman.sock"
"""Podman's socket for root, by systemd's `podman.socket`."""
DEFAULT_URL: Final = f"unix:///{DEFAULT_SOCKET}"
DEFAULT_URLS: Final = frozenset({DEFAULT_URL, f"http+{DEFAULT_URL}", "http+docker://localhost"})
PROGRAM_FOLDERS: Final = ("usr/bin", "usr/sbin", "usr/local/bin", "snap/bin")


def find_address(url: str | None) -> dict[str, Any]:
    """The SDK's `base_url` and `tls`: from `url`, DOCKER_HOST, the command line's context, or the default.

    Raises EngineUnreachableError for ssh, and for a context that does not exist or cannot be read.
    """
    environment = {**os.environ, "DOCKER_HOST": url} if url else dict(os.environ)
    context = environment.get("DOCKER_CONTEXT")
    host = environment.get("DOCKER_HOST")
    try:
        options = dict(kwargs_from_env(environment)) if host else _read_context(context)
    except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions for a context it cannot read
        # The error quotes parts of an unreadable address, which may include a password.
        detail = mask_url(host) if host and has_login(host) else error
        raise make_address_error(detail) from None
    source = "engine.url" if url else "DOCKER_HOST" if host else f"docker context {context or ''}".rstrip()
    if not host and str(options.get("base_url") or DEFAULT_URL) in DEFAULT_URLS:
        options["base_url"] = find_default_url(os.environ, Path("/"), os.geteuid())
    _refuse_ssh(str(options.get("base_url", "")), source)
    if options.get("base_url") and not options.get("tls"):
        options["base_url"] = use_ipv4_localhost(str(options["base_url"]))
    return options


def find_default_url(environment: Mapping[str, str], root: Path, user: int) -> str:
    """The URL of dockerd's socket, or where dockerd is neither running nor installed, of the first socket of
    rootless Docker or Podman that belongs to `user` or to root.

    Podman's socket may exist beside Docker, and before dockerd's does: it is not used where dockerd is
    installed.
    """
    is_installed = any((root / folder / "dockerd").exists() for folder in PROGRAM_FOLDERS)
    if is_installed or _is_socket(root / DEFAULT_SOCKET, user):
        return DEFAULT_URL
    runtime = environment.get("XDG_RUNTIME_DIR", "").lstrip("/")
    own = [f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock"] if runtime else []
    candidates = [PODMAN_SOCKET] if user == 0 else own
    return next((f"unix:///{each}" for each in candidates if _is_socket(root / each, user)), DEFAULT_URL)


def _is_socket(path: Path, user: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid in {0, user}


def _read_context(name: str | None) -> dict[str, Any]:
    context = ContextAPI.get_context(name)
    if context is None:
        raise ValueError(f"no docker context is named {name or 'of the configured name'}")
    options = {"base_url": context.Host, "tls": context.TLSConfig}
    return {key: value for key, value in options.items() if value}


def _refuse_ssh(url: str, source: str) -> None:
    """Raise EngineUnreachableError for ssh.

    The SDK needs a package for ssh that is not installed here, and streams over ssh could not be cut.
    """
    if not url.lower().startswith(SSH):
        return
    host = format_host(url) or "HOST"
    raise EngineUnreachableError(
        f"{SSH} is not supported as an address of the Docker Engine ({source} names {host})",
        hint="forward its socket: `ssh -nNL /tmp/docker.sock:/var/run/docker.sock HOST`, "
        "and set engine.url to unix:///tmp/docker.sock",
        transient=False,
    )
