"""The address of the Docker Engine: the configured URL, DOCKER_HOST, the docker context or the default."""

import os
from typing import Any, Final

from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from hemostat.adapters.docker_engine.failures import make_address_error
from hemostat.core.redact.address import format_host, has_login, mask_url
from hemostat.core.settings.local_address import use_ipv4_localhost
from hemostat.errors import EngineUnreachableError

SSH: Final = "ssh://"


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
    _refuse_ssh(str(options.get("base_url", "")), source)
    if options.get("base_url") and not options.get("tls"):
        options["base_url"] = use_ipv4_localhost(str(options["base_url"]))
    return options


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
