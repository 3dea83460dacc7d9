"""The commands of operators: order, approve, reject, pause, resume, reset, acknowledge, close.

They take effect by the control store, or by the stream of orders. Each command is also published as an event,
so that it is stored with all other events.
"""

import shlex
from typing import Final

from hemostat.core.history.incident_log import UNFINISHED_STATUSES, IncidentLog, build_incident_logs
from hemostat.core.ledger.controls import Approval, ApprovalAnswer, Controls, Pause
from hemostat.core.remediation import orders
from hemostat.core.remediation.decision import Decision
from hemostat.core.remediation.limit_status import HostLimitStatus, compute_host_status
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.wording import describe_status
from hemostat.errors import UsageError
from hemostat.events import DURABLE, Decided, Event, Order, Word, order_id
from hemostat.ports import Bus, Clock, ControlStore, Ledger
from hemostat.streams import PEOPLE
from hemostat.time_windows import find_window_state

MAX_EVENTS_PER_STREAM: Final = 2000
"""Events of each type that are read for open incidents. So many take a tenth of a second."""
MAX_SKEW_SECONDS: Final = 3600.0
"""Seconds by which the clock of a host may be ahead of the person's."""
MIN_INTERVAL_SECONDS: Final = 0.001
"""Seconds by which a decision about an incident follows the incident's last event."""
AUDIT_TRAIL: Final = "audit trail"
"""Takes the place of the container name in a decision; no container can have this name."""


class OperatorCommands:
    """Commands for the command line and the dashboard. `host` is the person's host."""

    def __init__(
        self,
        bus: Bus,
        control_store: ControlStore,
        ledger: Ledger,
        clock: Clock,
        limits: ResponderSettings,
        *,
        host: str,
    ) -> None:
        self._bus = bus
        self._control_store = control_store
        self._ledger = ledger
        self._clock = clock
        self._limits = limits
        self._host = host

    # --- queries ------------------------------------------------------------------------------------

    def read_controls(self) -> Controls:
        return self._control_store.read_controls()

    def list_approvals(self) -> list[Approval]:
        return self._control_store.list_approvals()

    def list_incidents(self) -> list[IncidentLog]:
        """Return the incidents in the latest events of each stream, oldest first."""
        return build_incident_logs(
            event for name in DURABLE for event in self._bus.read_recent(name, MAX_EVENTS_PER_STREAM)
        )

    def read_overview(self, host: str) -> HostLimitStatus:
        """Return the state of the host's limits, as configured here."""
        return compute_host_status(self._ledger.read_host(host), self._limits, self._clock.now())

    def predict_decision(self, host: str, order: Order) -> Decision:
        """Return what the responder would decide now, without any effect."""
        now = self._clock.now()
        windows = find_window_state(self._limits.windows, now)
        return orders.preview_decision(order, self._ledger.read_host(host), self._limits, windows, now)

    def describe_prediction(self, host: str, order: Order) -> str:
        """Return the same in words, and whether force has an effect here."""
        said = orders.describe_decision(self.predict_decision(host, order))
        return f"{said}; {orders.NO_FORCE_TEXT}" if order.force and not self._limits.orders_override else said

    # --- commands -----------------------------------------------------------------------------------

    def place_order(self, host: str, order: Order) -> str:
        """Publish the order to the responder of the container's host. Returns its incident id, under which
        the outcome is published."""
        now = self._clock.now()
        incident = order_id(host, order, now)
        self._publish(order, order.by, now, host=host, incident=incident)
        return incident

    def answer_approval(
        self, approval_id: str, answer: ApprovalAnswer, *, by: str, reason: str = ""
    ) -> tuple[Approval, bool] | None:
        """Answer an approval request. Returns the stored request, and whether this answer counts: of two
        answers the first counts and is published. None if no request has this id."""
        now = self._clock.now()
        approval = self._control_store.answer_approval(approval_id, answer, by=by, reason=reason, now=now)
        if approval is None:
            return None
        counts = (approval.answer, approval.by, approval.answered) == (answer, by, now)
        if counts:
            event = Decided(
                what=Word(answer),
                by=by,
                container=approval.container,
                reason=reason,
                action=approval.action,
            )
            self._publish(event, by, now, host=approval.host, incident=approval.incident)
        return approval, counts

    def pause(self, container: str, *, by: str, reason: str = "", seconds: float | None = None) -> Pause:
        """Pause remediation. `container` is a name, or ALL_CONTAINERS; with `seconds` None the pause has no
        end."""
        now = self._clock.now()
        pause = Pause(by=by, at=now, until=None if seconds is None else now + seconds, reason=reason)
        self._control_store.pause(container, pause)
        self._publish_decision(Word.PAUSED, container, by, reason, now, until=pause.until)
        return pause

    def resume(self, container: str, *, by: str, reason: str = "") -> bool:
        """End the pause; returns False, without an event, if there was none."""
        is_resumed = self._control_store.resume(container)
        if is_resumed:
            self._publish_decision(Word.RESUMED, container, by, reason, self._clock.now())
        return is_resumed

    def reset_breaker(self, container: str, *, by: str, reason: str = "") -> None:
        """Close the circuit breaker."""
        now = self._clock.now()
        self._control_store.reset_breaker(container, now)
        self._publish_decision(Word.RESET, container, by, reason, now)

    def acknowledge(self, incident_log: IncidentLog, *, by: str, reason: str = "") -> None:
        """Record that a person takes care of the incident. The incident stays open."""
        self._decide_on_incident(Word.ACKNOWLEDGED, incident_log, by, reason)

    def close(self, incident_log: IncidentLog, *, by: str, reason: str = "") -> None:
        """Record that a person has settled the incident.

        Raises UsageError while HemoStat works on the incident, because its outcome would be hidden.
        """
        if incident_log.status in UNFINISHED_STATUSES:
            state = describe_status(incident_log.status)
            raise UsageError(
                f"HemoStat still works on incident {incident_log.incident}: {state}",
                hint=f"see: {shlex.join(('hemostat', 'incident', 'show', incident_log.incident))}",
            )
        self._decide_on_incident(Word.CLOSED, incident_log, by, reason)

    def _decide_on_incident(self, decision: Word, incident_log: IncidentLog, by: str, reason: str) -> None:
        event = Decided(what=decision, by=by, container=incident_log.container.name, reason=reason)
        # Events are ordered by time. The clock here may be behind the host's, but not far behind.
        now, last = self._clock.now(), incident_log.steps[-1].time
        time = max(now, last + MIN_INTERVAL_SECONDS) if last - now < MAX_SKEW_SECONDS else now
        self._publish(event, by, time, host=incident_log.host, incident=incident_log.incident)

    def accept_trail(self, head: str, *, by: str, reason: str) -> None:
        """Publish that a person accepts the audit trail as it is, up to this row. It takes effect by the
        audit anchor."""
        now = self._clock.now()
        self._publish_decision(Word.ACCEPTED, AUDIT_TRAIL, by, f"{reason}; up to row {head}", now)

    def _publish_decision(
        self, decision: Word, container: str, by: str, reason: str, now: float, until: float | None = None
    ) -> None:
        event = Decided(what=decision, by=by, container=container, reason=reason, until=until)
        self._publish(event, by, now, host=self._host)

    def _publish(
        self, data: Order | Decided, by: str, now: float, *, host: str, incident: str | None = None
    ) -> None:
        event = Event.make(data, time=now, host=host, source=f"{PEOPLE}@{by}", incident=incident)
        self._bus.publish([event])
