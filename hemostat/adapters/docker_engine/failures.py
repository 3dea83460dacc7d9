"""Turns the SDK's errors into EngineErrors: the cause in one short line, and a hint.

An answer may come from a proxy or a web server and contain a page of HTML, which the SDK's exceptions repeat.
A message therefore contains only the engine's explanation, or the HTTP status if there is no explanation.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Final

import msgspec
from docker.errors import APIError, DockerException, InvalidVersion, NotFound
from requests import JSONDecodeError, ReadTimeout, RequestException, Response, Timeout
from urllib3.exceptions import ReadTimeoutError

from hemostat.adapters.docker_engine.mounted_socket import explain_socket
from hemostat.core.redact.address import SHOWN_MASK
from hemostat.errors import (
    EngineError,
    EngineForbiddenError,
    EngineSilentError,
    EngineTimeoutError,
    EngineUnreachableError,
    NoSuchContainerError,
)

MAX_REASON_CHARACTERS: Final = 300
"""A longer explanation is cut in its middle: the engine puts the cause at the end."""
FORBIDDEN_STATUSES: Final = frozenset({401, 403, 405, 407})
"""HTTP status codes of a socket proxy or an authorization plugin."""
SDK_FAILURES: Final = (DockerException, OSError, msgspec.MsgspecError, HTTPException, RecursionError)
"""Exceptions that a failed call of the SDK may raise."""
MALFORMED_ERRORS: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""Exceptions raised while reading an answer that lacks a standard field."""
UNREADABLE_ERRORS: Final = (JSONDecodeError, HTTPException, KeyError)
"""Exceptions of the SDK when it asks a server other than an engine for its version."""
UNAVAILABLE: Final = 503
GATEWAY_STATUSES: Final = frozenset({502, 503, 504})
BAD_REQUEST: Final = 400
BUSY_TEXT: Final = "operation is already running"
"""The engine's refusal of a second disk usage walk, or a second prune, at the same time."""
NO_SWARM_TEXT: Final = "not a swarm manager"
"""An engine without a swarm refuses requests about services with 503, and will not do otherwise."""
TLS_WANTED_TEXT: Final = "HTTP request to an HTTPS server"
SERVER_ERROR: Final = 500
CLIENT_REFUSED_PATTERN: Final = re.compile(
    r"ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)"
    r"|alert (certificate|bad certificate|unknown ca|handshake failure)"
)
"""OpenSSL's texts for a server that refuses the client."""


def translate_failure(error: Exception, doing: str, url: str) -> EngineError:
    if isinstance(error, APIError):
        return _translate_refusal(error, doing, url)
    if isinstance(error, msgspec.MsgspecError | JSONDecodeError | UnicodeDecodeError | RecursionError):
        return _make_unreadable_error(error, doing)
    if isinstance(error, ReadTimeout):
        return EngineTimeoutError(f"{doing}: the Docker Engine at {url} took too long")
    return _make_unreachable_error(error, url)


@contextmanager
def translate_malformed(doing: str) -> Iterator[None]:
    """Raise EngineError for an answer that lacks a standard field or holds it malformed."""
    try:
        yield
    except MALFORMED_ERRORS as error:
        raise _make_unreadable_error(error, doing) from None


def _make_unreadable_error(error: Exception, doing: str) -> EngineError:
    return EngineError(f"{doing}: the response is unreadable ({_describe_error(error)})")


def make_address_error(error: object) -> EngineUnreachableError:
    return EngineUnreachableError(
        f"invalid address of the Docker Engine: {shorten(str(error))}",
        hint="check DOCKER_HOST, DOCKER_CONTEXT and `docker context ls`",
        transient=False,
    )


def is_forbidden(error: BaseException) -> bool:
    """Whether a proxy or plugin in front of the engine refused the call."""
    return any(
        isinstance(each, APIError) and each.status_code in FORBIDDEN_STATUSES for each in _walk_causes(error)
    )


