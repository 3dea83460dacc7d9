"""Checks requests and orders against what the monitor or the operator stated. Pure.

A request names an incident, and an order names a container. Both come from streams that several users may
write to, so both are compared with data that only the monitor, or only the engine, can provide.
"""

from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation.decision import Refuse
from hemostat.core.remediation.verify import find_late_reason
from hemostat.events import Action, Container, Order, Outcome, Reason, RemediationNeeded, seal


def refuse_order(order: Order, given_at: float, book: LedgerSnapshot) -> Refuse | None:
    """Refuse an order without the seal of a person for that time (epoch seconds)."""
    return None if book.seal == seal(order, given_at) else _refuse_unknown("no operator published this order")


def refuse_misdirected(order: Order, container: Container) -> Refuse | None:
    """Refuse an order whose container has another name or id at the engine. The person chose the container by
    name, and the id was read from the bus."""
    if order.container.name == container.name and order.container.id == container.id:
        return None
    ordered_name, actual_name = (f"{each.name} ({each.id[:12]})" for each in (order.container, container))
    return _refuse_unknown(f"it names {ordered_name}, but the engine calls that container {actual_name}")


def refuse_early(
    request: RemediationNeeded, info: ContainerInfo | None, book: LedgerSnapshot, *, ordered: bool
) -> Refuse | None:
    """Refuse what needs no policy: a request for an incident that no monitor reported, and a request that
    comes too late for the container as it is now. An operator's order has no incident of a monitor."""
    if not ordered and (forged := refuse_forged(request, book)) is not None:
        return forged
    reason = find_late_reason(request, info)
    return None if reason is None else Refuse(reason)


def refuse_unfounded(request: RemediationNeeded, incident: str, book: LedgerSnapshot) -> Refuse | None:
    """Refuse a request without an incident of a monitor, and a request whose incident has ended according to
    its monitor."""
    return refuse_forged(request, book) or _refuse_ended(request, incident, book)


def refuse_forged(request: RemediationNeeded, book: LedgerSnapshot) -> Refuse | None:
    """Refuse a request that differs from the alert that a monitor raised under its incident. For an incident
    of a monitor of an earlier version, only the container's name is known."""
    alert, notes = request.alert, book.notes
    if book.alerted_container != alert.container.name:
        return _refuse_unknown(
            f"it is {book.alerted_container}'s" if book.alerted_container else "no monitor reported it"
        )
    if not notes.latest:
        return None
    if notes.alert is None:
        return _refuse_unknown(
            f"its monitor did not report occurrence {alert.occurrence}: the latest is {notes.latest}"
        )
    noted_alert = notes.alert
    differences = (
        (noted_alert.container != alert.container.id, f"another container named {alert.container.name}"),
        (noted_alert.kind != alert.kind, f"{noted_alert.kind}, not {alert.kind}"),
        (noted_alert.since != alert.since, "another start"),
    )
    difference = next((text for differs, text in differences if differs), "")
    return _refuse_unknown(f"its monitor reported {difference}") if difference else None


def _refuse_ended(request: RemediationNeeded, incident: str, book: LedgerSnapshot) -> Refuse | None:
    notes = book.notes
    if request.alert.occurrence > notes.over or _is_next_rung(request, incident, book):
        return None
    return Refuse(Reason.RECOVERED, "its monitor reported its end")


def _is_next_rung(request: RemediationNeeded, incident: str, book: LedgerSnapshot) -> bool:
    """Whether this is the next rung after a failed attempt of HemoStat. Such a request is valid although its
    occurrence is over. If the failure is back, nothing else handles it. A container that HemoStat's own
    restart left down is started by no other program."""
    before = f"{incident}:{request.alert.occurrence}:{request.rung - 1}"
    failed = any(each.key == before and each.outcome is Outcome.FAILED for each in book.attempts)
    return failed and (book.notes.latest > book.notes.over or request.action is Action.START)


def _refuse_unknown(why: str) -> Refuse:
    return Refuse(Reason.UNKNOWN_INCIDENT, why)
