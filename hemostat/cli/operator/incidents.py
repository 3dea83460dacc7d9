"""`hemostat acknowledge` and `hemostat close`: a person takes care of an incident, or has settled it."""

from collections.abc import Sequence
from typing import Final

import click
import msgspec

from hemostat.cli.completion.names import complete_incidents
from hemostat.cli.operator.decisions import by_option, find_user, open_operator, print_result, reason_option
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.ledger.controls import MIN_PREFIX_CHARACTERS
from hemostat.core.wording import describe_kind, describe_status
from hemostat.errors import UsageError


class IncidentDecision(msgspec.Struct, frozen=True, kw_only=True):
    """`incident` is the id that was decided about, `by` the operator."""

    incident: str
    host: str
    container: str
    kind: str
    by: str


DECISION_SHAPE: Final = JsonShape("cli.operator.incidents:IncidentDecision")


@click.command()
@click.argument("name", metavar="INCIDENT", shell_complete=complete_incidents)
@reason_option
@by_option
@click.pass_obj
@prints_json(DECISION_SHAPE)
def acknowledge(options: Globals, name: str, reason: str, by: str | None) -> None:
    """Record that a person takes care of INCIDENT: an id, 4 characters of its beginning, or a container.

    The incident stays open and is listed last.
    """
    by = by or find_user()
    with open_operator(options) as orders:
        incident_log = find_open_incident(orders.list_incidents(), name)
        orders.acknowledge(incident_log, by=by, reason=reason)
    _print(options, "acknowledged", incident_log, by)


@click.command()
@click.argument("name", metavar="INCIDENT", shell_complete=complete_incidents)
@reason_option
@by_option
@click.pass_obj
@prints_json(DECISION_SHAPE)
def close(options: Globals, name: str, reason: str, by: str | None) -> None:
    """Close INCIDENT, which a person has settled: an id, 4 characters of its beginning, or a container.

    Another failure raises a new alert. An incident that HemoStat works on cannot be closed.
    """
    by = by or find_user()
    with open_operator(options) as orders:
        incident_log = find_open_incident(orders.list_incidents(), name)
        orders.close(incident_log, by=by, reason=reason)
    _print(options, "closed", incident_log, by)


def find_open_incident(incident_logs: Sequence[IncidentLog], name: str) -> IncidentLog:
    """The open incident of this id, else the only open one of the container, else the only one whose id
    begins with the name.

    A container may have the id of another container's incident as its name, or a prefix of the id. So an id
    has precedence, and the name of a known container is no prefix.

    Raises UsageError without a match, or with several.
    """
    named = next((each for each in reversed(incident_logs) if each.incident == name), None)
    if named is not None and not named.is_open:
        state = describe_status(named.status)
        raise UsageError(f"incident {name} is not open: {state}", hint="see: hemostat waiting")
    open_incidents = [each for each in incident_logs if each.is_open]
    matches = [named] if named else [each for each in open_incidents if name in _list_names(each)]
    if not matches and len(name) >= MIN_PREFIX_CHARACTERS and not _is_container(incident_logs, name):
        matches = [each for each in open_incidents if each.incident.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(f"{each.incident} ({describe_kind(each.kind)})" for each in matches[:3])
        raise UsageError(f"{len(matches)} open incidents match {name!r}", hint=f"give an id, such as {ids}")
    raise UsageError(f"no open incident is named {name!r}", hint="see: hemostat waiting")


def _is_container(incident_logs: Sequence[IncidentLog], name: str) -> bool:
    return any(name in _list_names(each) for each in incident_logs)


def _list_names(incident_log: IncidentLog) -> tuple[str, str]:
    container = incident_log.container.name
    return container, f"{incident_log.host}/{container}"


def _print(options: Globals, decision: str, incident_log: IncidentLog, by: str) -> None:
    what = f"{incident_log.container.name}, {describe_kind(incident_log.kind)}"
    text = f"{decision}: {what} ({incident_log.incident})"
    result = IncidentDecision(
        incident=incident_log.incident,
        host=incident_log.host,
        container=incident_log.container.name,
        kind=incident_log.kind,
        by=by,
    )
    print_result(options, text, result)
