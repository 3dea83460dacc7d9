"""The rows of a report for people. The command and the dashboard show the same ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hemostat.core.history.comparison import PeriodReport
from hemostat.core.history.summary import ActionCount, DurationSpread, IncidentSummary, Offender
from hemostat.core.units import show_duration
from hemostat.core.wording import ACTION_WORDS, describe_kind
from hemostat.events import Action

COUNT_COLUMNS: Final = ("what", "number", "before")
CHANGE_COLUMNS: Final = ("change", "container", "failure", "times", "before")
SPREAD_COLUMNS: Final = ("to", "mean", "p95", "of")
OFFENDER_COLUMNS: Final = ("container", "alerts", "incidents", "healed", "kinds")
NOTHING_BEFORE: Final = "No incident of the period before is stored."
NO_CHANGES: Final = "The same failures, as often, in both periods."


def list_counts(report: PeriodReport) -> list[tuple[str, str, str]]:
    """Return the numbers of incidents and actions, in this period and in the one before."""
    before = dict(_format_counts(report.previous))
    current = dict(_format_counts(report))
    names = [*current, *(name for name in before if name not in current)]
    return [(name, current.get(name, "0"), before.get(name, "0")) for name in names]


def list_changes(report: PeriodReport) -> list[tuple[str, str, str, str, str]]:
    """Return what failed more or less often than in the period before; new failures first."""
    name_container = _make_namer([(each.host, each.container) for each in report.changes])
    return [
        (
            str(each.trend),
            name_container(each.host, each.container),
            describe_kind(each.kind),
            str(each.alerts),
            str(each.alerts_before),
        )
        for each in report.changes
    ]


def describe_no_changes(report: PeriodReport) -> str:
    """Return why there is no change, or that nothing is known to compare with; empty for changes."""
    if not report.previous.incidents:
        return NOTHING_BEFORE
    return "" if report.changes else NO_CHANGES


def list_spreads(report: IncidentSummary) -> list[tuple[str, ...]]:
    """Return how long it took to detect and to heal."""
    return [_format_spread("detect", report.detect), _format_spread("heal", report.heal)]


def list_offenders(report: IncidentSummary) -> list[tuple[str, ...]]:
    """Return the containers that failed most."""
    name_container = _make_namer([(each.host, each.container) for each in report.offenders])
    return [_format_offender(each, name_container(each.host, each.container)) for each in report.offenders]


def _make_namer(containers: Sequence[tuple[str, str]]) -> Callable[[str, str], str]:
    """Return a function that names a container, with its host where they are on several hosts."""
    if len({host for host, _ in containers}) > 1:
        return lambda host, container: f"{host}/{container}"
    return lambda _, container: container


def _format_counts(summary: IncidentSummary) -> Iterator[tuple[str, str]]:
    yield "incidents", f"{summary.incidents} with {summary.alerts} alerts"
    yield "healed by HemoStat", _format_share(summary.healed, summary.incidents)
    yield "ended without action", _format_share(summary.recovered, summary.incidents)
    yield "false alarms", _format_share(summary.false_alarms, summary.incidents)
    yield "action failed", _format_share(summary.failed, summary.incidents)
    yield "still open", _format_share(summary.open, summary.incidents)
    yield "action refused", _format_share(summary.refused, summary.incidents)
    yield "over to you", _format_share(summary.escalated, summary.incidents)
    if summary.closed:
        yield "closed by people", _format_share(summary.closed, summary.incidents)
    for name, count in summary.actions.items():
        yield f"action: {_get_action_name(name)}", _format_action_count(count)
    if summary.dry_runs:
        times, where = _count_times(summary.dry_runs), _count_containers(summary.dry_run_containers)
        yield "would have acted", f"{times} on {where} (dry run)"
    yield "orders of people", str(summary.orders)
    spend = summary.spend
    yield "model queries", f"{spend.diagnoses} diagnoses, {spend.tokens:,} tokens, ${spend.cost:.2f}"


def _get_action_name(name: str) -> str:
    return ACTION_WORDS[Action(name)].name


def _format_action_count(count: ActionCount) -> str:
    return f"{count.healed} healed, {count.failed} did not help"


def _count_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _count_containers(count: int) -> str:
    return "1 container" if count == 1 else f"{count} containers"


def _format_share(count: int, total: int) -> str:
    return f"{count} ({count / total:.0%})" if total and count else str(count)


def _format_spread(name: str, spread: DurationSpread | None) -> tuple[str, ...]:
    if spread is None:
        return name, "-", "-", "0"
    return name, show_duration(spread.mean), show_duration(spread.p95), str(spread.count)


def _format_offender(each: Offender, name: str) -> tuple[str, ...]:
    kinds = ", ".join(f"{describe_kind(kind)} {count}" for kind, count in each.kinds.items())
    return name, str(each.alerts), str(each.incidents), str(each.healed), kinds
