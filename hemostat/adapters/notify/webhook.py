"""Sends messages to web addresses, in the format of the service that the address belongs to.

The address is a secret and appears in no message and no log.
"""

import logging
from typing import Final

import msgspec
import requests

from hemostat.adapters.notify.failures import find_refusal, make_connection_error
from hemostat.adapters.notify.response_limit import bounded_answers, choose_proxies
from hemostat.core.notify.formats import build_request
from hemostat.core.notify.message import Message
from hemostat.core.settings.local_address import use_ipv4_localhost

TIMEOUT_SECONDS: Final = 5.0
WEBHOOK: Final = "the webhook"

# urllib3 warns of an answer that it cannot parse, and shows the address.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Webhook:
    def __init__(self, url: str) -> None:
        self._url = use_ipv4_localhost(url)

    def send(self, message: Message) -> None:
        """Raises NotifyError."""
        url, body = build_request(self._url, message)
        try:
            with (
                bounded_answers(),
                requests.post(
                    url,
                    data=msgspec.json.encode(body),
                    headers={"Content-Type": "application/json"},
                    timeout=TIMEOUT_SECONDS,
                    proxies=choose_proxies(url),
                    allow_redirects=False,
                    stream=True,
                ) as reply,
            ):
                failure = find_refusal(reply, WEBHOOK, self._url)
        except (requests.RequestException, ValueError) as error:
            raise make_connection_error(error, WEBHOOK, self._url) from None
        if failure is not None:
            raise failure
