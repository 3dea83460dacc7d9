"""A dead man's switch as healthchecks.io has it: a URL that is called while all is well. The URL is a
secret."""

from http import HTTPStatus
from typing import Final

import requests

from hemostat.errors import NotifyError

TIMEOUT: Final = 5.0
LONGEST: Final = 1000


class Heartbeat:
    def __init__(self, url: str, *, signals: bool) -> None:
        """`signals`: whether it knows /start and /fail."""
        self._url = url
        self._signals = signals

    def beat(self) -> None:
        self._call("")

    def start(self) -> None:
        if self._signals:
            self._call("/start")

    def fail(self, why: str) -> None:
        if self._signals:
            self._call("/fail", why[:LONGEST])

    def _call(self, signal: str, body: str = "") -> None:
        base, mark, query = self._url.partition("?")
        url = f"{base.rstrip('/') if signal else base}{signal}{mark}{query}"
        try:
            reply = requests.request(
                "POST" if body else "GET", url, data=body.encode(), timeout=TIMEOUT, allow_redirects=False
            )
        except (requests.RequestException, ValueError) as error:
            raise NotifyError(
                f"the heartbeat URL does not answer ({type(error).__name__})", transient=True
            ) from None
        if reply.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise NotifyError(
                f"the heartbeat URL answered {reply.status_code}", hint="check alert.heartbeat_url"
            )
