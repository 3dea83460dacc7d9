"""Where the engine is, how threads share the way to it, and what its failures are called here."""

import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import docker
import msgspec
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound, create_api_error_from_http_exception
from docker.utils import kwargs_from_env
from requests import HTTPError, PreparedRequest, ReadTimeout, RequestException, Response, Timeout

from hemostat.errors import EngineError, EngineUnreachableError, NoSuchContainerError

UNAVAILABLE = 503
BUSY = "operation is already running"
"""How the engine refuses a second walk over its files, or a second prune, at a time."""
SOCKET = "http+docker://localhost"
"""Over a unix socket, the SDK would keep one connection open for each of the last 25 paths it asked for."""


class Connection:
    """A store of clients: each is used by one thread at a time, for the SDK's session is not thread-safe."""

    def __init__(self, address: dict[str, Any], timeout: float) -> None:
        self.url = str(address.get("base_url", "the default socket"))
        self._address = address
        self._timeout = timeout
        self._version = "auto"
        self._closed = False
        self._idle: deque[docker.APIClient] = deque()

    @contextmanager
    def client(self, doing: str) -> Iterator[docker.APIClient]:
        """Lend a client. Whatever fails inside is raised as an EngineError that says what was being done."""
        try:
            _knock(self.url, self._timeout)
            client = self._take()
            try:
                yield client
            finally:
                self._give_back(client)
        except (DockerException, OSError) as error:
            raise translate(error, doing, self.url) from None

    def _take(self) -> docker.APIClient:
        try:
            return self._idle.pop()
        except IndexError:
            client = docker.APIClient(version=self._version, timeout=self._timeout, **self._address)  # type: ignore[arg-type]  # the stub knows whole seconds only
            self._version = client.api_version
            if client.base_url == SOCKET:
                client.headers["Connection"] = "close"
            return client

    def _give_back(self, client: docker.APIClient) -> None:
        self._idle.append(client)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _knock(url: str, timeout: float) -> None:
    """Raise OSError if nobody listens on a unix socket. The SDK would find out too, but it leaves a socket
    that could not connect open, and its errors hide the system's."""
    scheme, _, path = url.partition("://")
    if scheme.endswith("unix"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout)
            knocking.connect(f"/{path.lstrip('/')}")


def getter(client: docker.APIClient) -> Callable[[str], bytes]:
    """GETs by the client's adapter, of paths below the API's version. Its session, which works out anew for
    each what is the same for all, takes more time than the engine."""
    adapter = client.get_adapter(client.base_url)
    environment: dict[str, Any] = dict(
        client.merge_environment_settings(client.base_url, {}, None, None, None)
    )

    def get(path: str) -> bytes:
        request = PreparedRequest()
        request.method, request.headers = "GET", client.headers  # type: ignore[assignment]  # it knows no other kind
        request.url = f"{client.base_url}/v{client.api_version}{quote(path, safe='/:')}"
        response = adapter.send(request, timeout=client.timeout, **environment)
        require(response)
        return response.content

    return get


def inspected(get: Callable[[str], bytes], container: str) -> dict[str, Any]:
    return msgspec.json.decode(get(f"/containers/{container}/json"), type=dict[str, Any])


def base(client: docker.APIClient) -> str:
    """Of the addresses that are asked for without the SDK's own method."""
    return f"{client.base_url}/v{client.api_version}"


def json_of(response: Response) -> dict[str, Any]:
    require(response)
    return msgspec.json.decode(response.content, type=dict[str, Any])


def require(response: Response) -> None:
    """Raise the SDK's error for an answer that was asked for without the SDK's own method."""
    try:
        response.raise_for_status()
    except HTTPError as error:
        raise create_api_error_from_http_exception(error) from None


def address(url: str | None) -> dict[str, Any]:
    """The SDK's `base_url` and `tls`: from `url`, DOCKER_HOST, the command line's context, or the default.

    Raises EngineUnreachableError for a context that does not exist or cannot be read.
    """
    environment = {**os.environ, "DOCKER_HOST": url} if url else dict(os.environ)
    try:
        if environment.get("DOCKER_HOST"):
            return dict(kwargs_from_env(environment))
        return _context(environment.get("DOCKER_CONTEXT"))
    except Exception as error:  # noqa: BLE001 - the SDK raises bare ones for a context it cannot read
        raise _unusable(error) from None


def _context(name: str | None) -> dict[str, Any]:
    context = ContextAPI.get_context(name)
    if context is None:
        raise ValueError(f"there is no docker context {name or 'of the configured name'}")
    found = {"base_url": context.Host, "tls": context.TLSConfig}
    return {key: value for key, value in found.items() if value}


def translate(error: Exception, doing: str, url: str) -> EngineError:
    """Our word for the SDK's failure; the engine's own explanation is kept."""
    if isinstance(error, APIError):
        return _refused(error, doing)
    if isinstance(error, ReadTimeout):
        return EngineError(f"{doing}: the Docker Engine at {url} took too long", transient=True)
    return _unreachable(error, url)


def _refused(error: APIError, doing: str) -> EngineError:
    reason = _one_line(error.explanation or error)
    if isinstance(error, NotFound) and "no such container" in reason.lower():
        return NoSuchContainerError(f"{doing}: {reason}")
    passing = error.status_code == UNAVAILABLE or reason.endswith(BUSY)
    return EngineError(f"{doing}: {reason}", transient=passing)


def _unreachable(error: Exception, url: str) -> EngineUnreachableError:
    causes = list(_causes(error))
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.errno), None)
    if isinstance(system, PermissionError):
        return EngineUnreachableError(
            f"permission denied on the Docker Engine at {url}",
            hint="add the user to the docker group (usermod -aG docker USER, log in again) or run as root",
            transient=False,
        )
    if system is None and not any(isinstance(cause, RequestException) for cause in causes):
        return _unusable(error)
    silent = any(isinstance(cause, Timeout) for cause in causes)
    reason = system.strerror if system else "it does not answer in time" if silent else _one_line(error)
    return EngineUnreachableError(
        f"no Docker Engine answers at {url} ({reason})",
        hint="is dockerd running? Start it, or set DOCKER_HOST",
    )


def _unusable(error: Exception) -> EngineUnreachableError:
    return EngineUnreachableError(
        f"the address of the Docker Engine cannot be used: {_one_line(error)}",
        hint="look at DOCKER_HOST, DOCKER_CONTEXT and `docker context ls`",
        transient=False,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what is under it: the SDK, requests and urllib3 wrap the system's."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
