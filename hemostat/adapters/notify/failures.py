"""Describes failures of requests to a web service as NotifyErrors: the cause in one line.

Addresses are secrets: only the host's name is shown, and parts that a service repeats are masked.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
import requests
from requests.utils import get_environ_proxies, select_proxy

from hemostat.core.evidence.log_text import render_final_text
from hemostat.core.redact import redact
from hemostat.core.text import escape_controls, truncate
from hemostat.errors import NotifyError

MAX_ANSWER_BYTES: Final = 4000
"""Bytes of an answer that are read."""
MAX_REASON_CHARACTERS: Final = 150
MIN_SECRET_CHARACTERS: Final = 6
"""Shorter parts of an address are not secrets."""
TRANSIENT_STATUSES: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})
HOST_NAME_PATTERN: Final = re.compile(
    r"(?=.{1,100}$)[\w-]+(\.[\w-]+)+|localhost|\[?[0-9a-f:.]+\]?", re.IGNORECASE
)
HINTS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "check its address",
    HTTPStatus.FORBIDDEN: "check its address and its permission to post",
    HTTPStatus.NOT_FOUND: "check its address; create a deleted webhook again",
    HTTPStatus.GONE: "the webhook or its channel was deleted or archived: create another",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "check its limits for messages",
}
PROXY_ERRORS: Final = (requests.exceptions.InvalidProxyURL, requests.exceptions.ProxyError)
TUNNEL_PATTERN: Final = re.compile(r"Tunnel connection failed: (\d{3}[\w .-]{0,60})")
EXPLANATION_KEYS: Final = ("message", "error", "detail", "description")
"""Keys under which services explain a refusal in JSON."""
NO_ANSWER_REASONS: Final = {
    errno.ECONNREFUSED: "refuses the connection: no process listens there",
    errno.ECONNRESET: "closed the connection",
    errno.EPIPE: "closed the connection",
    errno.ENETUNREACH: "cannot be reached: there is no route to its network",
    errno.EHOSTUNREACH: "cannot be reached: there is no route to the host",
}


def make_connection_error(error: Exception, subject: str, url: str) -> NotifyError:
    """The error of an unanswered request. `subject`: what is at the address, such as `the webhook`."""
    if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error):
        return NotifyError(
            f"the proxy of {_find_proxy_variable(url)} is a SOCKS proxy, which needs PySocks",
            hint="pip install PySocks, or name the host in NO_PROXY",
            transient=False,
        )
    if isinstance(error, PROXY_ERRORS) or _is_socks(error):
        return _make_proxy_error(error, url)
    if isinstance(error, requests.exceptions.SSLError):
        return _make_certificate_error(error, subject)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | ValueError):
        return NotifyError(
            f"{subject} failed ({type(error).__name__})", hint="check its address", transient=False
        )
    return NotifyError(f"{subject}{_format_host(url)} {_explain(error)}", transient=True)


def find_refusal(reply: requests.Response, subject: str, url: str, hint: str = "") -> NotifyError | None:
    """The error of a refused request. None if it was accepted."""
    status = reply.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return _refuse_web_page(reply, subject)
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in TRANSIENT_STATUSES
    explanation = _read_explanation(reply, url)
    return NotifyError(
        f"{subject} answered {status}{_format_phrase(status)}" + (f": {explanation}" if explanation else ""),
        hint="" if passing else hint or HINTS.get(status, "check its address"),
        transient=passing,
        wait=parse_retry_after(reply.headers.get("Retry-After", "")),
    )


def parse_retry_after(text: str) -> float | None:
    """Seconds of a Retry-After header.

    None for malformed text, and for a date, which no known service sends.
    """
    return float(text) if text.isdecimal() else None


def _format_phrase(status: int) -> str:
    with suppress(ValueError):
        return f" {HTTPStatus(status).phrase}"
    return ""


# --- no answer ------------------------------------------------------------------------------------------


def _walk_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes."""
    visited_errors: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        each = queue.pop(0)
        if not isinstance(each, BaseException) or any(each is earlier for earlier in visited_errors):
            continue
        visited_errors.append(each)
        yield each
        queue += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _explain(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "does not answer: no connection in time"
    if isinstance(error, requests.Timeout):
        return "does not answer in time"
    for each in _walk_chain(error):
        if isinstance(each, socket.gaierror):
            return _explain_lookup(each)
        if isinstance(each, OSError) and each.errno in NO_ANSWER_REASONS:
            return NO_ANSWER_REASONS[each.errno]
    if any(type(each).__name__ == "RemoteDisconnected" for each in _walk_chain(error)):
        return "closed the connection without an answer"
    return f"does not answer ({type(error).__name__})"


def _explain_lookup(error: socket.gaierror) -> str:
    if error.errno == socket.EAI_AGAIN:
        return "cannot be resolved: no name server answers"
    return "cannot be resolved: the host name is unknown"


def _format_host(url: str) -> str:
    """` at` and the host's name. Empty if the text may not be a host name."""
    with suppress(ValueError):
        name = urlsplit(url).hostname or ""
        if HOST_NAME_PATTERN.fullmatch(name):
            return f" at {name}"
    return ""


# --- proxies --------------------------------------------------------------------------------------------


def _find_proxy(url: str) -> str:
    """The proxy that the environment names for the address. Empty without a proxy."""
    with suppress(ValueError):
        return str(select_proxy(url, get_environ_proxies(url)) or "")
    return ""


def _find_proxy_variable(url: str) -> str:
    """The environment variable that names the proxy."""
    proxy = _find_proxy(url)
    names = [f"{urlsplit(url).scheme}_proxy", "all_proxy"]
    spellings = [spelling for name in names for spelling in (name, name.upper())]
    return next((name for name in spellings if os.environ.get(name) == proxy), "the environment")


def _is_socks(error: Exception) -> bool:
    return any(type(each).__module__ in {"socks", "urllib3.contrib.socks"} for each in _walk_chain(error))


def _make_proxy_error(error: Exception, url: str) -> NotifyError:
    texts = [str(each) for each in _walk_chain(error) if isinstance(each, OSError)]
    refusal = next(filter(None, map(TUNNEL_PATTERN.search, texts)), None)
    why = f"answered {refusal[1].strip()}" if refusal else _explain(error)
    where = f"the proxy{_format_host(_find_proxy(url))}, which {_find_proxy_variable(url)} names,"
    return NotifyError(f"{where} {why}", hint="check the proxy, or name the host in NO_PROXY", transient=True)


# --- TLS ------------------------------------------------------------------------------------------------


def _make_certificate_error(error: BaseException, subject: str) -> NotifyError:
    """The error is transient: a certificate can be renewed without a change here.

    OpenSSL's text is shown without the parts that contain the address.
    """
    while error.__context__:
        error = error.__context__
    if why := getattr(error, "verify_message", ""):
        return NotifyError(
            f"{subject}'s certificate is not trusted: {why.partition(',')[0]}",
            hint="correct it there, or set REQUESTS_CA_BUNDLE to a file with its certificate authority",
            transient=True,
        )
    why = str(getattr(error, "reason", None) or type(error).__name__).replace("_", " ").lower()
    return NotifyError(f"TLS with {subject} failed: {why}", hint="check its address", transient=True)


# --- answers --------------------------------------------------------------------------------------------


def _read_explanation(reply: requests.Response, url: str) -> str:
    """The service's explanation in one line, without HTML and without the address."""
    if _is_page(text := _read_beginning(reply)):
        return ""
    explanation = redact(_mask_address(_extract_text(text), url))
    return truncate(
        " ".join(escape_controls(render_final_text(explanation).replace("\n", " ")).split()),
        MAX_REASON_CHARACTERS,
    )


def _read_beginning(reply: requests.Response) -> str:
    """The part of the body that has already arrived: an endless body is not waited for."""
    with suppress(Exception):
        return bytes(reply.raw.read1(MAX_ANSWER_BYTES, decode_content=True)).decode("utf-8", "replace")
    return ""


def _extract_text(text: str) -> str:
    """The explanation in a JSON object, else the whole text."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    while isinstance(value, dict):
        value = next((value[key] for key in EXPLANATION_KEYS if value.get(key)), "")
    return value if isinstance(value, str) else ""


def _mask_address(text: str, url: str) -> str:
    """The text without parts of the address, in any encoding. The host's name may stay."""
    login, _, location = url.partition("://")[2].rpartition("@")
    path = location.partition("/")[2]
    parts = [part for part in re.split(r"[/?&=#:]", f"{login}/{path}") if len(part) >= MIN_SECRET_CHARACTERS]
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        text = text.replace(part, "[redacted]")
    return text


def _is_page(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def _refuse_web_page(reply: requests.Response, subject: str) -> NotifyError | None:
    """The error of a web page as answer: it comes from another server, such as a captive portal."""
    if "html" not in reply.headers.get("Content-Type", "") or not _is_page(_read_beginning(reply)):
        return None
    return NotifyError(
        f"{subject} answered with a web page, so it is not a webhook",
        hint="check its address",
        transient=True,
    )