def shorten(text: str) -> str:
    """The text on one line of at most MAX_REASON_CHARACTERS."""
    line = " ".join(text.split())
    if len(line) <= MAX_REASON_CHARACTERS:
        return line
    head = MAX_REASON_CHARACTERS // 3
    return f"{line[:head]} … {line[head + 3 - MAX_REASON_CHARACTERS :]}"


# --- answers ------------------------------------------------------------------------------------------


def _translate_refusal(error: APIError, doing: str, url: str) -> EngineError:
    explanation, status = _read_explanation(error), error.status_code
    if status in FORBIDDEN_STATUSES:
        return _make_forbidden_error(error, doing, explanation)
    if isinstance(error, NotFound) and _names_no_container(error, explanation):
        return NoSuchContainerError(f"{doing}: {explanation or 'no such container'}")
    if status in GATEWAY_STATUSES and not explanation:
        return EngineUnreachableError(
            f"no Docker Engine answers behind {url} ({_format_status(error)})",
            hint="check the proxy in front of it, and that dockerd is running",
        )
    is_lasting = NO_SWARM_TEXT in explanation
    passing = not is_lasting and (status == UNAVAILABLE or explanation.endswith(BUSY_TEXT))
    return EngineError(f"{doing}: {explanation or _format_status(error)}", transient=passing)


def _names_no_container(error: APIError, explanation: str) -> bool:
    """Podman's answers about the processes of an unknown container are empty."""
    headers = {} if error.response is None else error.response.headers
    is_about_container = _find_endpoint(error.response)[1].startswith("/containers/ID/")
    is_empty = is_about_container and headers.get("Content-Length") == "0"
    return is_empty or "no such container" in explanation.lower()


def _make_forbidden_error(error: APIError, doing: str, explanation: str) -> EngineForbiddenError:
    method, path = _find_endpoint(error.response)
    section = path.strip("/").partition("/")[0].upper().replace("_PING", "PING") or "PING"
    settings = f"{section}=1" + ("" if method in {"GET", "HEAD"} else ", POST=1")
    suffix = f": {explanation}" if explanation else ""
    return EngineForbiddenError(
        f"{doing}: the proxy or plugin in front of the Docker Engine forbids {method} {path} "
        f"({_format_status(error)}{suffix})",
        hint=f"allow {method} {path} there (docker-socket-proxy: {settings})",
        endpoint=f"{method} {path}",
    )


def _find_endpoint(response: Response | None) -> tuple[str, str]:
    """The request's method and path, without the API version.

    The id or name of an object is replaced by ID.
    """
    request = None if response is None else response.request
    if request is None:
        return "GET", "/"
    path = re.sub(r"^/v[0-9.]+(?=/)", "", request.path_url.partition("?")[0])
    first, *rest = path.strip("/").split("/")
    if len(rest) > 1 and first != "system":
        rest[0] = "ID"
    return request.method or "GET", "/" + "/".join([first, *rest])


def _read_explanation(error: APIError) -> str:
    """The engine's explanation. Empty if the answer is a page of another server."""
    text = str(error.explanation or "").strip()
    response = error.response
    kind = "" if response is None else response.headers.get("Content-Type", "")
    return "" if "html" in kind.lower() or text.startswith("<") else shorten(text)


def _format_status(error: APIError) -> str:
    reason = "" if error.response is None else shorten(str(error.response.reason or ""))
    return f"HTTP {error.status_code} {reason}".rstrip()


# --- no answer, or another server's ----------------------------------------------------------------------


def _make_unreachable_error(error: Exception, url: str) -> EngineUnreachableError:
    causes = list(_walk_causes(error))
    if (other_server := _recognize_other_server(causes, url)) is not None:
        return other_server
    system = next((each for each in causes if isinstance(each, OSError) and each.errno), None)
    if isinstance(system, PermissionError):
        return EngineUnreachableError(
            f"permission denied on the Docker Engine at {url}",
            hint="add the user to the docker group (usermod -aG docker USER, log in again), run as root, "
            "or name an engine of this user: engine.url=unix:///run/user/UID/podman/podman.sock",
            transient=False,
        )
    if system is None and not any(isinstance(each, RequestException) for each in causes):
        return make_address_error(url if SHOWN_MASK in url else error)
    silent = any(isinstance(each, Timeout | ReadTimeoutError) for each in causes)
    reason = (
        system.strerror
        if system
        else "it does not answer in time"
        if silent
        else _describe_innermost(causes, url)
    )
    cause, hint = explain_socket(url) or (reason, "is dockerd running? Start it, or correct its address")
    is_connected = any(isinstance(each, ReadTimeout) for each in causes)
    error_type = EngineSilentError if is_connected else EngineUnreachableError
    return error_type(f"no Docker Engine answers at {url} ({cause})", hint=hint)


