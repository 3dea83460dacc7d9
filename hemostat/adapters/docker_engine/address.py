"""The address of the engine: the configured URL, DOCKER_HOST, the docker context, or a socket of this
host."""

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from docker.utils.config import find_config_file

from hemostat.adapters.docker_engine.failures import make_address_error
from hemostat.core.redact.address import format_host, mask_url
from hemostat.core.settings.local_address import is_loopback, use_ipv4_localhost
from hemostat.core.settings.ssh_address import is_ssh, parse_ssh_address
from hemostat.errors import EngineUnreachableError
from hemostat.text_file import read_bytes

if TYPE_CHECKING:
    from hemostat.adapters.docker_engine.tls import Tls

logger = logging.getLogger(__name__)

DEFAULT_CONTEXT: Final = "default"
"""The name of the context that has no file."""
MAX_ADDRESS_CHARACTERS: Final = 4096
ENDPOINT: Final = "docker"
"""The name of the engine's address in a docker context."""
LOCAL_SCHEMES: Final = ("unix:", "http+unix:", "npipe:")
DEFAULT_SOCKET: Final = "var/run/docker.sock"
ROOTLESS_DOCKER_SOCKET: Final = "docker.sock"
"""In the user's XDG_RUNTIME_DIR."""
PODMAN_SOCKET: Final = "run/podman/podman.sock"
"""Podman's socket for root, by systemd's `podman.socket`."""
DEFAULT_URL: Final = f"unix:///{DEFAULT_SOCKET}"
DEFAULT_URLS: Final = frozenset({DEFAULT_URL, f"http+{DEFAULT_URL}", "http+docker://localhost"})
PROGRAM_FOLDERS: Final = ("usr/bin", "usr/sbin", "usr/local/bin", "snap/bin")


def find_address(url: str | None, tls: "Tls | None" = None) -> dict[str, Any]:
    """The SDK's `base_url` and `tls`: from `url`, DOCKER_HOST, the command line's context, or the default.

    `tls` takes precedence over the TLS files of the environment or the context. Raises EngineUnreachableError
    for an unreadable address for ssh, for a context that does not exist or cannot be read, and for files that
    cannot be used. The SDK does not know ssh: `ClientPool` opens a tunnel.
    """
    host = url or os.environ.get("DOCKER_HOST")
    context = os.environ.get("DOCKER_CONTEXT")
    check_docker_config()
    try:
        base_url, found_tls = (host, _read_environment()) if host else _read_context(context)
    except EngineUnreachableError:
        raise
    except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions for a context it cannot read
        raise make_address_error(error) from None
    if not host and (base_url or DEFAULT_URL) in DEFAULT_URLS:
        base_url = find_default_url(os.environ, Path("/"), os.geteuid())
    base_url = base_url or DEFAULT_URL
    if is_ssh(base_url):
        _check_ssh_address(base_url)
    if base_url.startswith(LOCAL_SCHEMES) or is_ssh(base_url):
        if tls is not None:
            raise _make_plain_error(base_url, tls)
        return {"base_url": base_url}
    if (tls := tls or found_tls) is None:
        return {"base_url": use_ipv4_localhost(base_url)}
    from hemostat.adapters.docker_engine.tls import make_config

    return {"base_url": base_url, "tls": make_config(tls)}


def check_docker_config() -> None:
    """Check the docker command's config.json, which the SDK opens for each client and reads to its end.

    One that this user may not read does not count. Raises EngineUnreachableError if it is no file, or too
    large.
    """
    name: Any = find_config_file()
    if name is None:
        return
    path = Path(name)
    try:
        read_bytes(path)
    except OSError as error:
        logger.debug("docker_config.unreadable error=%s", error.strerror)
    except ValueError as error:
        raise EngineUnreachableError(
            f"docker's configuration {path} {error}",
            hint="check DOCKER_CONFIG and the home directory",
            transient=False,
        ) from None


def _check_ssh_address(url: str) -> None:
    try:
        parse_ssh_address(url)
    except ValueError as error:
        raise make_address_error(f"{mask_url(url)}: {error}") from None


