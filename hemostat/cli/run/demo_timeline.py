"""Shows a demo's timeline: redrawn in place on a terminal, one line a step elsewhere."""

import math
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from hemostat.cli.output.terminal import make_console
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration
from hemostat.terminal import can_redraw

if TYPE_CHECKING:
    from hemostat.demo import DemoReport, DemoStep, Scenario

COLOURS = {"fault": "red", "died": "red", "unhealthy": "red", "failed": "red", "verified": "green"}


class Timeline:
    """A context manager that shows the timeline. `quiet`: print nothing."""

    def __init__(self, scenario: "Scenario", *, simulated: bool, quiet: bool) -> None:
        self._scenario = scenario
        self._quiet = quiet
        self._prefix = "SIMULATED " if simulated else ""
        self._printed: set[tuple[str, float]] = set()
        self._steps: Sequence[DemoStep] = ()
        self._activity = "preparing"
        self._live: Any = None
        if can_redraw(sys.stdout) and not quiet:
            from rich.live import Live

            self._live = Live(console=make_console(), refresh_per_second=8, get_renderable=self._draw)

    def __enter__(self) -> Self:
        self._print(f"demo {self._scenario.name}: {self._scenario.breaks}")
        self._print(f"expected: {self._scenario.heals}")
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def begin(self, *, borrowed: bool, why_own: str = "") -> None:
        self._activity = "watching"
        roles = "the running roles" if borrowed else "its own roles"
        where = "a simulated engine" if self._prefix else "a real container"
        self._print(f"with {roles}, on {where}{why_own and f': {why_own}'}")

    def show(self, steps: "Sequence[DemoStep]", until: float = math.inf) -> None:
        """Show the steps.

        A printed line stays, so only steps up to `until` are printed: no earlier step can follow.
        """
        self._steps = steps
        if self._live:
            return
        for step in steps:
            if step.t <= until and (step.name, step.t) not in self._printed:
                self._printed.add((step.name, step.t))
                self._print(f"{step.t:7.3f} s  {step.name:<9}  {step.text}")

    def end(self, report: "DemoReport") -> None:
        self.show(report.steps)
        self._activity = ""
        self._stop()
        self._print(f"{_format_verdict(report)}: engine state: {_format_facts(report.observed)}")
        if not report.passed:
            self._print(f"expected: {_format_facts(report.expected)}")
        if report.host_too_busy:
            self._print(f"the host is too busy for this demo: {report.host_load}")
            self._print(
                f"try again when the host has free CPU, or: hemostat demo {report.scenario} --simulate"
            )

    def _stop(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _print(self, text: str) -> None:
        if self._quiet:
            return
        where = self._live.console.print if self._live else None
        if where is None:
            click.echo(escape_controls(self._prefix + text))
        else:
            where(escape_controls(self._prefix + text), markup=False)

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, style="dim")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        before = 0.0
        for step in self._steps:
            name = Text(step.name, style=COLOURS.get(step.name, "cyan"))
            gap = f"+{step.t - before:.3f}" if step.t != before else ""
            table.add_row(f"{self._prefix}{step.t:.3f} s", gap, name, Text(escape_controls(step.text)))
            before = step.t
        notes = (
            [Spinner("dots", Text(f"{self._prefix}{self._activity}", style="dim"))] if self._activity else []
        )
        return Group(table, *notes)


def _format_verdict(report: "DemoReport") -> str:
    if not report.passed:
        return "FAILED"
    healed = "" if report.healed_s is None else f"healed after {show_duration(report.healed_s)}"
    return ", ".join(filter(None, ("PASSED", report.ending or healed)))


def _format_facts(facts: dict[str, int | str | None]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
