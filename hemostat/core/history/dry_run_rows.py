"""The dry run of a period for people: rows of tables, and sentences."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hemostat.core.history.comparison import PeriodReport
from hemostat.core.history.dry_run import FALSE_ALARM, Answer, CaseEnd, DryRunCase, DryRunSummary
from hemostat.core.remediation.slots import START_SECONDS
from hemostat.core.remediation.stop_timeout import DEFAULT_STOP_SECONDS
from hemostat.core.units import show_duration
from hemostat.core.wording import ACTION_WORDS, REASON_TEXTS, STATUS_TEXTS, describe_kind
from hemostat.events import Action, Reason

MAX_ROWS: Final = 10
END_COLUMNS: Final = ("without the action", "times", "after (median)")
CASE_COLUMNS: Final = ("time", "container", "failure", "would", "instead", "after")
CASE_END_TEXTS: Final[Mapping[CaseEnd, str]] = {
    CaseEnd.ITSELF: "recovered by itself",
    CaseEnd.RESTART_POLICY: "restarted by its restart policy",
    CaseEnd.START: "started by a person or a program",
    CaseEnd.RECOVERED: "recovered",
    CaseEnd.STOPPED: "stopped",
    CaseEnd.REMOVED: "removed or replaced",
    CaseEnd.CHANGED: "failed in another way",
    CaseEnd.FAILED_AGAIN: "failed again",
    CaseEnd.ACTED: "HemoStat acted later",
    CaseEnd.CLOSED: "closed by a person",
    CaseEnd.FAILING: "still fails",
}
BRIEF_END_TEXTS: Final[Mapping[CaseEnd, str]] = {
    CaseEnd.ITSELF: "by itself",
    CaseEnd.RESTART_POLICY: "restart policy",
    CaseEnd.START: "started",
    CaseEnd.RECOVERED: "recovered",
    CaseEnd.STOPPED: "stopped",
    CaseEnd.REMOVED: "removed",
    CaseEnd.CHANGED: "other failure",
    CaseEnd.FAILED_AGAIN: "failed again",
    CaseEnd.ACTED: "HemoStat acted",
    CaseEnd.CLOSED: "closed",
    CaseEnd.FAILING: "still fails",
}
"""The same in a table of 80 columns."""
ANSWER_TEXTS: Final[Mapping[Answer, str]] = {
    Answer.APPROVED: "approved",
    Answer.REJECTED: "rejected",
    Answer.NO_ANSWER: "without an answer",
    Answer.NOT_NEEDED: "open, or ended before an answer",
}
NOT_COUNTED: Final = (
    "Containers that are stopped or replaced while they work raise no alert: they are not counted."
)
TO_SWITCH_ON: Final = (
    'To let HemoStat act, set responder.mode = "auto" and start it again. With "approve" it asks first; '
    'responder.project_modes = { NAME = "dry-run" } leaves a project in dry run.'
)


def list_ends(summary: DryRunSummary | None) -> list[tuple[str, str, str]]:
    """Return how the failures ended for which an action was decided and not done."""
    if summary is None:
        return []
    return [
        (CASE_END_TEXTS[CaseEnd(end)], str(each.count), show_duration(each.median))
        for end, each in summary.ends.items()
    ]


def list_cases(
    report: PeriodReport, format_time: Callable[[float], str]
) -> list[tuple[str, str, str, str, str, str]]:
    """Return the newest decisions, oldest first."""
    summary = report.dry_run
    cases = () if summary is None else summary.cases[-MAX_ROWS:]
    has_several_hosts = len({case.host for case in cases}) > 1
    return [
        (
            format_time(case.decided),
            f"{case.host}/{case.container}" if has_several_hosts else case.container,
            describe_kind(case.kind),
            _describe_action(case),
            BRIEF_END_TEXTS[case.end],
            show_duration(case.measure_wait(report.until)),
        )
        for case in cases
    ]


def describe_dry_run(report: PeriodReport) -> list[str]:
    """Return what the dry run means, a sentence or two each; empty without one."""
    summary = report.dry_run
    return [] if summary is None else list(_describe(summary, report))


def _describe(summary: DryRunSummary, report: PeriodReport) -> Iterator[str]:
    yield _describe_actions(summary)
    if summary.answers:
        counts = (f"{count} {ANSWER_TEXTS[Answer(answer)]}" for answer, count in summary.answers.items())
        yield f"Requests for approval: {', '.join(counts)}."
    if summary.needless:
        soon = f", {summary.soon} of them within a minute" if summary.soon else ""
        soon = " within a minute" if summary.soon == summary.needless else soon
        yield f"{summary.needless} would have been needless: the container recovered by itself{soon}."
    if summary.outages:
        yield _describe_outages(summary)
    yield _describe_success(report)
    if summary.refused:
        yield f"Not done even without the dry run: {_list_reasons(summary.refused)}."
    if summary.left_alone:
        yield f"Other incidents, without an action: {_list_reasons(summary.left_alone)}."
    yield NOT_COUNTED
    if any(case.answer is None for case in summary.cases):
        yield TO_SWITCH_ON


def _describe_actions(summary: DryRunSummary) -> str:
    total = sum(summary.actions.values())
    if not total:
        return "HemoStat would not have acted."
    names = ", ".join(f"{ACTION_WORDS[Action(name)].name} {count}" for name, count in summary.actions.items())
    containers = "1 container" if summary.containers == 1 else f"{summary.containers} containers"
    times = "once" if total == 1 else f"{total} times"
    return f"HemoStat would have acted {times} on {containers}: {names}."


def _describe_outages(summary: DryRunSummary) -> str:
    source = (
        "its actions took that long"
        if summary.measured
        else f"{DEFAULT_STOP_SECONDS:.0f} s for a stop and {START_SECONDS:.0f} s for a start are assumed"
    )
    failures, ending = ("1 failure", "s") if summary.outages == 1 else (f"{summary.outages} failures", "")
    return (
        f"{failures} lasted until a person or another program acted, or still last{ending}: "
        f"{show_duration(summary.outage_seconds)} in total. With HemoStat about "
        f"{show_duration(summary.estimated_seconds)}, if its actions had helped ({source})."
    )


def _describe_success(report: PeriodReport) -> str:
    counts = [*report.actions.values(), *report.previous.actions.values()]
    healed, failed = sum(each.healed for each in counts), sum(each.failed for each in counts)
    rate = f" Of {healed + failed} earlier actions here, {healed} did." if healed + failed else ""
    return f"Whether an action would have helped is not known.{rate}"


def _list_reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {_describe_restraint(name)}" for name, count in counts.items())


def _describe_restraint(name: str) -> str:
    text = STATUS_TEXTS[FALSE_ALARM] if name == FALSE_ALARM else REASON_TEXTS[Reason(name)]
    return f"({text})"


def _describe_action(case: DryRunCase) -> str:
    brief = ACTION_WORDS[case.action].brief
    return brief if case.refused is None else f"not {brief}: {REASON_TEXTS[case.refused]}"
