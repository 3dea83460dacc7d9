"""Ends attempts in the ledger that no request will end: their entry was lost, or their container was
removed."""

import logging
from typing import Final

import msgspec

from hemostat.agents.responder.host_containers import HostContainers
from hemostat.agents.responder.in_flight import InFlight
from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.slots import compute_slot_end
from hemostat.core.settings.responder import MAX_LOOKBACK_SECONDS
from hemostat.events import Outcome, Reason
from hemostat.ports import Ledger

SWEEP_SECONDS: Final = 60.0
MAX_CHECKED: Final = 50
"""Maximum number of containers that the engine is asked about in one round."""

logger = logging.getLogger(__name__)


class Sweeper:
    def __init__(self, ledger: Ledger, neighbours: HostContainers, in_flight: InFlight, *, host: str) -> None:
        self._ledger = ledger
        self._host_containers = neighbours
        self._in_flight = in_flight
        self._host = host
        self._swept_at = 0.0

    def sweep(self, now: float) -> None:
        if 0 <= now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        book = self._ledger.read(self._host, "")
        # An attempt that holds a slot may be under way in another process, which will end it.
        old = [each for each in book.running_attempts if not each.time <= now < compute_slot_end(each)]
        remaining = [each for each in old if each.key not in self._in_flight.names][:MAX_CHECKED]
        removed = self._host_containers.find_gone(remaining, now)
        for each in remaining:
            forgotten = not is_leased(each, now) and abs(now - each.time) > MAX_LOOKBACK_SECONDS
            if each.key in removed or forgotten:
                self._end_attempt(each, now)

    def _end_attempt(self, attempt: Attempt, now: float) -> None:
        logger.info("attempt.ended key=%s container=%s", attempt.key, attempt.container)
        end = msgspec.structs.replace(
            attempt, outcome=Outcome.NOT_APPLICABLE, reason=Reason.GONE, finished=now
        )
        self._ledger.finish(self._host, end)
