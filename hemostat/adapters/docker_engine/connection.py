"""A pool of SDK clients shared by threads. Failures are raised as EngineErrors."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

import docker
from docker.errors import APIError, DockerException, create_api_error_from_http_exception
from requests import HTTPError, PreparedRequest, Response
from requests.adapters import BaseAdapter

from hemostat.adapters.docker_engine import podman_api
from hemostat.adapters.docker_engine.address import check_docker_config, find_risk
from hemostat.adapters.docker_engine.answer_deadline import end_deadline, limit_answers
from hemostat.adapters.docker_engine.answers import (
    MAX_ANSWER_BYTES,
    decode_answer,
    read_body,
    require_few_values,
)
from hemostat.adapters.docker_engine.failures import (
    SDK_FAILURES,
    is_forbidden,
    translate_failure,
    translate_malformed,
)
from hemostat.adapters.docker_engine.mounted_socket import find_socket_path
from hemostat.adapters.docker_engine.stream_pace import StreamPace
from hemostat.core.redact.address import mask_url
from hemostat.core.settings.ssh_address import is_ssh, parse_ssh_address
from hemostat.errors import EngineError, EngineUnreachableError

if TYPE_CHECKING:
    from hemostat.adapters.docker_engine.ssh_tunnel import SshTunnel

OLDEST_API = "1.41"
"""The API version of Docker 20.10, used where a proxy forbids asking the engine for its own."""
SOCKET = "http+docker://localhost"
"""The SDK's base URL for a unix socket.

There the SDK would keep a connection open for each of the last 25 paths it requested, so the pool sends
`Connection: close`.
"""


PLAIN_ENCODING: Final = "identity"


class BoundedClient(docker.APIClient):
    """An SDK client that reads answers up to a limit of bytes and of time, and follows no redirect, whatever
    method is called."""

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        self.headers["Accept-Encoding"] = PLAIN_ENCODING  # here, since the SDK's constructor sends a request
        limit_answers(adapter)
        super().mount(prefix, adapter)

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        request.register_hook("response", _bound_answer)  # type: ignore[no-untyped-call]  # the stub has no types
        return super().send(request, **options)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As the session's, but REQUESTS_CA_BUNDLE does not replace the engine's authority."""
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


def _bound_answer(response: Response, *, stream: bool = False, **_: Any) -> None:
    _refuse_unrequested(response)
    if not stream:
        _load_body(response)
    elif response.ok:
        end_deadline(response)


def _refuse_unrequested(response: Response) -> None:
    """Raise EngineError for a redirect, whose address is not the configured engine's, and for a compressed
    answer, which may expand to any size."""
    if response.is_redirect:
        response.close()
        raise EngineError(f"the engine answers with a redirect (HTTP {response.status_code})")
    if response.headers.get("Content-Encoding", PLAIN_ENCODING).strip().lower() != PLAIN_ENCODING:
        response.close()
        raise EngineError("the engine's response is compressed, which was not requested")


def _load_body(response: Response) -> None:
    """Read the body up to the limits, where the SDK will look for it."""
    body = read_body(response)
    require_few_values(body)
    response._content = body  # noqa: SLF001 - requests itself has no limit


