"""`hemostat acknowledge` and `hemostat close`: a person takes care of an incident, or has settled it."""

from collections.abc import Sequence

import click

from hemostat.cli.completion.names import complete_incidents
from hemostat.cli.operator.decisions import by_option, find_user, open_operator, print_result, reason_option
from hemostat.cli.options import Globals
from hemostat.core.history.incident_log import IncidentLog
from hemostat.errors import UsageError


@click.command()
@click.argument("name", metavar="INCIDENT", shell_complete=complete_incidents)
@reason_option
@by_option
@click.pass_obj
def acknowledge(options: Globals, name: str, reason: str, by: str | None) -> None:
    """Record that a person takes care of INCIDENT: an id, a prefix of an id, or a container.

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
def close(options: Globals, name: str, reason: str, by: str | None) -> None:
    """Close INCIDENT, which a person has settled: an id, a prefix of an id, or a container.

    Another failure raises a new alert. An incident that HemoStat works on cannot be closed.
    """
    by = by or find_user()
    with open_operator(options) as orders:
        incident_log = find_open_incident(orders.list_incidents(), name)
        orders.close(incident_log, by=by, reason=reason)
    _print(options, "closed", incident_log, by)


def find_open_incident(incident_logs: Sequence[IncidentLog], name: str) -> IncidentLog:
    """The open incident of this id or prefix of an id, or the only open one of the container.

    Raises UsageError without a match, or with several.
    """
    open_incidents = [each for each in incident_logs if each.is_open]
    matches = [each for each in open_incidents if name in {each.incident, *_list_names(each)}] or [
        each for each in open_incidents if name and each.incident.startswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(f"{each.incident} ({each.kind})" for each in matches[:3])
        raise UsageError(f"{len(matches)} open incidents match {name!r}", hint=f"give an id, such as {ids}")
    settled = next((each for each in reversed(incident_logs) if each.incident == name), None)
    if settled is not None:
        state = settled.status.replace("_", " ")
        raise UsageError(f"incident {name} is not open: it is {state}", hint="see: hemostat waiting")
    raise UsageError(f"no open incident is named {name!r}", hint="see: hemostat waiting")


def _list_names(incident_log: IncidentLog) -> tuple[str, str]:
    container = incident_log.container.name
    return container, f"{incident_log.host}/{container}"


def _print(options: Globals, decision: str, incident_log: IncidentLog, by: str) -> None:
    print_result(
        options,
        f"{decision}: {incident_log.kind} of {incident_log.container.name} ({incident_log.incident})",
        incident=incident_log.incident,
        host=incident_log.host,
        container=incident_log.container.name,
        kind=incident_log.kind,
        by=by,
    )
