"""A dead man's switch as healthchecks.io has it: a URL that is called while all is well. The URL is a
secret. Of an answer only its head is read."""

import logging
from http import HTTPStatus
from typing import Final

import requests

from hemostat.errors import NotifyError

TIMEOUT: Final = 5.0
LONGEST: Final = 1000

# It warns of an answer that it cannot parse, and names the address.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


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
            with requests.request(
                "POST" if body else "GET",
                url,
                data=body.encode(),
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as reply:
                status = reply.status_code
        except (requests.RequestException, ValueError) as error:
            raise NotifyError(
                f"the heartbeat URL does not answer ({type(error).__name__})", transient=True
            ) from None
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise NotifyError(f"the heartbeat URL answered {status}", hint="check alert.heartbeat_url")