def _read_environment() -> "Tls | None":
    if not any(os.environ.get(name) for name in ("DOCKER_TLS_VERIFY", "DOCKER_TLS")):
        return None
    from hemostat.adapters.docker_engine.tls import read_environment

    return read_environment(os.environ, Path.home())


def _make_plain_error(url: str, tls: "Tls") -> EngineUnreachableError:
    name = next(name for name in ("ca_file", "cert_file", "key_file") if getattr(tls, name))
    return EngineUnreachableError(
        f"engine.{name} is set, but {mask_url(url)} does not use TLS", hint="use tcp://", transient=False
    )


def find_risk(url: str, *, encrypted: bool, verified: bool) -> str:
    """What others on the network could do to a connection with this address. Empty if nothing."""
    if url.startswith(LOCAL_SCHEMES) or is_ssh(url) or is_loopback(format_host(url)):
        return ""
    if not encrypted and not url.startswith("https:"):
        return "the connection is not encrypted"
    return "" if verified else "the engine's certificate is not verified"


def find_default_url(environment: Mapping[str, str], root: Path, user: int) -> str:
    """The URL of dockerd's socket if `user` may use the socket, else of the user's own rootless Docker, else
    of Podman, in each case of a socket that belongs to `user` or to root.

    Rootless Docker needs the same program dockerd, so that the program says nothing about which is used.
    Podman's socket may exist beside Docker, and before dockerd's does: it is not used where dockerd is
    running or installed.
    """
    is_running = _is_socket(root / DEFAULT_SOCKET, user)
    if is_running and os.access(root / DEFAULT_SOCKET, os.R_OK | os.W_OK):
        return DEFAULT_URL
    runtime = environment.get("XDG_RUNTIME_DIR", "").lstrip("/") if user else ""
    if runtime and _is_socket(root / runtime / ROOTLESS_DOCKER_SOCKET, user):
        return f"unix:///{runtime}/{ROOTLESS_DOCKER_SOCKET}"
    if is_running or any((root / folder / "dockerd").exists() for folder in PROGRAM_FOLDERS):
        return DEFAULT_URL
    podman = PODMAN_SOCKET if user == 0 else f"{runtime}/podman/podman.sock"
    is_own = user == 0 or bool(runtime)
    return f"unix:///{podman}" if is_own and _is_socket(root / podman, user) else DEFAULT_URL


def _is_socket(path: Path, user: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid in {0, user}


class _ContextEndpoint(msgspec.Struct):
    host: Annotated[str, msgspec.Meta(max_length=MAX_ADDRESS_CHARACTERS)] = msgspec.field(
        default="", name="Host"
    )
    skip_verification: bool = msgspec.field(default=False, name="SkipTLSVerify")


class _ContextEndpoints(msgspec.Struct):
    docker: _ContextEndpoint = msgspec.field(default_factory=_ContextEndpoint)


class _ContextFile(msgspec.Struct):
    """The docker command's meta.json. A missing field has the value that it has for that command."""

    endpoints: _ContextEndpoints = msgspec.field(default_factory=_ContextEndpoints, name="Endpoints")


def _read_context(name: str | None) -> "tuple[str, Tls | None]":
    """The address and the TLS files. As the docker command, TLS is used if the context has such files, or
    says that the certificate is not to be verified. The SDK would read a file of any size, and leave the
    certificate unverified where the context does not say."""
    from docker.context.config import get_current_context_name, get_meta_file, get_tls_dir

    name = name or get_current_context_name() or DEFAULT_CONTEXT
    if not isinstance(name, str):  # the SDK returns what stands there
        raise ValueError("currentContext in docker's configuration is not a text")  # noqa: TRY004 - a bad value
    if name == DEFAULT_CONTEXT:
        return "", None
    file = Path(get_meta_file(name))
    if not file.exists():
        raise ValueError(f"no docker context is named {name}")
    try:
        context = msgspec.json.decode(read_bytes(file), type=_ContextFile)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} of the docker context {name}: {error}") from None
    endpoint = context.endpoints.docker
    directory = Path(get_tls_dir(name, ENDPOINT))
    if not directory.is_dir():
        return endpoint.host, None
    from hemostat.adapters.docker_engine.tls import read_directory

    verify = not endpoint.skip_verification
    return endpoint.host, read_directory(directory, f"docker context {name}", verify=verify)