class ClientPool:
    """SDK clients, each lent to one thread at a time: the SDK's session is not thread-safe."""

    def __init__(self, address: dict[str, Any], timeout: float) -> None:
        self.url = str(address.get("base_url", "the default socket"))
        self.shown_url = mask_url(self.url) if "://" in self.url else self.url
        tls = address.get("tls")
        self.risk = find_risk(self.url, encrypted=tls is not None, verified=tls is None or bool(tls.verify))
        """As of `find_risk`."""
        self._address, self._tunnel = address, None
        if is_ssh(self.url):
            self._tunnel, self.shown_url = _make_tunnel(self.url)
            self._address = {"base_url": self._tunnel.url}
        self._timeout = timeout
        self._version = "auto"
        self._is_closed = threading.Event()
        self.pace = StreamPace(self._is_closed)
        """The pace of events and of long lists."""
        self._idle: deque[docker.APIClient] = deque()

    @contextmanager
    def lend_client(self, doing: str) -> Iterator[docker.APIClient]:
        """Lend a client. Exceptions inside, also those of a malformed answer, are raised as EngineErrors that
        name the operation `doing`."""
        with translate_malformed(doing), self.translate_errors(doing):
            self._reach()
            client = self._take()
            try:
                yield client
            finally:
                self._give_back(client)

    @contextmanager
    def translate_errors(self, doing: str) -> Iterator[None]:
        """Raise the SDK's exceptions as EngineErrors that name the operation `doing`."""
        try:
            yield
        except SDK_FAILURES as error:
            failure = translate_failure(error, doing, self.shown_url)
            if self._tunnel is not None and isinstance(failure, EngineUnreachableError):
                failure = self._tunnel.explain(failure)
            raise failure from None

    def _reach(self) -> None:
        if self._tunnel is None:
            _check_socket(self.url, self._timeout)
        else:
            self._tunnel.open()

    def _take(self) -> docker.APIClient:
        with suppress(IndexError):
            return self._idle.pop()
        client = self._connect()
        self._version = client.api_version
        if client.base_url == SOCKET:
            client.headers["Connection"] = "close"
        return client

    def _connect(self) -> docker.APIClient:
        check_docker_config()
        try:
            return BoundedClient(version=self._version, timeout=self._timeout, **self._address)  # type: ignore[arg-type]  # the stub allows whole seconds only
        except DockerException as error:
            if not is_forbidden(error):
                raise
            return BoundedClient(version=OLDEST_API, timeout=self._timeout, **self._address)  # type: ignore[arg-type]  # as above

    def _give_back(self, client: docker.APIClient) -> None:
        self._idle.append(client)
        if self._is_closed.is_set():
            self.close()

    def close(self) -> None:
        """Close idle clients and the tunnel now, and lent clients when they are returned."""
        self._is_closed.set()
        if self._tunnel is not None:
            self._tunnel.close()
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _make_tunnel(url: str) -> "tuple[SshTunnel, str]":
    """The tunnel, which is not open yet, and the address in a form that may be shown."""
    from hemostat.adapters.docker_engine.ssh_tunnel import SshTunnel

    address = parse_ssh_address(url)
    return SshTunnel(address), str(address)


def _check_socket(url: str, timeout: float) -> None:
    """Raise OSError if no process listens on a unix socket.

    The SDK's own attempt leaves the failed socket open, and its errors hide the system's error.
    """
    if (path := find_socket_path(url)) is not None:
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout)
            knocking.connect(str(path))


class Get(Protocol):
    def __call__(self, path: str, query: str = "", most: int = MAX_ANSWER_BYTES) -> bytes: ...


Open = Callable[[str, str], Response]


def make_getter(client: docker.APIClient, timeout: float | None = None) -> Get:
    """A function that GETs a path below the API version and returns at most `most` bytes of the answer.

    `timeout`: seconds, the client's own by default.
    """
    opener = make_opener(client, timeout)
    return lambda path, query="", most=MAX_ANSWER_BYTES: read_body(opener(path, query), most)


def make_opener(client: docker.APIClient, timeout: float | None = None) -> Open:
    """A function that GETs a path through the client's adapter and returns the unread answer.

    The SDK's session computes the same settings again for each request, which takes longer than the engine
    itself.
    """
    adapter = client.get_adapter(client.base_url)
    environment: dict[str, Any] = dict(
        client.merge_environment_settings(client.base_url, {}, None, None, None)
    )

    def get(path: str, query: str) -> Response:
        request = PreparedRequest()
        request.method, request.headers = "GET", client.headers  # type: ignore[assignment]  # the stub allows no other headers
        request.url = f"{find_base_url(client)}{quote(path, safe='/:')}{'?' if query else ''}{query}"
        response = adapter.send(request, timeout=timeout or client.timeout, **environment)
        raise_for_status(response)
        return response

    return get


def inspect_container(open_answer: Open, container: str) -> dict[str, Any]:
    """The container's inspection. On Podman, with the fields of its own API (`podman_api.LIBPOD_FIELD`)."""
    answer = open_answer(f"/containers/{container}/json", "")
    inspected = decode_answer(read_body(answer), dict[str, Any])
    if podman_api.is_podman_answer(answer.headers):
        inspected[podman_api.LIBPOD_FIELD] = {}
        with suppress(APIError):  # A proxy may forbid Podman's own API.
            own = open_answer(f"{podman_api.LIBPOD_PATH}/containers/{container}/json", "")
            inspected[podman_api.LIBPOD_FIELD] = decode_answer(read_body(own), dict[str, Any])
    return inspected


def find_base_url(client: docker.APIClient) -> str:
    """The base URL, with API version, for requests without a method of the SDK."""
    return f"{client.base_url}/v{client.api_version}"


def read_json(response: Response) -> dict[str, Any]:
    raise_for_status(response)
    return decode_answer(read_body(response), dict[str, Any])


def raise_for_status(response: Response) -> None:
    """Raise the SDK's error for a request made without a method of the SDK."""
    _refuse_unrequested(response)
    if not response.ok:
        _load_body(response)
    try:
        response.raise_for_status()
    except HTTPError as error:
        raise create_api_error_from_http_exception(error) from None
