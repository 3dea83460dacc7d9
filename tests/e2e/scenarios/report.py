"""The table and its totals."""

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table

from tests.e2e.scenarios.judge import Result


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    scenarios: int
    correct: int
    precision: float
    """Share of the raised incidents that was expected."""
    recall: float
    """Share of the expected incidents that was raised."""
    wrong_actions: int
    again: int
    """Number of scenarios that were played a second time, because the host was too busy the first time."""
    seconds: float
    busy: float | None = None
    """Share of the host's CPU in use, 0 to 1, where the host was kept busy."""


def totals(results: Iterable[Result], seconds: float, busy: float | None = None) -> Totals:
    results = list(results)
    return Totals(
        scenarios=len(results),
        correct=sum(not each.differences for each in results),
        precision=_share(sum(each.raised_expected for each in results), sum(each.raised for each in results)),
        recall=_share(sum(each.required_raised for each in results), sum(each.required for each in results)),
        wrong_actions=sum(len(each.wrong_actions) for each in results),
        again=sum(each.again for each in results),
        seconds=round(seconds, 1),
        busy=busy,
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else 1.0


def show(results: Iterable[Result], summary: Totals) -> None:
    table = Table("scenario", "kind", "trap", "expected", "observed", "delay", "verdict", show_lines=True)
    for each in results:
        observed = [*(each.observed or ["nothing"]), *(f"! {line}" for line in each.differences)]
        table.add_row(
            each.scenario,
            each.kind,
            "trap" if each.trap else "",
            "\n".join(each.expected),
            "\n".join(observed),
            "" if each.delay is None else f"{each.delay:.2f} s",
            ("WRONG" if each.differences else "correct") + (", second try" if each.again else ""),
        )
    console = Console(width=None if Console().is_terminal else 160, highlight=False, markup=False)
    console.print(table)
    console.print(
        f"{summary.correct} of {summary.scenarios} correct, precision {summary.precision:.3f}, recall "
        f"{summary.recall:.3f}, {summary.wrong_actions} wrong actions, {summary.again} played again, "
        f"{summary.seconds:.0f} s"
        + ("" if summary.busy is None else f", {summary.busy:.0%} of the host's CPU in use")
    )