def _recognize_other_server(causes: list[BaseException], url: str) -> EngineUnreachableError | None:
    """The error if a server answers that is not a usable engine, else None."""
    for each in causes:
        if isinstance(each, APIError):
            return _explain_other_server(each, url)
        if isinstance(each, ssl.SSLError):
            return _explain_tls(each, url)
        if isinstance(each, InvalidVersion):
            return _make_unusable_error("its API is too old", url, "install Docker Engine 20.10 or newer")
        if isinstance(each, UNREADABLE_ERRORS) and not isinstance(each, ConnectionError):
            return _make_unusable_error("the server there is not a Docker Engine", url, OTHER_SERVER_HINT)
    return None


def _explain_tls(error: ssl.SSLError, url: str) -> EngineUnreachableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _make_unusable_error(
            f"its certificate is rejected: {error.verify_message}", url, TLS_FILES_HINT
        )
    if CLIENT_REFUSED_PATTERN.search(str(error)):
        return _make_unusable_error("it requires a client certificate that it trusts", url, CLIENT_FILES_HINT)
    return _make_unusable_error("it does not use TLS, or an incompatible version", url, PLAIN_HINT)


def _explain_other_server(error: APIError, url: str) -> EngineUnreachableError:
    explanation = _read_explanation(error)
    if error.status_code == BAD_REQUEST and TLS_WANTED_TEXT in explanation:
        return _make_unusable_error("it requires TLS", url, TLS_HINT)
    if (error.status_code or 0) >= SERVER_ERROR:
        return EngineUnreachableError(
            f"no Docker Engine answers behind {url} ({explanation or _format_status(error)})",
            hint="check the proxy in front of it, and that dockerd is running",
        )
    return _make_unusable_error(
        f"the server there is not a Docker Engine: {_format_status(error)}", url, OTHER_SERVER_HINT
    )


def _make_unusable_error(reason: str, url: str, hint: str) -> EngineUnreachableError:
    return EngineUnreachableError(
        f"the Docker Engine at {url} cannot be used ({shorten(reason)})", hint=hint, transient=False
    )


OTHER_SERVER_HINT: Final = (
    "check engine.url, DOCKER_HOST and `docker context ls`: the port may belong to another server"
)
PLAIN_HINT: Final = "unset DOCKER_TLS_VERIFY and engine.ca_file if the engine listens without TLS there"
TLS_FILES_HINT: Final = (
    "set engine.ca_file, or ca.pem in DOCKER_CERT_PATH, to its authority's certificate, "
    "and use the certificate's host name in the address"
)
CLIENT_FILES_HINT: Final = (
    "set engine.cert_file and engine.key_file, or cert.pem and key.pem in DOCKER_CERT_PATH"
)
TLS_HINT: Final = (
    "set engine.ca_file, engine.cert_file and engine.key_file, or DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
)


def _walk_causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes: the SDK, requests and urllib3 wrap the system's error."""
    while error is not None:
        yield error
        inner = next((each for each in error.args if isinstance(each, BaseException)), None)
        error = error.__cause__ or error.__context__ or inner


def _describe_innermost(causes: list[BaseException], url: str) -> str:
    """The innermost error.

    If the address has a login, only its type: the text may quote part of the address.
    """
    if not causes:
        return ""
    return type(causes[-1]).__name__ if SHOWN_MASK in url else _describe_error(causes[-1])


def _describe_error(error: BaseException) -> str:
    return shorten(f"{type(error).__name__}: {error}")
