"""The consumer of roles whose work is on batches: it stores the events of a batch, then acknowledges them.

Where a batch fails, each entry is handled and acknowledged separately. An entry that fails alone is moved to
the dead letters.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from hemostat.consumer.acknowledgement import Acknowledger
from hemostat.consumer.context import ConsumerContext, ConsumerLimits
from hemostat.consumer.stream_loop import StreamLoop
from hemostat.events import Event
from hemostat.ports import Entry, Interrupted

HandleBatch = Callable[[Sequence[Event]], object]
"""A role's work on a batch of events, which must be repeatable."""


class BatchConsumer:
    """Runs one role's `handle` over its streams, on batches of at most `1 + ahead` entries."""

    def __init__(
        self,
        context: ConsumerContext,
        limits: ConsumerLimits,
        handle: HandleBatch,
        *,
        describe_warning: Callable[[], str] = str,
    ) -> None:
        self._stop = context.stop
        self._max_deliveries = limits.deliveries
        self._acknowledger = Acknowledger(context, handle_first=handle)
        self._loop = StreamLoop(context, limits, self._handle_entries, describe_warning=describe_warning)

    def run(self) -> None:
        """Work until `stop` is set. Entries held then are finished, or released to other consumers."""
        self._loop.run()
        self._loop.release()

    def _handle_entries(self, entries: Iterable[Entry]) -> None:
        if self._stop.is_set():
            return
        with suppress(Interrupted):
            self._acknowledger.acknowledge([(entry, ()) for entry in entries if not self._has_failed(entry)])

    def _has_failed(self, entry: Entry) -> bool:
        """Move an entry to the dead letters if it cannot be decoded or was delivered too often, and return
        whether it was moved."""
        if entry.event is None:
            self._acknowledger.bury(entry, entry.error)
        elif entry.deliveries > self._max_deliveries:
            self._acknowledger.bury(entry, f"given up after {entry.deliveries - 1} deliveries")
        else:
            return False
        return True
