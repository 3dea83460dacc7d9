"""A dead man's switch in the form of healthchecks.io: a URL that is called while HemoStat works.

The URL is a secret.
"""

import logging
from typing import Final

import requests

from hemostat.adapters.notify.failures import find_refusal, make_connection_error
from hemostat.adapters.notify.response_limit import bounded_answers, choose_proxies
from hemostat.core.settings.local_address import use_ipv4_localhost

TIMEOUT_SECONDS: Final = 5.0
MAX_BODY_CHARACTERS: Final = 1000
SUBJECT: Final = "the heartbeat URL"

# urllib3 warns of an answer that it cannot parse, and shows the address.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class HealthchecksPing:
    def __init__(self, url: str, *, signals: bool) -> None:
        """`signals`: whether the service supports /start and /fail."""
        self._url = use_ipv4_localhost(url)
        self._signals = signals

    def ping_success(self) -> None:
        self._call("")

    def ping_start(self) -> None:
        if self._signals:
            self._call("/start")

    def ping_failure(self, why: str) -> None:
        if self._signals:
            self._call("/fail", why[:MAX_BODY_CHARACTERS])

    def _call(self, signal: str, body: str = "") -> None:
        base, mark, query = self._url.partition("?")
        url = f"{base.rstrip('/') if signal else base}{signal}{mark}{query}"
        try:
            with (
                bounded_answers(),
                requests.request(
                    "POST" if body else "GET",
                    url,
                    data=body.encode(),
                    timeout=TIMEOUT_SECONDS,
                    proxies=choose_proxies(self._url),
                    allow_redirects=False,
                    stream=True,
                ) as reply,
            ):
                failure = find_refusal(reply, SUBJECT, self._url, "check alert.heartbeat_url")
        except (requests.RequestException, ValueError) as error:
            raise make_connection_error(error, SUBJECT, self._url) from None
        if failure is not None:
            raise failure
