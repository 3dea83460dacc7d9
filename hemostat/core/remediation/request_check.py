"""Checks requests and orders against what the monitor or the operator stated. Pure.

A request names an incident, and an order names a container. Both come from streams that several users may
write to, so both are compared with data that only the monitor, or only the engine, can provide.
"""

from hemostat.core.ledger.rows import LedgerSnapshot
from hemostat.core.remediation.decision import Refuse
from hemostat.events import Action, Container, Order, Outcome, Reason, RemediationNeeded, seal


def refuse_order(order: Order, given: float, book: LedgerSnapshot) -> Refuse | None:
    """Refuse an order without the seal of a person for that time (epoch seconds)."""
    return None if book.seal == seal(order, given) else _refuse_unknown("no operator published this order")


def refuse_misdirected(order: Order, found: Container) -> Refuse | None:
    """Refuse an order whose container has another name or id at the engine. The person chose the container by
    name, and the id was read from the bus."""
    if order.container.name == found.name and order.container.id == found.id:
        return None
    given, has = (f"{each.name} ({each.id[:12]})" for each in (order.container, found))
    return _refuse_unknown(f"it names {given}, but the engine calls that container {has}")


def refuse_unfounded(request: RemediationNeeded, incident: str, book: LedgerSnapshot) -> Refuse | None:
    """Refuse a request without an incident of a monitor, and a request whose incident has ended according to
    its monitor."""
    return refuse_forged(request, book) or _refuse_ended(request, incident, book)


def refuse_forged(request: RemediationNeeded, book: LedgerSnapshot) -> Refuse | None:
    """Refuse a request that differs from the alert that a monitor raised under its incident. For an incident
    of a monitor of an earlier version, only the container's name is known."""
    alert, notes = request.alert, book.notes
    if book.patient != alert.container.name:
        return _refuse_unknown(f"it is {book.patient}'s" if book.patient else "no monitor reported it")
    if not notes.latest:
        return None
    if notes.alert is None:
        return _refuse_unknown(
            f"its monitor did not report occurrence {alert.occurrence}: the latest is {notes.latest}"
        )
    told = notes.alert
    differences = (
        (told.container != alert.container.id, f"another container named {alert.container.name}"),
        (told.kind != alert.kind, f"{told.kind}, not {alert.kind}"),
        (told.since != alert.since, "another start"),
    )
    found = next((text for differs, text in differences if differs), "")
    return _refuse_unknown(f"its monitor reported {found}") if found else None


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
