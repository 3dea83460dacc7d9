"""The HTTP handling of both vendors: answers of bounded size, and failures as AdvisorErrors.

No key, and no server text about a key, appears in a message.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec

from hemostat.core.redact import redact
from hemostat.core.redact.address import format_host
from hemostat.core.text import escape_controls
from hemostat.core.units import parse_duration
from hemostat.errors import AdvisorDeclinedError, AdvisorError, AdvisorUnreachableError

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")
Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
"""A token count that can be summed: neither negative nor huge."""

MAX_BODY_BYTES: Final = 512 * 1024
"""Bytes of an answer that are read. One turn of a model needs a hundredth of it."""
MAX_QUOTED_CHARACTERS: Final = 200
"""Characters of a server's own text in a message."""
TRANSIENT_STATUSES: Final = frozenset({408, 409, 425, 429})
DECLINED_KINDS: Final = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
"""Kinds of errors by which a service declines a prompt because of its content."""
NO_CREDIT_KINDS: Final = frozenset({"insufficient_quota", "billing_error"})
STATUS_HINTS: Final = {
    400: "its message names the setting",
    401: "check the key: analyzer.api_key, or the vendor's environment variable",
    402: "the account has no credit left",
    403: "this key has no access to this model, or not from this location",
    404: "check analyzer.model, and analyzer.base_url, which ends in /v1 for OpenAI's protocol only",
    413: "the request is too large: lower analyzer.max_tokens",
}


class Service:
    """A server and the SDK that calls it. `base_url` is the configured address, else empty."""

    def __init__(self, sdk: "ModuleType", vendor: str, base_url: str, key: str) -> None:
        from hemostat.adapters.llm.body_limit import bound_connections, make_bounding_hooks

        self._sdk = sdk
        self._key = key
        self.name = f"the server at {format_host(base_url)}" if base_url else vendor
        self.http = sdk.DefaultHttpxClient(
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            event_hooks=make_bounding_hooks(self.name, MAX_BODY_BYTES),
        )
        bound_connections(self.http, MAX_BODY_BYTES)

    def decode(self, body: bytes, shape: type[T]) -> T:
        """The parsed body. Raises AdvisorError if it does not have this shape."""
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.make_unreadable_error(str(error)) from None

    def make_unreadable_error(self, why: str) -> AdvisorError:
        return AdvisorError(
            f"{self.name} returned an unreadable response: {self._quote(why)}",
            hint="check that analyzer.base_url matches analyzer.advisor",
            answered=True,
        )

    def make_refusal(self, why: str | None) -> AdvisorDeclinedError:
        detail = f": {self._quote(why)}" if why else ""
        return AdvisorDeclinedError(f"{self.name} declined to answer{detail}", answered=True)

    def make_cut_short_error(self, tokens: int) -> AdvisorDeclinedError:
        return AdvisorDeclinedError(
            f"{self.name} had not finished after {tokens} tokens",
            hint="use a model that needs fewer tokens",
            answered=True,
        )

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Raise the SDK's exceptions as AdvisorErrors."""
        sdk = self._sdk
        try:
            yield
        except sdk.APITimeoutError:
            raise AdvisorUnreachableError(
                f"{self.name} did not answer in time", hint="raise analyzer.timeout, or use a faster model"
            ) from None
        except sdk.APIConnectionError as error:
            if isinstance(error.__cause__, AdvisorError):
                raise error.__cause__ from None
            raise AdvisorUnreachableError(
                f"{self.name} cannot be reached ({self._quote(_describe_innermost(error))})",
                hint="check the network, the proxy settings and analyzer.base_url",
            ) from None
        except sdk.APIStatusError as error:
            raise self._make_status_error(error.status_code, error.response.headers, error.body) from None
        except sdk.APIError as error:
            raise self.make_unreadable_error(type(error).__name__) from None

    def _make_status_error(self, status: int, headers: Mapping[str, str], body: object) -> AdvisorError:
        kind, message = _read_error(body)
        if kind in DECLINED_KINDS:
            return self.make_refusal(message)
        detail = "" if status == HTTPStatus.UNAUTHORIZED or not message else f": {self._quote(message)}"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return AdvisorError(
                f"{self.name} answered with a redirect ({status})",
                hint="set analyzer.base_url to the target of the redirect",
            )
        passing = status in TRANSIENT_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if kind in NO_CREDIT_KINDS:
            passing, status = False, HTTPStatus.PAYMENT_REQUIRED
        return AdvisorError(
            f"{self.name} answered {int(status)}{detail}",
            hint="" if passing else STATUS_HINTS.get(status, ""),
            transient=passing,
            wait=read_retry_after(headers, time.time()) if passing else None,
        )

    def _quote(self, text: str) -> str:
        """A server's text on one line, bounded, without secrets."""
        if self._key:
            text = text.replace(self._key, "[redacted: key]")
        return escape_controls(
            redact(" ".join(text[: 2 * MAX_QUOTED_CHARACTERS].split()))[:MAX_QUOTED_CHARACTERS]
        )


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait before the next request, as of `now` (epoch seconds). None if the service does not say.

    Read from `retry-after-ms`, then `Retry-After` as seconds or a date, then the reset time of OpenAI's
    limits ("6m0s").
    """
    for names, read in _TIMES:
        delays = [_parse_seconds(headers[name], read, now) for name in names if name in headers]
        known_delays = [seconds for seconds in delays if seconds is not None]
        if known_delays:
            return max(known_delays)
    return None


def _parse_seconds(text: str, read: Callable[[str, float], float], now: float) -> float | None:
    try:
        seconds = read(text, now)
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if isfinite(seconds) else None


def _parse_from_now(text: str, now: float) -> float:
    try:
        return float(text)
    except ValueError:
        return parsedate_to_datetime(text).timestamp() - now


_TIMES: Final[Sequence[tuple[Sequence[str], Callable[[str, float], float]]]] = (
    (("retry-after-ms",), lambda text, _: float(text) / 1000),
    (("retry-after",), _parse_from_now),
    (("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"), lambda text, _: parse_duration(text)),
)


def _read_error(body: object) -> tuple[str, str]:
    """An error's kind and text from any form of answer: {"error": {…}}, its content alone, or a string."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(inner, dict):
        return "", inner if isinstance(inner, str) else ""
    kind = inner.get("code") or inner.get("type")
    return str(kind or ""), str(inner.get("message") or "")


def _describe_innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def replace_unencodable(text: str) -> str:
    """The text without characters that UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


def format_call_request(tool: str) -> str:
    """Text that asks for a call of this tool."""
    return f"Call the tool {tool} now. Anything else goes unread."
